-- Why: what guests keep (storage) and when they are to be called (schedules). Stage: expand.
set local role app_owner;

create table app.extension_storage_entry (
  tenant_id text not null,
  install_id uuid not null,
  namespace text not null check (length(namespace) between 1 and 128),
  -- Ordered by code point, so that paging does not depend on a locale.
  key text collate "C" not null check (length(key) between 1 and 256),
  value bytea not null check (octet_length(value) <= 65536),
  revision bigint not null default 1 check (revision >= 1),
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, install_id, namespace, key),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade
);
comment on table app.extension_storage_entry is 'Key-value storage of an install; an expired row counts as absent.';
create index extension_storage_entry_expired on app.extension_storage_entry (tenant_id, expires_at)
  where expires_at is not null;

create table app.extension_storage_usage (
  tenant_id text not null,
  install_id uuid not null,
  namespace text not null,
  key_count bigint not null default 0 check (key_count >= 0),
  byte_count bigint not null default 0 check (byte_count >= 0),
  primary key (tenant_id, install_id, namespace),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade
);
comment on table app.extension_storage_usage is
  'Keys and bytes stored, kept by triggers in the transaction that writes; expired rows count until swept.';

create function app.count_storage() returns trigger
  language plpgsql security definer set search_path = app, pg_temp
  as $$
declare
  keys_before bigint := 0;
  bytes_before bigint := 0;
  keys_after bigint := 0;
  bytes_after bigint := 0;
  place app.extension_storage_entry;
  install_keys record;
begin
  if tg_op <> 'INSERT' then
    keys_before := 1;
    bytes_before := octet_length(old.value) + octet_length(old.key);
    place := old;
  end if;
  if tg_op <> 'DELETE' then
    keys_after := 1;
    bytes_after := octet_length(new.value) + octet_length(new.key);
    place := new;
  end if;
  -- One writer of an install at a time, so that the sums below are exact.
  perform pg_advisory_xact_lock(hashtextextended(place.tenant_id || '/' || place.install_id, 11));
  -- Not an upsert: the check on the counters would refuse the negative row a delete proposes.
  update app.extension_storage_usage as usage
    set key_count = usage.key_count + keys_after - keys_before, byte_count = usage.byte_count + bytes_after - bytes_before
    where usage.tenant_id = place.tenant_id and usage.install_id = place.install_id and usage.namespace = place.namespace;
  if not found then
    insert into app.extension_storage_usage as usage (tenant_id, install_id, namespace, key_count, byte_count)
      values (place.tenant_id, place.install_id, place.namespace, keys_after, bytes_after)
      on conflict (tenant_id, install_id, namespace) do update
        set key_count = usage.key_count + excluded.key_count, byte_count = usage.byte_count + excluded.byte_count;
  end if;
  if keys_after + bytes_after > keys_before + bytes_before then
    select count(*) filter (where key_count > 0) as namespaces, sum(byte_count) as bytes,
           max(key_count) filter (where namespace = place.namespace) as keys
      into install_keys from app.extension_storage_usage
      where tenant_id = place.tenant_id and install_id = place.install_id;
    if install_keys.namespaces > 32 then
      raise exception 'An install has at most 32 namespaces.' using errcode = 'AE001';
    elsif install_keys.keys > 5120 then
      raise exception 'A namespace has at most 5120 keys.' using errcode = 'AE001';
    elsif install_keys.bytes > 268435456 then
      raise exception 'An install stores at most 268435456 bytes.' using errcode = 'AE001';
    end if;
  end if;
  return null;
end
$$;
comment on function app.count_storage() is
  'Keeps extension_storage_usage. Definer rights: no function role may write the counters itself.';

create trigger count_storage after insert or update of value or delete on app.extension_storage_entry
  for each row execute function app.count_storage();

create table app.extension_schedule (
  tenant_id text not null,
  schedule_id uuid not null default gen_random_uuid(),
  install_id uuid not null,
  name text check (length(name) between 1 and 128),
  endpoint_method text not null check (endpoint_method in ('GET', 'POST')),
  endpoint_path text not null check (endpoint_path ~ '^/'),
  cron text not null check (length(cron) <= 128),
  timezone text not null default 'UTC' check (length(timezone) <= 64),
  enabled boolean not null default true,
  payload text check (octet_length(payload) <= 65536),
  next_run_at timestamptz,
  last_run_at timestamptz,
  last_run_status text,
  last_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, schedule_id),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade,
  unique (tenant_id, install_id, name)
);
comment on table app.extension_schedule is 'When an install''s endpoint is to be called; cron is 5-field, in the named IANA time zone.';
create index extension_schedule_by_install on app.extension_schedule (tenant_id, install_id, created_at);

create table app.extension_schedule_change (
  tenant_id text not null,
  install_id uuid not null,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, install_id, changed_at),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade
);
comment on table app.extension_schedule_change is
  'Changes a guest made to its schedules in the last minute; counts them against the limit, older rows are deleted.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['extension_storage_entry', 'extension_storage_usage', 'extension_schedule',
                                    'extension_schedule_change'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;

grant select, insert, delete on app.extension_storage_entry to fn_runner;
grant update (value, revision, expires_at, updated_at) on app.extension_storage_entry to fn_runner;
grant select on app.extension_storage_usage to fn_runner, fn_registry;
grant select, insert, delete on app.extension_schedule to fn_runner;
grant update (name, endpoint_method, endpoint_path, cron, timezone, enabled, payload, next_run_at, updated_at)
  on app.extension_schedule to fn_runner;
grant select, insert, delete on app.extension_schedule_change to fn_runner;

create function app.install_endpoints(install uuid)
  returns table (method text, path text, handler text, schedulable boolean)
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select e ->> 'method', e ->> 'path', e ->> 'handler', coalesce((e ->> 'schedulable')::boolean, false)
    from app.tenant_extension_install i
    join app.extension_version v on v.version_id = i.version_id
    cross join jsonb_array_elements(v.manifest -> 'api' -> 'endpoints') as e
    where i.tenant_id = app.current_tenant() and i.install_id = install and i.state = 'enabled'
  $$;
comment on function app.install_endpoints(uuid) is
  'Endpoints the install''s version declares. Definer rights: the runner reads no other part of installs and versions.';
revoke all on function app.install_endpoints(uuid) from public;
grant execute on function app.install_endpoints(uuid) to fn_runner;
-- The registry counts and sweeps what an uninstall leaves, and shows schedules.
grant select, delete on app.extension_storage_entry to fn_registry;
grant select, delete on app.extension_schedule, app.extension_schedule_change to fn_registry;
-- A foreign key check reads the install as the table's owner; the runner needs no right on it.
