-- Why: disabling changed the install's row, so it waited for each transaction that had locked this row. A new row waits for
-- nobody. Stage: expand; an install whose state is 'disabled', as the code before wrote it, is still disabled.
set local role app_owner;

create table app.extension_install_disabling (
  tenant_id text not null,
  install_id uuid not null,
  -- A key that is never used twice, so an insert does not wait for the row that an open transaction deletes.
  disabling_id bigint generated always as identity,
  disabled_at timestamptz not null default now(),
  primary key (tenant_id, install_id, disabling_id),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade
);
comment on table app.extension_install_disabling is
  'An install is disabled while it has a row here. Disabling inserts one and takes no lock; enabling deletes all.';

alter table app.extension_install_disabling enable row level security;
alter table app.extension_install_disabling force row level security;
create policy tenant_isolation on app.extension_install_disabling using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
-- What app.count_installs reads.
create policy owner_counts_installs on app.extension_install_disabling for select to app_owner using (true);
grant select on app.extension_install_disabling to fn_gateway;
grant select, insert (tenant_id, install_id), delete on app.extension_install_disabling to fn_registry;
-- Never updated: PostgreSQL asks for this right before it locks a row (select … for key share).
grant update (disabled_at) on app.extension_install_disabling to fn_registry;

create or replace function app.install_endpoints(install uuid)
  returns table (method text, path text, handler text, schedulable boolean)
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select e ->> 'method', e ->> 'path', e ->> 'handler', coalesce((e ->> 'schedulable')::boolean, false)
    from app.tenant_extension_install i
    join app.extension_version v on v.version_id = i.version_id
    cross join jsonb_array_elements(v.manifest -> 'api' -> 'endpoints') as e
    where i.tenant_id = app.current_tenant() and i.install_id = install and i.state = 'enabled'
      and not exists (select from app.extension_install_disabling d
                      where d.tenant_id = i.tenant_id and d.install_id = i.install_id)
  $$;

create or replace function app.count_installs(version uuid) returns bigint
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select count(*) from app.tenant_extension_install i
    where i.version_id = version and i.state = 'enabled'
      and not exists (select from app.extension_install_disabling d
                      where d.tenant_id = i.tenant_id and d.install_id = i.install_id)
  $$;
