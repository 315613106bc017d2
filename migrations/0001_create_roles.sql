-- Why: the owner, the login roles and the tenant setting that every later table builds on. Stage: expand.
do $$
declare
  role_name text;
begin
  if not exists (select from pg_roles where rolname = 'app_owner') then
    create role app_owner nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls;
  end if;
  -- So that a migrating role that is no superuser (a managed database's) may act as the owner.
  execute format('grant app_owner to %I', current_user);
  -- Passwords are set by the migration runner from its own environment, never in a file.
  foreach role_name in array array['fn_gateway', 'fn_registry', 'fn_runner'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I login nosuperuser nocreatedb nocreaterole noinherit nobypassrls', role_name);
    end if;
  end loop;
end
$$;

create schema if not exists app;
alter schema app owner to app_owner;
revoke all on schema public from public;
grant usage on schema app to fn_gateway, fn_registry, fn_runner;

create function app.current_tenant() returns text
  language sql stable parallel safe
  as $$ select nullif(current_setting('app.tenant_id', true), '') $$;
comment on function app.current_tenant() is
  'The tenant of the running transaction; null (and so no rows) when none is set.';
alter function app.current_tenant() owner to app_owner;
