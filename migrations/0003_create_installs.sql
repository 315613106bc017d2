-- Why: what a tenant has installed, with which permissions, configuration, secrets and subscriptions. Stage: expand.
set local role app_owner;

create table app.tenant_extension_install (
  tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
  install_id uuid not null default gen_random_uuid(),
  extension_id uuid not null references app.extension_registry on delete restrict,
  version_id uuid not null references app.extension_version on delete restrict,
  state text not null default 'enabled' check (state in ('enabled', 'disabled', 'uninstalled')),
  content_hash text not null,
  publisher text not null,
  publisher_key_id text not null,
  granted_capabilities text[] not null default '{}',
  granted_egress text[] not null default '{}',
  granted_secrets jsonb not null default '{}',
  granted_limits jsonb not null default '{}',
  grant_hash text not null,
  config jsonb not null default '{}',
  -- A pinned install refuses updates until it is unpinned.
  pinned boolean not null default false,
  revision bigint not null default 1,
  installed_at timestamptz not null default now(),
  installed_by text not null,
  changed_at timestamptz not null default now(),
  uninstalled_at timestamptz,
  -- When what it had stored was deleted for good; a purged install cannot come back.
  purged_at timestamptz,
  primary key (tenant_id, install_id),
  check ((state = 'uninstalled') = (uninstalled_at is not null)),
  check (purged_at is null or state = 'uninstalled')
);
comment on table app.tenant_extension_install is
  'An extension at a tenant. Bundle hash, publisher key and grants are pinned here: code and permissions move separately.';
create unique index tenant_extension_install_one_active on app.tenant_extension_install (tenant_id, extension_id)
  where state <> 'uninstalled';
create index tenant_extension_install_by_version on app.tenant_extension_install (version_id);
create index tenant_extension_install_by_extension on app.tenant_extension_install (extension_id, tenant_id);
create index tenant_extension_install_to_purge on app.tenant_extension_install (tenant_id, uninstalled_at)
  where state = 'uninstalled' and purged_at is null;

create table app.extension_install_secret (
  tenant_id text not null,
  install_id uuid not null,
  name text not null check (length(name) between 1 and 64),
  secret_version integer not null check (secret_version >= 1),
  sealed bytea not null check (octet_length(sealed) <= 131072),
  created_at timestamptz not null default now(),
  created_by text not null,
  expires_at timestamptz,
  primary key (tenant_id, install_id, name, secret_version),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade
);
comment on table app.extension_install_secret is 'Sealed secret values; the newest version counts. Never readable through an API.';

create table app.extension_install_request (
  tenant_id text not null,
  request_id uuid not null default gen_random_uuid(),
  install_id uuid not null,
  from_version_id uuid not null references app.extension_version on delete restrict,
  to_version_id uuid not null references app.extension_version on delete restrict,
  difference jsonb not null,
  -- True when the code itself waits, because its publisher or signing key is another than the one installed.
  holds_code boolean not null,
  state text not null default 'waiting' check (state in ('waiting', 'approved', 'declined', 'superseded')),
  created_at timestamptz not null default now(),
  created_by text not null,
  decided_at timestamptz,
  decided_by text,
  primary key (tenant_id, request_id),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade,
  check ((state = 'waiting') = (decided_at is null))
);
comment on table app.extension_install_request is 'What a newer version asks for beyond the one before; waits for the tenant''s admin.';
create unique index extension_install_request_one_waiting on app.extension_install_request (tenant_id, install_id)
  where state = 'waiting';

create table app.idempotency_record (
  tenant_id text not null,
  principal text not null,
  operation text not null,
  key text not null check (length(key) between 1 and 255),
  body_sha256 text not null,
  status integer not null,
  response jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, principal, operation, key)
);
comment on table app.idempotency_record is 'Answers of creations made with an Idempotency-Key, kept for a day.';
create index idempotency_record_old on app.idempotency_record (tenant_id, created_at);

create table app.extension_event_subscription (
  tenant_id text not null,
  install_id uuid not null,
  topic text not null,
  handler text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, install_id, topic, handler),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade
);
comment on table app.extension_event_subscription is 'Which topics of the host reach which handler of an install.';
create index extension_event_subscription_by_topic on app.extension_event_subscription (tenant_id, topic);

create table app.audit_event (
  tenant_id text not null,
  audit_id bigint generated always as identity,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  subject text not null,
  before jsonb,
  after jsonb,
  request_id text not null,
  primary key (tenant_id, audit_id)
);
comment on table app.audit_event is 'Every change made for a tenant. Append-only: no role may update or delete.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['tenant_extension_install', 'extension_install_secret', 'extension_install_request',
                                    'idempotency_record', 'extension_event_subscription', 'audit_event'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;

grant select on app.tenant_extension_install, app.extension_install_secret, app.extension_event_subscription to fn_gateway;
grant select, insert on app.tenant_extension_install, app.extension_install_secret, app.extension_install_request,
  app.idempotency_record, app.extension_event_subscription, app.audit_event to fn_registry;
grant update (version_id, state, content_hash, publisher, publisher_key_id, granted_capabilities, granted_egress,
  granted_secrets, granted_limits, grant_hash, config, pinned, revision, changed_at, uninstalled_at, purged_at, installed_at, installed_by)
  on app.tenant_extension_install to fn_registry;
grant update (state, decided_at, decided_by) on app.extension_install_request to fn_registry;
grant delete on app.extension_install_secret, app.extension_event_subscription, app.idempotency_record to fn_registry;
-- No delete of installs: a purged one keeps its row, so that records of its calls can be read.
-- The runner is told everything about an install in the call's envelope and reads none of these tables.

-- Work across tenants lists them here and then goes tenant by tenant, each in a transaction of its own.
create policy owner_lists_tenants on app.tenant_extension_install for select to app_owner using (true);

create function app.list_tenants(after_tenant text, page_size integer) returns setof text
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select distinct i.tenant_id from app.tenant_extension_install i
    where i.tenant_id > after_tenant order by i.tenant_id limit page_size
  $$;
comment on function app.list_tenants(text, integer) is
  'Ids of tenants that have or had an install, a page at a time. Definer rights: ids only, no row of a tenant.';
revoke all on function app.list_tenants(text, integer) from public;
grant execute on function app.list_tenants(text, integer) to fn_registry;
