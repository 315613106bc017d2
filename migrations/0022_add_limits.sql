-- Why: how much and how often a tenant and its installs may call is set for each of them, and a tenant is told when it has
-- used most of it. Stage: expand; a recorder of the release before adds to the installs' totals only.
set local role app_owner;

create table app.extension_limit (
  tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
  -- 00000000-0000-0000-0000-000000000000: the limits of the tenant itself. No foreign key, because no install has this id.
  install_id uuid not null,
  by_platform jsonb not null default '{}' check (jsonb_typeof(by_platform) = 'object'),
  by_tenant jsonb not null default '{}' check (jsonb_typeof(by_tenant) = 'object'),
  revision bigint not null default 1,
  changed_at timestamptz not null default now(),
  changed_by text not null,
  primary key (tenant_id, install_id)
);
comment on table app.extension_limit is
  'What platform and tenant set as limits of a tenant or of one of its installs; alga_ext.calls.limits has the form.';

create table app.extension_quota_event (
  tenant_id text not null,
  event_id bigint generated always as identity,
  install_id uuid not null,
  period text not null check (period ~ '^\d{4}-\d{2}(-\d{2})?$'),
  metric text not null check (metric in ('calls', 'cpu_ms', 'egress_bytes', 'log_bytes', 'storage_bytes')),
  threshold text not null check (threshold in ('50', '75', '90', '100', 'warning')),
  used bigint not null,
  limited_to bigint not null,
  at timestamptz not null default now(),
  primary key (tenant_id, event_id),
  unique (tenant_id, install_id, period, metric, threshold)
);
comment on table app.extension_quota_event is
  'A tenant or an install has used a part of a quota: once for each period, metric and threshold. Append-only.';
comment on column app.extension_quota_event.install_id is 'All zeros: the tenant as a whole.';
comment on column app.extension_quota_event.period is 'UTC day or month; for storage_bytes the month.';
comment on column app.extension_quota_event.threshold is 'Per cent of the hard limit, or the warning limit.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['extension_limit', 'extension_quota_event'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;

grant select on app.extension_limit to fn_gateway, fn_registry;
grant insert (tenant_id, install_id, changed_by) on app.extension_limit to fn_registry;
grant update (by_platform, by_tenant, revision, changed_at, changed_by) on app.extension_limit to fn_registry;
grant select, insert (tenant_id, install_id, period, metric, threshold, used, limited_to)
  on app.extension_quota_event to fn_registry;

alter table app.extension_execution_log add column log_bytes bigint;
alter table app.extension_quota_usage
  add column log_bytes bigint not null default 0,
  add column reached text[] not null default '{}';
comment on table app.extension_quota_usage is
  'Totals of finished calls for each UTC day (YYYY-MM-DD) and month (YYYY-MM); an install id of zeros: of the whole tenant.';
comment on column app.extension_quota_usage.reached is 'The quota events of this period, as metric:threshold.';
grant update (log_bytes) on app.extension_execution_log to fn_registry;
grant update (log_bytes, reached) on app.extension_quota_usage to fn_registry;

create or replace function app.count_storage() returns trigger
  language plpgsql security definer set search_path = app, pg_temp
  as $$
declare
  keys_before bigint := 0;
  bytes_before bigint := 0;
  keys_after bigint := 0;
  bytes_after bigint := 0;
  place app.extension_storage_entry;
  install_keys record;
  most record;
  tenant_bytes bigint;
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
    -- Limits that were set lower, by the platform or by the tenant; null when none was.
    select min(hard) filter (where install_id = place.install_id) as install_bytes,
           min(hard) filter (where install_id <> place.install_id) as tenant_bytes
      into most from (
        select install_id, (unnest(array[by_platform, by_tenant]) #>> '{quotas,storage_bytes,hard}')::bigint as hard
        from app.extension_limit
        where tenant_id = place.tenant_id
          and install_id in (place.install_id, '00000000-0000-0000-0000-000000000000')) as limits;
    if install_keys.namespaces > 32 then
      raise exception 'An install has at most 32 namespaces.' using errcode = 'AE001';
    elsif install_keys.keys > 5120 then
      raise exception 'A namespace has at most 5120 keys.' using errcode = 'AE001';
    elsif install_keys.bytes > least(268435456, most.install_bytes) then
      raise exception 'An install stores at most % bytes.', least(268435456, most.install_bytes) using errcode = 'AE001';
    end if;
    if most.tenant_bytes is not null then
      -- One writer of such a tenant at a time, always after the lock of its install.
      perform pg_advisory_xact_lock(hashtextextended(place.tenant_id, 12));
      select sum(byte_count) into tenant_bytes from app.extension_storage_usage where tenant_id = place.tenant_id;
      if tenant_bytes > most.tenant_bytes then
        raise exception 'The tenant stores at most % bytes.', most.tenant_bytes using errcode = 'AE001';
      end if;
    end if;
  end if;
  return null;
end
$$;
