-- Why: a publisher who revokes a key is told how many installs that stops. The registry may read installs of one tenant
-- only, so the count needs the owner's rights. Stage: expand.
set local role app_owner;

create function app.count_installs(version uuid) returns bigint
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select count(*) from app.tenant_extension_install i where i.version_id = version and i.state = 'enabled'
  $$;
comment on function app.count_installs(uuid) is
  'How many enabled installs run a version, of all tenants. Definer rights: a number only, no id and no row of a tenant.';
revoke all on function app.count_installs(uuid) from public;
grant execute on function app.count_installs(uuid) to fn_registry;
