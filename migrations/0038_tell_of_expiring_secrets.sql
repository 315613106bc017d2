-- Why: it is known who changed a topic last, tenants are told of secrets that expire (docs/adr/0048),
-- and the sweeper finds all that is due since the migrations before. Stage: expand.
set local role app_owner;

alter table app.event_topic add column changed_by text not null default '';
grant update (changed_by) on app.event_topic to fn_registry;

alter table app.extension_install_secret
  add column look_at timestamptz default now(),
  add column told_days smallint check (told_days >= 0);
comment on column app.extension_install_secret.look_at is
  'When the sweeper looks whether the secret is about to expire. Null: it does not expire, or everything was told.';
comment on column app.extension_install_secret.told_days is
  'The last threshold of secret.expiring that was told of this value, in days before its end.';
create index extension_install_secret_look on app.extension_install_secret (look_at, tenant_id) where look_at is not null;
grant update (look_at, told_days) on app.extension_install_secret to fn_registry;

create policy owner_lists_due on app.extension_install_secret for select to app_owner using (true);

create or replace function app.tenants_with_due(at timestamptz, uninstalled_before timestamptz, most integer) returns setof text
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
      union select tenant_id from app.extension_install_secret where look_at <= at
      union select tenant_id from app.extension_metric_total where day < (at at time zone 'UTC')::date - 400
      -- These two without an index, which would make each of their updates dearer. What is due is deleted, so the tables have the
      -- tenants of the last day, and the callers of the last hour.
      union select tenant_id from app.tenant_activity where active_at < at - interval '1 day'
      union select tenant_id from app.call_rate
        where arrival_us < (extract(epoch from at - interval '1 hour') * 1000000)::bigint) as due
    limit most
  $$;
