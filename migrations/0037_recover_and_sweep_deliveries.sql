-- Why: the tick finds deliveries and events whose message was lost, and the sweeper those that are no longer needed, in all
-- tenants. Stage: expand.
set local role app_owner;

create policy owner_lists_due on app.extension_event for select to app_owner using (true);
create policy owner_lists_due on app.extension_delivery for select to app_owner using (true);

create function app.tenants_with_deliveries_due(at timestamptz, most integer) returns setof text
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select tenant_id from (
      select tenant_id from app.extension_delivery where recheck_at <= at
      union select tenant_id from app.extension_event where fanned_out_at is null and recheck_at <= at) as due
    limit most
  $$;
comment on function app.tenants_with_deliveries_due is
  'Ids of tenants with an event or a delivery that may have been forgotten. Definer rights: ids only, no row of a tenant.';
revoke all on function app.tenants_with_deliveries_due from public;
grant execute on function app.tenants_with_deliveries_due to fn_registry;

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
      union select tenant_id from app.extension_delivery
        where state in ('delivered', 'discarded') and ended_at < at - interval '1 day'
      union select tenant_id from app.extension_delivery where state = 'dead' and ended_at < at - interval '14 days'
      union select tenant_id from app.extension_event where sweep_at <= at
      -- Without an index, which would make each update of a bucket dearer. A bucket that is due is deleted, so the table has
      -- those of callers of the last hour.
      union select tenant_id from app.call_rate
        where arrival_us < (extract(epoch from at - interval '1 hour') * 1000000)::bigint) as due
    limit most
  $$;
