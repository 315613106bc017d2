-- Why: what may run: publishers, their keys, extensions, versions, bundles and uploads. Stage: expand.
set local role app_owner;

create table app.publisher (
  publisher text primary key check (publisher ~ '^[a-z0-9-]{1,63}$'),
  display_name text not null check (length(display_name) between 1 and 200),
  created_at timestamptz not null default now(),
  created_by text not null
);
comment on table app.publisher is 'Who may publish; owns its key set and the extensions registered under it.';

create table app.publisher_prefix (
  -- With its closing dot, as in 'dev.alga.'; every name below it belongs to the publisher.
  prefix text primary key check (prefix ~ '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.$' and length(prefix) <= 255),
  publisher text not null references app.publisher on delete restrict,
  created_at timestamptz not null default now(),
  created_by text not null
);
comment on table app.publisher_prefix is 'Name prefixes that belong to a publisher; nobody else may register a name below one.';
create index publisher_prefix_by_publisher on app.publisher_prefix (publisher);

create table app.publisher_key (
  key_id text primary key check (key_id ~ '^sha256:[0-9a-f]{64}$'),
  publisher text not null references app.publisher on delete restrict,
  public_key text not null check (length(public_key) <= 2000),
  algorithm text not null check (algorithm in ('ed25519', 'ecdsa-p256')),
  valid_from timestamptz not null default now(),
  valid_until timestamptz check (valid_until > valid_from),
  revoked_from timestamptz,
  revoked_reason text,
  created_at timestamptz not null default now(),
  created_by text not null,
  check ((revoked_from is null) = (revoked_reason is null))
);
comment on table app.publisher_key is 'Public keys that sign bundles. A key belongs to one publisher for ever.';
create index publisher_key_by_publisher on app.publisher_key (publisher, created_at);

create table app.extension_registry (
  extension_id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) <= 255),
  publisher text not null references app.publisher on delete restrict,
  title text not null default '',
  deprecated_at timestamptz,
  deprecated_reason text,
  created_at timestamptz not null default now(),
  created_by text not null,
  check ((deprecated_at is null) = (deprecated_reason is null))
);
comment on table app.extension_registry is 'An extension: a name that one publisher owns.';
create index extension_registry_by_publisher on app.extension_registry (publisher, name);

create table app.extension_bundle (
  content_hash text primary key check (content_hash ~ '^sha256:[0-9a-f]{64}$'),
  size_bytes bigint not null check (size_bytes > 0),
  component_sha256 text check (component_sha256 ~ '^[0-9a-f]{64}$'),
  ui_index_sha256 text check (ui_index_sha256 ~ '^[0-9a-f]{64}$'),
  signing_key_id text not null,
  created_at timestamptz not null default now()
);
comment on table app.extension_bundle is 'The bytes of a version, by the hash of its archive; the archive itself is in the object store.';

create table app.extension_version (
  version_id uuid primary key default gen_random_uuid(),
  extension_id uuid not null references app.extension_registry on delete restrict,
  version text not null check (length(version) <= 128),
  -- No two versions share a bundle: the manifest inside names one version.
  content_hash text not null unique references app.extension_bundle on delete restrict,
  state text not null default 'pending'
    check (state in ('pending', 'ready', 'rejected', 'yanked', 'withdrawn')),
  state_reasons jsonb not null default '[]',
  state_changed_at timestamptz not null default now(),
  manifest jsonb not null,
  declared_capabilities text[] not null default '{}',
  imported_interfaces text[] not null default '{}',
  undeclared_capabilities text[] not null default '{}',
  published_at timestamptz not null default now(),
  published_by text not null,
  prepared_at timestamptz,
  unique (extension_id, version)
);
comment on table app.extension_version is 'One immutable version; only its state moves.';
comment on column app.extension_version.state_reasons is 'Why it was rejected, yanked or withdrawn: [{code, detail}].';
create index extension_version_newest on app.extension_version (extension_id, published_at desc, version_id);
create index extension_version_unprepared on app.extension_version (published_at) where state = 'pending';

create table app.extension_artifact (
  component_sha256 text not null check (component_sha256 ~ '^[0-9a-f]{64}$'),
  wasmtime_version text not null,
  engine_config_hash text not null,
  target text not null,
  object_key text not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint not null check (size_bytes > 0),
  created_at timestamptz not null default now(),
  primary key (component_sha256, wasmtime_version, engine_config_hash, target)
);
comment on table app.extension_artifact is 'Native code the platform compiled, for each engine and target it was made for.';

create table app.extension_upload (
  upload_id uuid primary key default gen_random_uuid(),
  publisher text not null references app.publisher on delete cascade,
  content_hash text not null check (content_hash ~ '^sha256:[0-9a-f]{64}$'),
  size_bytes bigint not null check (size_bytes between 1 and 209715200),
  created_at timestamptz not null default now(),
  created_by text not null,
  expires_at timestamptz not null,
  -- Set by the finalize that consumed it, so that a retried finalize finds its own version again.
  version_id uuid references app.extension_version on delete cascade
);
comment on table app.extension_upload is 'A staged upload; finalize turns it into a version, otherwise it expires.';

-- The platform's own tables have no tenant. The registry writes them; the others read what they need.
do $$
declare
  table_name text;
begin
  foreach table_name in array array['publisher', 'publisher_prefix', 'publisher_key', 'extension_registry', 'extension_bundle',
                                    'extension_version', 'extension_artifact', 'extension_upload'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy registry_all on app.%I to fn_registry using (true) with check (true)', table_name);
  end loop;
  -- The owner reads versions for app.install_endpoints(), which answers for one tenant's install only.
  create policy owner_reads on app.extension_version for select to app_owner using (true);
  foreach table_name in array array['extension_registry', 'extension_version', 'extension_bundle'] loop
    execute format('create policy gateway_reads on app.%I for select to fn_gateway using (true)', table_name);
    execute format('grant select on app.%I to fn_gateway', table_name);
  end loop;
end
$$;

grant select, insert on app.publisher, app.publisher_prefix, app.publisher_key, app.extension_registry, app.extension_bundle,
  app.extension_version, app.extension_artifact, app.extension_upload to fn_registry;
grant update (display_name) on app.publisher to fn_registry;
grant update (valid_until, revoked_from, revoked_reason) on app.publisher_key to fn_registry;
grant update (publisher, title, deprecated_at, deprecated_reason) on app.extension_registry to fn_registry;
grant update (ui_index_sha256) on app.extension_bundle to fn_registry;
grant update (state, state_reasons, state_changed_at, imported_interfaces, undeclared_capabilities, prepared_at)
  on app.extension_version to fn_registry;
-- No delete of publishers, keys, extensions, versions or bundles: the record is kept.
grant update (version_id) on app.extension_upload to fn_registry;
grant delete on app.extension_upload to fn_registry;
