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
