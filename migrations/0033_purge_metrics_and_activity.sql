-- Why: metrics of extensions and the activity of tenants were kept permanently, and some rows of a purged install too.
-- Stage: expand.
set local role app_owner;

-- The sweeper deletes them: what is too old, and what belongs to an install that is purged.
grant delete on app.extension_metric_total to fn_registry;
grant delete on app.tenant_activity to fn_registry;
grant delete on app.extension_limit to fn_registry;
grant delete on app.extension_install_request to fn_registry;
grant delete on app.extension_storage_usage to fn_registry;

create policy owner_lists_due on app.extension_metric_total for select to app_owner using (true);
create index extension_metric_total_old on app.extension_metric_total (day, tenant_id);

create or replace function app.tenants_with_due(at timestamptz, uninstalled_before timestamptz, most integer)
  returns setof text
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select tenant_id from (
      select tenant_id from app.extension_storage_entry where expires_at <= at
      union select tenant_id from app.call_idempotency where created_at < at - interval '1 day'
      union select tenant_id from app.idempotency_record where created_at < at - interval '1 day'
      union select tenant_id from app.tenant_extension_install
        where state = 'uninstalled' and purged_at is null and uninstalled_at <= uninstalled_before
      union select tenant_id from app.extension_execution_log
        where outcome is null and accepted_at < at - interval '15 minutes'
          and day >= ((at at time zone 'UTC')::date - 16)
      union select tenant_id from app.extension_metric_total where day < (at at time zone 'UTC')::date - 400
      -- These two without an index, which would make each of their updates dearer. What is due is deleted, so the tables have the
      -- tenants of the last day, and the callers of the last hour.
      union select tenant_id from app.tenant_activity where active_at < at - interval '1 day'
      union select tenant_id from app.call_rate
        where arrival_us < (extract(epoch from at - interval '1 hour') * 1000000)::bigint) as due
    limit most
  $$;
