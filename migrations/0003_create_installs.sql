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
  revision bigint not null default 1,
  installed_at timestamptz not null default now(),
  installed_by text not null,
  changed_at timestamptz not null default now(),
  uninstalled_at timestamptz,
  primary key (tenant_id, install_id),
  check ((state = 'uninstalled') = (uninstalled_at is not null))
);
comment on table app.tenant_extension_install is
  'An extension at a tenant. Bundle hash, publisher key and grants are pinned here: code and permissions move separately.';
create unique index tenant_extension_install_one_active on app.tenant_extension_install (tenant_id, extension_id)
  where state <> 'uninstalled';
create index tenant_extension_install_by_version on app.tenant_extension_install (version_id);

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
  foreach table_name in array array['tenant_extension_install', 'extension_install_secret',
                                    'extension_event_subscription', 'audit_event'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;

grant select on app.tenant_extension_install, app.extension_install_secret, app.extension_event_subscription to fn_gateway;
grant select, insert on app.tenant_extension_install, app.extension_install_secret, app.extension_event_subscription,
  app.audit_event to fn_registry;
grant update (version_id, state, content_hash, publisher, publisher_key_id, granted_capabilities, granted_egress,
  granted_secrets, granted_limits, grant_hash, config, revision, changed_at, uninstalled_at)
  on app.tenant_extension_install to fn_registry;
grant delete on app.tenant_extension_install, app.extension_install_secret, app.extension_event_subscription to fn_registry;
-- The runner is told everything about an install in the call's envelope and reads none of these tables.
