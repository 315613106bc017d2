-- The schema after all migrations. Written by 'make schema'; change migrations, not this file.

CREATE SCHEMA app;

ALTER SCHEMA app OWNER TO app_owner;

CREATE FUNCTION app.add_arrays(a bigint[], b bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select array_agg(x + y order by place) from unnest(a, b) with ordinality as t(x, y, place) $$;

ALTER FUNCTION app.add_arrays(a bigint[], b bigint[]) OWNER TO app_owner;

CREATE FUNCTION app.audit_without_persons(action text, document jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- A configuration has members of any name, so nothing of it is kept. Of other documents, members that a person did not write.
    select case when action <> 'install.config' and jsonb_typeof(document) = 'object' then
      (select jsonb_object_agg(name, value) from jsonb_each(document) as member (name, value)
       where jsonb_typeof(value) <> 'object' and jsonb_typeof(value) <> 'array'
         and name in ('state', 'version', 'content_hash', 'publisher', 'publisher_key_id', 'pinned', 'revision', 'revived',
                      'storage_entries', 'secrets', 'schedules', 'metrics', 'limits', 'requests', 'namespaces')) end
  $$;

ALTER FUNCTION app.audit_without_persons(action text, document jsonb) OWNER TO app_owner;

CREATE FUNCTION app.blank_audit(most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
  blanked bigint;
begin
  if not exists (select from app.tenant_erasure e where e.tenant_id = app.current_tenant() and e.state = 'running') then
    raise exception 'No erasure of this tenant is running.' using errcode = '42501';
  end if;
  update app.audit_event
    set actor = 'erased', request_id = 'erased', trace_id = null, before = app.audit_without_persons(action, before),
        after = app.audit_without_persons(action, after), erased_at = now()
    where tenant_id = app.current_tenant() and audit_id in (
      select a.audit_id from app.audit_event a
      where a.tenant_id = app.current_tenant() and a.erased_at is null
        and a.action not in ('tenant.erase', 'tenant.erased', 'tenant.export')
      order by a.audit_id limit most);
  get diagnostics blanked = row_count;
  return blanked;
end
$$;

ALTER FUNCTION app.blank_audit(most integer) OWNER TO app_owner;

CREATE FUNCTION app.claim_due_schedules(at timestamp with time zone, most integer) RETURNS TABLE(tenant text, schedule uuid, install uuid, cron text, timezone text, due_at timestamp with time zone, backs_off_until timestamp with time zone, active boolean)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
    with due as materialized (
      select s.tenant_id, s.schedule_id, s.install_id, s.cron, s.timezone, s.next_run_at, s.backs_off_until
      from app.extension_schedule s
      where s.enabled and s.next_run_at is not null and s.next_run_at <= at
      order by s.next_run_at limit least(most, 500)
      for no key update skip locked)
    select d.tenant_id, d.schedule_id, d.install_id, d.cron, d.timezone, d.next_run_at, d.backs_off_until,
           i.state = 'enabled' and not exists (
             select from app.extension_install_disabling s where s.tenant_id = d.tenant_id and s.install_id = d.install_id)
    from due d
    join app.tenant_extension_install i on i.tenant_id = d.tenant_id and i.install_id = d.install_id
  $$;

ALTER FUNCTION app.claim_due_schedules(at timestamp with time zone, most integer) OWNER TO app_owner;

CREATE FUNCTION app.count_active_tenants(since timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$ select count(*) from app.tenant_activity where active_at > since $$;

ALTER FUNCTION app.count_active_tenants(since timestamp with time zone) OWNER TO app_owner;

CREATE FUNCTION app.count_delivery_lag(row_number integer, lag double precision) RETURNS void
    LANGUAGE sql
    SET search_path TO 'app', 'pg_temp'
    AS $$
    insert into app.platform_delivery_total as total (shard, tried, lag_ms, lag_buckets)
    select row_number, 1, lag, array(
      select (place = (select count(*) from unnest(array[100, 500, 1000, 5000, 10000, 30000, 60000, 300000, 900000, 3600000])
                       as bound where bound < lag))::integer::bigint
      from generate_series(0, 10) as place order by place)
    on conflict (shard) do update
    set tried = total.tried + 1, lag_ms = total.lag_ms + excluded.lag_ms,
        lag_buckets = app.add_arrays(total.lag_buckets, excluded.lag_buckets)
  $$;

ALTER FUNCTION app.count_delivery_lag(row_number integer, lag double precision) OWNER TO app_owner;

CREATE FUNCTION app.count_installs(version uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
    select count(*) from app.tenant_extension_install i
    where i.version_id = version and i.state = 'enabled'
      and not exists (select from app.extension_install_disabling d
                      where d.tenant_id = i.tenant_id and d.install_id = i.install_id)
  $$;

ALTER FUNCTION app.count_installs(version uuid) OWNER TO app_owner;

CREATE FUNCTION app.count_storage() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
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

ALTER FUNCTION app.count_storage() OWNER TO app_owner;

CREATE FUNCTION app.create_day(wanted date) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
  parent text;
  part text;
begin
  -- One transaction at a time: the others find the partitions made.
  perform pg_advisory_xact_lock(hashtextextended('app.create_day', 13));
  for parent in
    select c.relname from pg_partitioned_table p
    join pg_class c on c.oid = p.partrelid
    join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where c.relnamespace = 'app'::regnamespace and p.partnatts = 1 and a.attname = 'day' order by 1
  loop
    part := parent || to_char(wanted, '_YYYYMMDD');
    continue when to_regclass(format('app.%I', part)) is not null;
    -- Made apart and then attached: "create table … partition of" would lock the parent against its readers and writers.
    execute format('create table app.%I (like app.%I including all)', part, parent);
    execute format('alter table app.%I enable row level security, force row level security', part);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', part);
    execute format('alter table app.%I attach partition app.%I for values from (%L) to (%L)', parent, part, wanted,
                   wanted + 1);
  end loop;
end
$$;

ALTER FUNCTION app.create_day(wanted date) OWNER TO app_owner;

CREATE FUNCTION app.current_tenant() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(current_setting('app.tenant_id', true), '') $$;

ALTER FUNCTION app.current_tenant() OWNER TO app_owner;

CREATE FUNCTION app.erase_rows(from_table text, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $_$
declare
  part regclass;
  deleted bigint;
  gone bigint := 0;
begin
  if not exists (select from app.tenant_erasure e where e.tenant_id = app.current_tenant() and e.state = 'running') then
    raise exception 'No erasure of this tenant is running.' using errcode = '42501';
  elsif from_table in ('audit_event', 'tenant_erasure', 'tenant_export', 'tenant_export_part') then
    raise exception 'Rows of % are kept.', from_table using errcode = '42501';
  elsif to_regclass(format('app.%I', from_table)) is null then
    raise exception 'There is no table %.', from_table using errcode = '42P01';
  end if;
  for part in
    select c.oid from pg_class c
    left join pg_inherits i on i.inhrelid = c.oid
    left join pg_class p on p.oid = i.inhparent
    where c.relnamespace = 'app'::regnamespace and c.relkind = 'r' and coalesce(p.relname, c.relname) = from_table
    order by c.relname
  loop
    -- Buckets of rates that a gateway has locked are left to the sweeper: it locks several, in an order of its own.
    execute format('delete from %1$s where ctid = any(array(select ctid from %1$s where tenant_id = app.current_tenant() '
                   'limit $1 for update%2$s))', part, case from_table when 'call_rate' then ' skip locked' else '' end)
      using most - gone;
    get diagnostics deleted = row_count;
    gone := gone + deleted;
    exit when gone >= most;
  end loop;
  return gone;
end
$_$;

ALTER FUNCTION app.erase_rows(from_table text, most integer) OWNER TO app_owner;

CREATE FUNCTION app.execution_day(execution uuid) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select case when uuid_extract_version(execution) = 7
                then (uuid_extract_timestamp(execution) at time zone 'UTC')::date end
  $$;

ALTER FUNCTION app.execution_day(execution uuid) OWNER TO app_owner;

CREATE FUNCTION app.export_rows(from_table text, after_key jsonb, most integer) RETURNS TABLE(key_texts jsonb, line text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $_$
declare
  names text;
  texts text;
  beginning text;
begin
  if not exists (select from app.tenant_export e where e.tenant_id = app.current_tenant() and e.state = 'running') then
    raise exception 'No export of this tenant is running.' using errcode = '42501';
  end if;
  select string_agg(format('t.%I', a.attname), ', ' order by k.place),
         string_agg(format('t.%I::text', a.attname), ', ' order by k.place),
         string_agg(format('cast($1 ->> %s as %s)', k.place - 1, format_type(a.atttypid, a.atttypmod)), ', ' order by k.place)
    into names, texts, beginning
    from pg_index i cross join unnest(i.indkey::smallint[]) with ordinality as k (number, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
    where i.indrelid = to_regclass(format('app.%I', from_table)) and i.indisprimary;
  if names is null or names not like 't.tenant_id, %' and names <> 't.tenant_id' then
    raise exception '% is not a table of tenants.', from_table using errcode = '42501';
  end if;
  return query execute format(
    'select jsonb_build_array(%1$s), cast(to_jsonb(t) - ''sealed'' as text) from app.%2$I t '
    'where t.tenant_id = app.current_tenant() and ($1 is null or (%3$s) > (%4$s)) order by %3$s limit $2',
    texts, from_table, names, beginning) using after_key, most;
end
$_$;

ALTER FUNCTION app.export_rows(from_table text, after_key jsonb, most integer) OWNER TO app_owner;

CREATE FUNCTION app.fire_schedules(batch jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  tenant text;
  runs jsonb;
begin
  for tenant, runs in select b.key, b.value from jsonb_each(batch) as b loop
    perform set_config('app.tenant_id', tenant, true);
    insert into app.extension_delivery (tenant_id, delivery_id, install_id, trigger, subject, schedule_id, due_at, missed, method,
      path, payload, delay_s)
    select tenant, r.delivery_id, s.install_id, 'schedule', coalesce(s.name, s.schedule_id::text), s.schedule_id, s.next_run_at,
           r.missed, s.endpoint_method, s.endpoint_path, s.payload, r.delay_s
    from jsonb_to_recordset(runs) as r(schedule_id uuid, delivery_id uuid, missed integer, delay_s smallint)
    join app.extension_schedule s on s.tenant_id = tenant and s.schedule_id = r.schedule_id
    where r.delivery_id is not null
    on conflict do nothing;
    update app.extension_schedule s set next_run_at = r.next_run_at
    from jsonb_to_recordset(runs) as r(schedule_id uuid, next_run_at timestamptz)
    where s.tenant_id = tenant and s.schedule_id = r.schedule_id;
  end loop;
  perform set_config('app.tenant_id', '', true);
end
$$;

ALTER FUNCTION app.fire_schedules(batch jsonb) OWNER TO app_owner;

CREATE FUNCTION app.install_endpoints(install uuid) RETURNS TABLE(method text, path text, handler text, schedulable boolean)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
    select e ->> 'method', e ->> 'path', e ->> 'handler', coalesce((e ->> 'schedulable')::boolean, false)
    from app.tenant_extension_install i
    join app.extension_version v on v.version_id = i.version_id
    cross join jsonb_array_elements(v.manifest -> 'api' -> 'endpoints') as e
    where i.tenant_id = app.current_tenant() and i.install_id = install and i.state = 'enabled'
      and not exists (select from app.extension_install_disabling d
                      where d.tenant_id = i.tenant_id and d.install_id = i.install_id)
  $$;

ALTER FUNCTION app.install_endpoints(install uuid) OWNER TO app_owner;

CREATE FUNCTION app.list_tenants(after_tenant text, page_size integer) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
    select distinct i.tenant_id from app.tenant_extension_install i
    where i.tenant_id > after_tenant order by i.tenant_id limit page_size
  $$;

ALTER FUNCTION app.list_tenants(after_tenant text, page_size integer) OWNER TO app_owner;

CREATE FUNCTION app.lock_deliveries(tenant text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'app', 'pg_temp'
    AS $$ select pg_advisory_xact_lock(hashtextextended('deliveries:' || tenant, 28)) $$;

ALTER FUNCTION app.lock_deliveries(tenant text) OWNER TO app_owner;

CREATE FUNCTION app.lock_schedules(install uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select pg_advisory_xact_lock(hashtextextended('schedule:' || install, 0)) $$;

ALTER FUNCTION app.lock_schedules(install uuid) OWNER TO app_owner;

CREATE FUNCTION app.lock_storage(install uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select pg_advisory_xact_lock(hashtextextended(app.current_tenant() || '/' || install, 11)) $$;

ALTER FUNCTION app.lock_storage(install uuid) OWNER TO app_owner;

CREATE FUNCTION app.make_day(wanted date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
  today date := (now() at time zone 'UTC')::date;
begin
  -- A message is kept for 14 days after it was sent, and clocks differ.
  if wanted is null or wanted not between today - 15 and today + 2 then
    raise exception 'There are no records of %: a day is made from 15 days before to 2 days after today, which is %.',
      wanted, today using errcode = '22023';
  end if;
  perform app.create_day(wanted);
end
$$;

ALTER FUNCTION app.make_day(wanted date) OWNER TO app_owner;

CREATE FUNCTION app.note_schedule_run(tenant text, schedule uuid, delivery uuid, status text, error text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  noted app.extension_schedule;
  counts boolean;
begin
  if tenant is distinct from app.current_tenant() then
    raise exception 'Another tenant''s schedule.' using errcode = '42501';
  elsif status is null or status not in ('succeeded', 'failed') then
    raise exception 'The status of a run is succeeded or failed.' using errcode = '22023';
  end if;
  -- A run that fails while the schedule backs off was fired before, or by hand, and says nothing new.
  select status = 'failed' and coalesce(s.backs_off_until <= now(), true) into counts
  from app.extension_schedule s where s.tenant_id = tenant and s.schedule_id = schedule for no key update;
  update app.extension_schedule s
  set last_run_at = now(), last_run_status = status,
      last_error = case status when 'failed' then left(error, 512) end,
      consecutive_failures = case when status = 'succeeded' then 0
                                  when counts then s.consecutive_failures + 1
                                  else s.consecutive_failures end,
      -- A quarter of an hour after ten failures, and twice as long after each further one: a day at most.
      backs_off_until = case when status = 'succeeded' then null
                             when not counts then s.backs_off_until
                             when s.consecutive_failures >= 9 then now() + least(
                               interval '1 day', interval '15 minutes' * power(2, least(s.consecutive_failures - 9, 7))) end
  where s.tenant_id = tenant and s.schedule_id = schedule
  returning s.* into noted;
  if counts and noted.consecutive_failures = 10 then
    insert into app.audit_event (tenant_id, actor, action, subject, after, request_id)
    values (tenant, 'system:schedule', 'schedule.backed-off', schedule::text, jsonb_build_object(
      'install_id', noted.install_id, 'name', noted.name, 'consecutive_failures', noted.consecutive_failures,
      'backs_off_until', noted.backs_off_until, 'last_error', noted.last_error), delivery::text);
  end if;
  return coalesce(noted.consecutive_failures, 0);
end
$$;

ALTER FUNCTION app.note_schedule_run(tenant text, schedule uuid, delivery uuid, status text, error text) OWNER TO app_owner;

CREATE FUNCTION app.queue_deliveries(tenant text) RETURNS TABLE(delivery uuid, delay integer)
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  of_tenant constant integer := 16;
  of_install constant integer := 4;
  -- An install with so many deliveries that wait for their next try gets no new ones: a message that is hidden counts toward
  -- the queue's limit of 120,000 messages in flight, which all tenants share.
  retrying_of_install constant integer := 32;
  used integer;
begin
  perform app.lock_deliveries(tenant);
  select count(*) into used from app.extension_delivery d where d.tenant_id = tenant and d.state in ('queued', 'running');
  if used >= of_tenant then
    return;
  end if;
  return query
    with free as materialized (
      select next.delivery_id, row_number() over (order by busy.n + next.place, next.created_at, next.delivery_id) as turn
      from app.tenant_extension_install i
      cross join lateral (
        select count(*) as n from app.extension_delivery d
        where d.tenant_id = tenant and d.install_id = i.install_id and d.state in ('queued', 'running')) as busy
      cross join lateral (
        select d.delivery_id, d.created_at, row_number() over (order by d.created_at, d.delivery_id) as place
        from app.extension_delivery d
        where d.tenant_id = tenant and d.install_id = i.install_id and d.state = 'pending'
          -- A run of a schedule is delayed, and holds no slot meanwhile.
          and d.created_at + make_interval(secs => d.delay_s) <= now()
        order by d.created_at, d.delivery_id limit greatest(of_install - busy.n, 0)) as next
      where i.tenant_id = tenant and i.deliveries_paused_at is null
        and (select count(*) from (
               select from app.extension_delivery d
               where d.tenant_id = tenant and d.install_id = i.install_id and d.state = 'retrying'
               limit retrying_of_install) as waiting) < retrying_of_install
      -- The first of each install before the second of any.
      order by turn limit of_tenant - used),
    given as (
      update app.extension_delivery d
      set state = 'queued', recheck_at = now() + interval '15 minutes'
      from free where d.tenant_id = tenant and d.delivery_id = free.delivery_id
      returning free.turn, d.delivery_id)
    select given.delivery_id, 0 from given order by given.turn;
end
$$;

ALTER FUNCTION app.queue_deliveries(tenant text) OWNER TO app_owner;

CREATE FUNCTION app.queue_deliveries_of(tenants text[]) RETURNS TABLE(tenant text, delivery uuid, delay integer)
    LANGUAGE plpgsql
    SET search_path TO 'app', 'pg_temp'
    AS $$
declare
  one text;
begin
  -- In one order, because each call locks its tenant's deliveries until the transaction ends.
  for one in select distinct t.name from unnest(tenants) as t(name) order by t.name loop
    perform set_config('app.tenant_id', one, true);
    return query select one, q.delivery, q.delay from app.queue_deliveries(one) as q;
  end loop;
  perform set_config('app.tenant_id', '', true);
end
$$;

ALTER FUNCTION app.queue_deliveries_of(tenants text[]) OWNER TO app_owner;

CREATE FUNCTION app.remove_day(parent text, gone date) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    SET lock_timeout TO '50ms'
    AS $$
declare
  part oid;
begin
  if gone is null or gone >= (now() at time zone 'UTC')::date - 14 then
    raise exception 'Records of % are not removed: they are kept for 14 days at least.', gone using errcode = '22023';
  end if;
  select i.inhrelid into part from pg_inherits i join pg_class p on p.oid = i.inhparent join pg_class c on c.oid = i.inhrelid
    where p.relnamespace = 'app'::regnamespace and p.relname = parent and c.relname = parent || to_char(gone, '_YYYYMMDD');
  if part is null then
    return null;
  elsif pg_relation_size(part) > 0 then
    execute format('truncate %s', part::regclass);
    return 'emptied';
  end if;
  execute format('drop table %s', part::regclass);
  return 'dropped';
end
$$;

ALTER FUNCTION app.remove_day(parent text, gone date) OWNER TO app_owner;

CREATE FUNCTION app.take_slots(holder text, burst bigint, interval_us bigint, ahead_us bigint, wanted integer, needed integer, kept integer, back integer, now_us bigint, INOUT arrival_us bigint, INOUT holders text[], INOUT held integer[], INOUT held_until_us bigint[], OUT taken integer, OUT remaining integer, OUT taken_at_us bigint) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    declare
      held_for_us constant bigint := 7000000;  -- two seconds longer than a gateway uses them, so that it can return them
      largest_share constant bigint := 20;
      full_us constant bigint := burst * interval_us;
      others_names text[] := '{}';
      others_held integer[] := '{}';
      others_until_us bigint[] := '{}';
      until_us bigint;
      own integer := 0;
      room bigint;
      most bigint;
      keeps integer;
    begin
      -- 1. A lower limit, or a clock that was put back, leaves a bucket that is empty, and no more than that.
      arrival_us := least(arrival_us, now_us + full_us + ahead_us);
      -- 2. A bucket never has more slots than burst, together with the ones that are held: neither now, nor at the
      --    moments at which processes stopped holding some.
      arrival_us := greatest(arrival_us, now_us);
      if cardinality(holders) > 0 then
        for until_us in select now_us union select u from unnest(held_until_us) as u where u < now_us loop
          arrival_us := greatest(arrival_us, until_us + interval_us * (
            select coalesce(sum(h), 0) from unnest(held, held_until_us) as t(h, u) where u >= until_us)::bigint);
        end loop;
        -- 3. The slots of this process are looked at again: it keeps some, and gives others back.
        for number in 1 .. cardinality(holders) loop
          if held_until_us[number] < now_us then
            continue;
          elsif holders[number] = holder then
            own := own + held[number];
          else
            others_names := others_names || holders[number];
            others_held := others_held || held[number];
            others_until_us := others_until_us || held_until_us[number];
          end if;
        end loop;
        arrival_us := arrival_us - interval_us * least(back, own);
      end if;
      -- 4. A process gets at most a share of what remains. When nothing remains, it may get slots that come soon;
      --    but never are more than burst held.
      remaining := greatest((now_us - arrival_us + full_us) / interval_us, 0);
      room := remaining;
      most := greatest(needed, remaining / largest_share);
      if needed > 0 and remaining <= 1 and ahead_us > 0 then
        room := least((now_us + ahead_us - arrival_us + full_us) / interval_us,
                      burst - least(kept, own) - (select coalesce(sum(h), 0) from unnest(others_held) as t(h)));
        most := (ahead_us + 2 * interval_us - 1) / (2 * interval_us);
      end if;
      taken := greatest(least(wanted, most, room), 0);
      arrival_us := arrival_us + taken * interval_us;
      taken_at_us := now_us;
      -- 5. Note what this process holds now. The call that waits uses one at once, if one is there now.
      keeps := least(kept, own) + taken - case when remaining > 0 then least(needed, taken) else 0 end;
      if keeps > 0 then
        others_names := others_names || holder;
        others_held := others_held || keeps;
        others_until_us := others_until_us || (now_us + held_for_us);
      end if;
      remaining := greatest(remaining - taken, 0);
      holders := others_names;
      held := others_held;
      held_until_us := others_until_us;
    end
  $$;

ALTER FUNCTION app.take_slots(holder text, burst bigint, interval_us bigint, ahead_us bigint, wanted integer, needed integer, kept integer, back integer, now_us bigint, INOUT arrival_us bigint, INOUT holders text[], INOUT held integer[], INOUT held_until_us bigint[], OUT taken integer, OUT remaining integer, OUT taken_at_us bigint) OWNER TO app_owner;

CREATE FUNCTION app.tenants_with_deliveries_due(at timestamp with time zone, most integer) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
    select tenant_id from (
      select tenant_id from app.extension_delivery where recheck_at <= at
      union select tenant_id from app.extension_event where fanned_out_at is null and recheck_at <= at) as due
    limit most
  $$;

ALTER FUNCTION app.tenants_with_deliveries_due(at timestamp with time zone, most integer) OWNER TO app_owner;

CREATE FUNCTION app.tenants_with_due(at timestamp with time zone, uninstalled_before timestamp with time zone, most integer) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.tenants_with_due(at timestamp with time zone, uninstalled_before timestamp with time zone, most integer) OWNER TO app_owner;

CREATE FUNCTION app.tenants_with_jobs(most integer) RETURNS TABLE(tenant_id text, kind text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'app', 'pg_temp'
    AS $$
    select j.tenant_id, j.kind from (
      select e.tenant_id, 'export' as kind, e.requested_at from app.tenant_export e where e.state = 'running'
      union all
      select e.tenant_id, 'erasure', e.requested_at from app.tenant_erasure e where e.state = 'running') as j
    order by j.requested_at limit most
  $$;

ALTER FUNCTION app.tenants_with_jobs(most integer) OWNER TO app_owner;

CREATE FUNCTION app.version_precedence(version text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    with parts as (
      select split_part(split_part(version, '+', 1), '-', 1) as core,
             nullif(substring(split_part(version, '+', 1) from '-(.*)$'), '') as pre)
    select (select string_agg(lpad(length(number)::text, 3, '0') || number, '.' order by place)
            from unnest(string_to_array(core, '.')) with ordinality as numbers(number, place))
        || case when pre is null then '~' else '!' || (
             select string_agg(case when word ~ '^[0-9]+$' then '0' || lpad(length(word)::text, 3, '0') || word
                               else '1' || word end, '!' order by place)
             from unnest(string_to_array(pre, '.')) with ordinality as words(word, place)) end
    from parts
  $_$;

ALTER FUNCTION app.version_precedence(version text) OWNER TO app_owner;

CREATE TABLE app.audit_event (
    tenant_id text NOT NULL,
    audit_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    after jsonb,
    request_id text NOT NULL,
    trace_id text,
    erased_at timestamp with time zone,
    CONSTRAINT audit_event_trace_id_check CHECK ((trace_id ~ '^[0-9a-f]{32}$'::text))
);

ALTER TABLE ONLY app.audit_event FORCE ROW LEVEL SECURITY;

ALTER TABLE app.audit_event OWNER TO app_owner;

ALTER TABLE app.audit_event ALTER COLUMN audit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.audit_event_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.call_idempotency (
    tenant_id text NOT NULL,
    scope_sha256 bytea NOT NULL,
    request_sha256 bytea NOT NULL,
    execution_id uuid NOT NULL,
    request_id text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    deadline_at timestamp with time zone NOT NULL,
    status integer,
    headers json,
    body bytea,
    error json,
    CONSTRAINT call_idempotency_body_check CHECK ((octet_length(body) <= 262144)),
    CONSTRAINT call_idempotency_check CHECK (((status IS NOT NULL) OR (num_nonnulls(headers, body, error) = 0))),
    CONSTRAINT call_idempotency_check1 CHECK (((headers IS NULL) = (body IS NULL))),
    CONSTRAINT call_idempotency_check2 CHECK (((body IS NULL) OR (error IS NULL))),
    CONSTRAINT call_idempotency_request_sha256_check CHECK ((octet_length(request_sha256) = 32)),
    CONSTRAINT call_idempotency_scope_sha256_check CHECK ((octet_length(scope_sha256) = 32)),
    CONSTRAINT call_idempotency_status_check CHECK (((status >= 100) AND (status <= 599)))
);

ALTER TABLE ONLY app.call_idempotency FORCE ROW LEVEL SECURITY;

ALTER TABLE app.call_idempotency OWNER TO app_owner;

CREATE TABLE app.call_rate (
    tenant_id text NOT NULL,
    key text NOT NULL,
    arrival_us bigint NOT NULL,
    holders text[] NOT NULL,
    held integer[] NOT NULL,
    held_until_us bigint[] NOT NULL,
    taken integer NOT NULL,
    remaining integer NOT NULL,
    taken_at_us bigint NOT NULL,
    CONSTRAINT call_rate_key_check CHECK (((length(key) >= 1) AND (length(key) <= 300)))
)
WITH (fillfactor='50');

ALTER TABLE ONLY app.call_rate FORCE ROW LEVEL SECURITY;

ALTER TABLE app.call_rate OWNER TO app_owner;

CREATE TABLE app.event_topic (
    topic text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    schema jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_by text DEFAULT ''::text NOT NULL,
    CONSTRAINT event_topic_description_check CHECK ((length(description) <= 1000)),
    CONSTRAINT event_topic_schema_check CHECK ((jsonb_typeof(schema) = 'object'::text)),
    CONSTRAINT event_topic_topic_check CHECK ((topic ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'::text))
);

ALTER TABLE ONLY app.event_topic FORCE ROW LEVEL SECURITY;

ALTER TABLE app.event_topic OWNER TO app_owner;

CREATE TABLE app.extension_artifact (
    component_sha256 text NOT NULL,
    wasmtime_version text NOT NULL,
    engine_config_hash text NOT NULL,
    target text NOT NULL,
    object_key text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT extension_artifact_component_sha256_check CHECK ((component_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT extension_artifact_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT extension_artifact_size_bytes_check CHECK ((size_bytes > 0))
);

ALTER TABLE ONLY app.extension_artifact FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_artifact OWNER TO app_owner;

CREATE TABLE app.extension_bundle (
    content_hash text NOT NULL,
    size_bytes bigint NOT NULL,
    component_sha256 text,
    ui_index_sha256 text,
    signing_key_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT extension_bundle_component_sha256_check CHECK ((component_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT extension_bundle_content_hash_check CHECK ((content_hash ~ '^sha256:[0-9a-f]{64}$'::text)),
    CONSTRAINT extension_bundle_size_bytes_check CHECK ((size_bytes > 0)),
    CONSTRAINT extension_bundle_ui_index_sha256_check CHECK ((ui_index_sha256 ~ '^[0-9a-f]{64}$'::text))
);

ALTER TABLE ONLY app.extension_bundle FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_bundle OWNER TO app_owner;

CREATE TABLE app.extension_delivery (
    tenant_id text NOT NULL,
    delivery_id uuid NOT NULL,
    install_id uuid NOT NULL,
    trigger text NOT NULL,
    subject text NOT NULL,
    event_key uuid,
    schedule_id uuid,
    due_at timestamp with time zone,
    missed integer DEFAULT 0 NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    payload text,
    timeout_ms integer,
    hops smallint DEFAULT 0 NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    tries smallint DEFAULT 0 NOT NULL,
    delay_s smallint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    next_attempt_at timestamp with time zone,
    lease_until timestamp with time zone,
    recheck_at timestamp with time zone DEFAULT (now() + '00:01:00'::interval),
    last_status integer,
    last_error text,
    reason text,
    execution_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT extension_delivery_delay_s_check CHECK (((delay_s >= 0) AND (delay_s <= 900))),
    CONSTRAINT extension_delivery_end CHECK (((state = ANY (ARRAY['delivered'::text, 'dead'::text, 'discarded'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT extension_delivery_hops_check CHECK (((hops >= 0) AND (hops <= 8))),
    CONSTRAINT extension_delivery_last_error_check CHECK ((length(last_error) <= 64)),
    CONSTRAINT extension_delivery_last_status_check CHECK (((last_status >= 100) AND (last_status <= 599))),
    CONSTRAINT extension_delivery_method_check CHECK ((method = ANY (ARRAY['GET'::text, 'POST'::text]))),
    CONSTRAINT extension_delivery_missed_check CHECK ((missed >= 0)),
    CONSTRAINT extension_delivery_path_check CHECK (((path ~ '^/'::text) AND (length(path) <= 2048))),
    CONSTRAINT extension_delivery_payload_check CHECK ((octet_length(payload) <= 65536)),
    CONSTRAINT extension_delivery_reason_check CHECK ((length(reason) <= 512)),
    CONSTRAINT extension_delivery_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'queued'::text, 'running'::text, 'retrying'::text, 'delivered'::text, 'dead'::text, 'discarded'::text]))),
    CONSTRAINT extension_delivery_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 128))),
    CONSTRAINT extension_delivery_timeout_ms_check CHECK (((timeout_ms >= 1) AND (timeout_ms <= 60000))),
    CONSTRAINT extension_delivery_tries_check CHECK ((tries >= 0)),
    CONSTRAINT extension_delivery_trigger CHECK (
CASE trigger
    WHEN 'event'::text THEN ((event_key IS NOT NULL) AND (schedule_id IS NULL) AND (due_at IS NULL) AND (payload IS NULL))
    ELSE ((event_key IS NULL) AND (schedule_id IS NOT NULL) AND (due_at IS NOT NULL))
END),
    CONSTRAINT extension_delivery_trigger_check CHECK ((trigger = ANY (ARRAY['event'::text, 'schedule'::text])))
);

ALTER TABLE ONLY app.extension_delivery FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_delivery OWNER TO app_owner;

CREATE TABLE app.extension_egress_day (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    day date NOT NULL,
    destination text NOT NULL,
    requests bigint NOT NULL,
    bytes_sent bigint NOT NULL,
    bytes_received bigint NOT NULL,
    refused bigint NOT NULL,
    CONSTRAINT extension_egress_day_bytes_received_check CHECK ((bytes_received >= 0)),
    CONSTRAINT extension_egress_day_bytes_sent_check CHECK ((bytes_sent >= 0)),
    CONSTRAINT extension_egress_day_destination_check CHECK (((length(destination) >= 1) AND (length(destination) <= 300))),
    CONSTRAINT extension_egress_day_refused_check CHECK ((refused >= 0)),
    CONSTRAINT extension_egress_day_requests_check CHECK ((requests >= 0))
)
PARTITION BY RANGE (day);

ALTER TABLE ONLY app.extension_egress_day FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_egress_day OWNER TO app_owner;

CREATE TABLE app.extension_egress_trial (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    hosts text[] NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    started_by text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT extension_egress_trial_check CHECK (((last_day > first_day) AND (last_day <= (first_day + 30)))),
    CONSTRAINT extension_egress_trial_hosts_check CHECK ((cardinality(hosts) <= 200))
);

ALTER TABLE ONLY app.extension_egress_trial FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_egress_trial OWNER TO app_owner;

CREATE TABLE app.extension_endpoint_total (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    method text NOT NULL,
    path_template text NOT NULL,
    day date NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    failed_calls bigint DEFAULT 0 NOT NULL,
    unknown_calls bigint DEFAULT 0 NOT NULL,
    duration_ms double precision DEFAULT 0 NOT NULL,
    cpu_ms double precision DEFAULT 0 NOT NULL,
    memory_peak_bytes bigint DEFAULT 0 NOT NULL,
    egress_bytes bigint DEFAULT 0 NOT NULL,
    log_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT extension_endpoint_total_calls_check CHECK ((calls >= 0)),
    CONSTRAINT extension_endpoint_total_failed_calls_check CHECK ((failed_calls >= 0))
)
WITH (fillfactor='70');

ALTER TABLE ONLY app.extension_endpoint_total FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_endpoint_total OWNER TO app_owner;

CREATE TABLE app.extension_event (
    tenant_id text NOT NULL,
    event_key uuid NOT NULL,
    topic text NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    hops smallint NOT NULL,
    origin text NOT NULL,
    body text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    fanned_out_at timestamp with time zone,
    recheck_at timestamp with time zone DEFAULT (now() + '00:01:00'::interval) NOT NULL,
    sweep_at timestamp with time zone DEFAULT (now() + '1 day'::interval) NOT NULL,
    CONSTRAINT extension_event_body_check CHECK ((octet_length(body) <= 262144)),
    CONSTRAINT extension_event_event_id_check CHECK (((length(event_id) >= 1) AND (length(event_id) <= 256))),
    CONSTRAINT extension_event_hops_check CHECK (((hops >= 0) AND (hops <= 8))),
    CONSTRAINT extension_event_origin_check CHECK ((origin = ANY (ARRAY['api'::text, 'bus'::text, 'platform'::text]))),
    CONSTRAINT extension_event_source_check CHECK (((length(source) >= 1) AND (length(source) <= 1024))),
    CONSTRAINT extension_event_topic_check CHECK (((length(topic) >= 1) AND (length(topic) <= 128)))
);

ALTER TABLE ONLY app.extension_event FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_event OWNER TO app_owner;

CREATE TABLE app.extension_event_subscription (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    topic text NOT NULL,
    handler text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    filter jsonb,
    timeout_ms integer,
    CONSTRAINT extension_event_subscription_filter_check CHECK ((jsonb_typeof(filter) = 'object'::text)),
    CONSTRAINT extension_event_subscription_timeout_ms_check CHECK (((timeout_ms >= 1) AND (timeout_ms <= 60000)))
);

ALTER TABLE ONLY app.extension_event_subscription FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_event_subscription OWNER TO app_owner;

CREATE TABLE app.extension_execution_lines (
    tenant_id text NOT NULL,
    day date NOT NULL,
    execution_id uuid NOT NULL,
    lines bytea NOT NULL,
    line_count integer NOT NULL,
    dropped integer NOT NULL,
    text_bytes integer NOT NULL,
    CONSTRAINT extension_execution_lines_dropped_check CHECK ((dropped >= 0)),
    CONSTRAINT extension_execution_lines_line_count_check CHECK ((line_count >= 0)),
    CONSTRAINT extension_execution_lines_lines_check CHECK ((octet_length(lines) <= 262144)),
    CONSTRAINT extension_execution_lines_text_bytes_check CHECK (((text_bytes >= 0) AND (text_bytes <= 262144)))
)
PARTITION BY RANGE (day);

ALTER TABLE ONLY app.extension_execution_lines FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_execution_lines OWNER TO app_owner;

CREATE TABLE app.extension_execution_log (
    tenant_id text CONSTRAINT extension_execution_log_tenant_id_not_null1 NOT NULL,
    day date NOT NULL,
    execution_id uuid CONSTRAINT extension_execution_log_execution_id_not_null1 NOT NULL,
    install_id uuid CONSTRAINT extension_execution_log_install_id_not_null1 NOT NULL,
    extension_id uuid CONSTRAINT extension_execution_log_extension_id_not_null1 NOT NULL,
    version_id uuid CONSTRAINT extension_execution_log_version_id_not_null1 NOT NULL,
    content_hash text CONSTRAINT extension_execution_log_content_hash_not_null1 NOT NULL,
    request_id text CONSTRAINT extension_execution_log_request_id_not_null1 NOT NULL,
    trace_id text CONSTRAINT extension_execution_log_trace_id_not_null1 NOT NULL,
    method text CONSTRAINT extension_execution_log_method_not_null1 NOT NULL,
    path text CONSTRAINT extension_execution_log_path_not_null1 NOT NULL,
    path_template text,
    principal text CONSTRAINT extension_execution_log_principal_not_null1 NOT NULL,
    state text CONSTRAINT extension_execution_log_state_not_null1 NOT NULL,
    outcome text,
    accepted_at timestamp with time zone CONSTRAINT extension_execution_log_accepted_at_not_null1 NOT NULL,
    finished_at timestamp with time zone,
    status integer,
    error_code text,
    duration_ms double precision,
    cpu_ms double precision,
    memory_peak_bytes bigint,
    fuel bigint,
    egress_bytes bigint,
    log_bytes bigint,
    host_calls jsonb DEFAULT '{}'::jsonb CONSTRAINT extension_execution_log_host_calls_not_null1 NOT NULL,
    response_bytes bigint,
    attempts integer,
    breaker text,
    guest_error text,
    guest_stack text,
    last_refusal jsonb,
    CONSTRAINT extension_execution_log_attempts_check1 CHECK ((attempts >= 0)),
    CONSTRAINT extension_execution_log_breaker_check1 CHECK ((breaker = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text]))),
    CONSTRAINT extension_execution_log_day CHECK ((day = COALESCE(app.execution_day(execution_id), ((accepted_at AT TIME ZONE 'UTC'::text))::date))),
    CONSTRAINT extension_execution_log_end CHECK (((state = 'finished'::text) = ((finished_at IS NOT NULL) AND (status IS NOT NULL)))),
    CONSTRAINT extension_execution_log_last_refusal_check CHECK ((jsonb_typeof(last_refusal) = 'object'::text)),
    CONSTRAINT extension_execution_log_outcome CHECK (((state = 'finished'::text) = ((outcome IS NOT NULL) AND (outcome <> 'unknown'::text)))),
    CONSTRAINT extension_execution_log_outcome_check CHECK ((outcome = ANY (ARRAY['ok'::text, 'guest_error'::text, 'timeout'::text, 'out_of_memory'::text, 'out_of_fuel'::text, 'trapped'::text, 'invalid_response'::text, 'too_large'::text, 'platform_error'::text, 'unknown'::text]))),
    CONSTRAINT extension_execution_log_state_check1 CHECK ((state = ANY (ARRAY['accepted'::text, 'finished'::text]))),
    CONSTRAINT extension_execution_log_status_check1 CHECK (((status >= 100) AND (status <= 599)))
)
PARTITION BY RANGE (day);

ALTER TABLE ONLY app.extension_execution_log FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_execution_log OWNER TO app_owner;

CREATE TABLE app.extension_install_disabling (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    disabling_id bigint NOT NULL,
    disabled_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY app.extension_install_disabling FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_install_disabling OWNER TO app_owner;

ALTER TABLE app.extension_install_disabling ALTER COLUMN disabling_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.extension_install_disabling_disabling_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.extension_install_request (
    tenant_id text NOT NULL,
    request_id uuid DEFAULT gen_random_uuid() NOT NULL,
    install_id uuid NOT NULL,
    from_version_id uuid NOT NULL,
    to_version_id uuid NOT NULL,
    difference jsonb NOT NULL,
    holds_code boolean NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    decided_at timestamp with time zone,
    decided_by text,
    CONSTRAINT extension_install_request_check CHECK (((state = 'waiting'::text) = (decided_at IS NULL))),
    CONSTRAINT extension_install_request_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'approved'::text, 'declined'::text, 'superseded'::text])))
);

ALTER TABLE ONLY app.extension_install_request FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_install_request OWNER TO app_owner;

CREATE TABLE app.extension_install_secret (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    name text NOT NULL,
    secret_version integer NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone,
    look_at timestamp with time zone DEFAULT now(),
    told_days smallint,
    CONSTRAINT extension_install_secret_name_check CHECK (((length(name) >= 1) AND (length(name) <= 64))),
    CONSTRAINT extension_install_secret_sealed_check CHECK ((octet_length(sealed) <= 131072)),
    CONSTRAINT extension_install_secret_secret_version_check CHECK ((secret_version >= 1)),
    CONSTRAINT extension_install_secret_told_days_check CHECK ((told_days >= 0))
);

ALTER TABLE ONLY app.extension_install_secret FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_install_secret OWNER TO app_owner;

CREATE TABLE app.extension_limit (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    by_platform jsonb DEFAULT '{}'::jsonb NOT NULL,
    by_tenant jsonb DEFAULT '{}'::jsonb NOT NULL,
    revision bigint DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_by text NOT NULL,
    CONSTRAINT extension_limit_by_platform_check CHECK ((jsonb_typeof(by_platform) = 'object'::text)),
    CONSTRAINT extension_limit_by_tenant_check CHECK ((jsonb_typeof(by_tenant) = 'object'::text)),
    CONSTRAINT extension_limit_tenant_id_check CHECK ((tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text))
);

ALTER TABLE ONLY app.extension_limit FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_limit OWNER TO app_owner;

CREATE TABLE app.extension_log_day (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    day date NOT NULL,
    text_bytes bigint DEFAULT 0 NOT NULL,
    dropped bigint DEFAULT 0 NOT NULL,
    CONSTRAINT extension_log_day_dropped_check CHECK ((dropped >= 0)),
    CONSTRAINT extension_log_day_text_bytes_check CHECK ((text_bytes >= 0))
)
PARTITION BY RANGE (day);

ALTER TABLE ONLY app.extension_log_day FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_log_day OWNER TO app_owner;

CREATE TABLE app.extension_metric_total (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    day date NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    value_count bigint NOT NULL,
    value_sum double precision NOT NULL,
    value_min double precision NOT NULL,
    value_max double precision NOT NULL,
    CONSTRAINT extension_metric_total_name_check CHECK ((name ~ '^[A-Za-z][A-Za-z0-9_.-]{0,63}$'::text)),
    CONSTRAINT extension_metric_total_unit_check CHECK (((length(unit) >= 1) AND (length(unit) <= 20)))
);

ALTER TABLE ONLY app.extension_metric_total FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_metric_total OWNER TO app_owner;

CREATE TABLE app.extension_quota_event (
    tenant_id text NOT NULL,
    event_id bigint NOT NULL,
    install_id uuid NOT NULL,
    period text NOT NULL,
    metric text NOT NULL,
    threshold text NOT NULL,
    used bigint NOT NULL,
    limited_to bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT extension_quota_event_metric_check CHECK ((metric = ANY (ARRAY['calls'::text, 'cpu_ms'::text, 'egress_bytes'::text, 'log_bytes'::text, 'storage_bytes'::text]))),
    CONSTRAINT extension_quota_event_period_check CHECK ((period ~ '^\d{4}-\d{2}(-\d{2})?$'::text)),
    CONSTRAINT extension_quota_event_threshold_check CHECK ((threshold = ANY (ARRAY['50'::text, '75'::text, '90'::text, '100'::text, 'warning'::text])))
);

ALTER TABLE ONLY app.extension_quota_event FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_quota_event OWNER TO app_owner;

ALTER TABLE app.extension_quota_event ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.extension_quota_event_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.extension_quota_usage (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    period text NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    failed_calls bigint DEFAULT 0 NOT NULL,
    duration_ms double precision DEFAULT 0 NOT NULL,
    cpu_ms double precision DEFAULT 0 NOT NULL,
    egress_bytes bigint DEFAULT 0 NOT NULL,
    log_bytes bigint DEFAULT 0 NOT NULL,
    reached text[] DEFAULT '{}'::text[] NOT NULL,
    memory_peak_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT extension_quota_usage_calls_check CHECK ((calls >= 0)),
    CONSTRAINT extension_quota_usage_failed_calls_check CHECK ((failed_calls >= 0)),
    CONSTRAINT extension_quota_usage_period_check CHECK ((period ~ '^\d{4}-\d{2}(-\d{2})?$'::text))
);

ALTER TABLE ONLY app.extension_quota_usage FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_quota_usage OWNER TO app_owner;

CREATE TABLE app.extension_registry (
    extension_id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    publisher text NOT NULL,
    title text DEFAULT ''::text NOT NULL,
    deprecated_at timestamp with time zone,
    deprecated_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT extension_registry_check CHECK (((deprecated_at IS NULL) = (deprecated_reason IS NULL))),
    CONSTRAINT extension_registry_name_check CHECK ((length(name) <= 255))
);

ALTER TABLE ONLY app.extension_registry FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_registry OWNER TO app_owner;

CREATE TABLE app.extension_schedule (
    tenant_id text NOT NULL,
    schedule_id uuid DEFAULT gen_random_uuid() NOT NULL,
    install_id uuid NOT NULL,
    name text,
    endpoint_method text NOT NULL,
    endpoint_path text NOT NULL,
    cron text NOT NULL,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    payload text,
    next_run_at timestamp with time zone,
    last_run_at timestamp with time zone,
    last_run_status text,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    backs_off_until timestamp with time zone,
    disabled_reason text,
    CONSTRAINT extension_schedule_consecutive_failures_check CHECK ((consecutive_failures >= 0)),
    CONSTRAINT extension_schedule_cron_check CHECK ((length(cron) <= 128)),
    CONSTRAINT extension_schedule_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['admin'::text, 'endpoint'::text]))),
    CONSTRAINT extension_schedule_endpoint_method_check CHECK ((endpoint_method = ANY (ARRAY['GET'::text, 'POST'::text]))),
    CONSTRAINT extension_schedule_endpoint_path_check CHECK ((endpoint_path ~ '^/'::text)),
    CONSTRAINT extension_schedule_name_check CHECK (((length(name) >= 1) AND (length(name) <= 128))),
    CONSTRAINT extension_schedule_payload_check CHECK ((octet_length(payload) <= 65536)),
    CONSTRAINT extension_schedule_timezone_check CHECK ((length(timezone) <= 64))
);

ALTER TABLE ONLY app.extension_schedule FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_schedule OWNER TO app_owner;

CREATE TABLE app.extension_schedule_change (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY app.extension_schedule_change FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_schedule_change OWNER TO app_owner;

CREATE TABLE app.extension_schedule_request (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY app.extension_schedule_request FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_schedule_request OWNER TO app_owner;

CREATE TABLE app.extension_storage_entry (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    namespace text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    value bytea NOT NULL,
    revision bigint DEFAULT 1 NOT NULL,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT extension_storage_entry_key_check CHECK (((length(key) >= 1) AND (length(key) <= 256))),
    CONSTRAINT extension_storage_entry_key_is_more_than_slashes CHECK ((TRIM(BOTH '/'::text FROM key) <> ''::text)),
    CONSTRAINT extension_storage_entry_key_is_plain CHECK ((key !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'::text)),
    CONSTRAINT extension_storage_entry_lifetime CHECK (((expires_at - updated_at) <= '720:00:00'::interval)),
    CONSTRAINT extension_storage_entry_namespace_check CHECK (((length(namespace) >= 1) AND (length(namespace) <= 128))),
    CONSTRAINT extension_storage_entry_namespace_is_plain CHECK ((namespace !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'::text)),
    CONSTRAINT extension_storage_entry_revision_check CHECK ((revision >= 1)),
    CONSTRAINT extension_storage_entry_value_check CHECK ((octet_length(value) <= 65536))
);

ALTER TABLE ONLY app.extension_storage_entry FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_storage_entry OWNER TO app_owner;

CREATE TABLE app.extension_storage_usage (
    tenant_id text NOT NULL,
    install_id uuid NOT NULL,
    namespace text NOT NULL,
    key_count bigint DEFAULT 0 NOT NULL,
    byte_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT extension_storage_usage_byte_count_check CHECK ((byte_count >= 0)),
    CONSTRAINT extension_storage_usage_key_count_check CHECK ((key_count >= 0))
);

ALTER TABLE ONLY app.extension_storage_usage FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_storage_usage OWNER TO app_owner;

CREATE TABLE app.extension_upload (
    upload_id uuid DEFAULT gen_random_uuid() NOT NULL,
    publisher text NOT NULL,
    content_hash text NOT NULL,
    size_bytes bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    version_id uuid,
    CONSTRAINT extension_upload_content_hash_check CHECK ((content_hash ~ '^sha256:[0-9a-f]{64}$'::text)),
    CONSTRAINT extension_upload_size_bytes_check CHECK (((size_bytes >= 1) AND (size_bytes <= 209715200)))
);

ALTER TABLE ONLY app.extension_upload FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_upload OWNER TO app_owner;

CREATE TABLE app.extension_version (
    version_id uuid DEFAULT gen_random_uuid() NOT NULL,
    extension_id uuid NOT NULL,
    version text NOT NULL,
    content_hash text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    state_reasons jsonb DEFAULT '[]'::jsonb NOT NULL,
    state_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    manifest jsonb NOT NULL,
    declared_capabilities text[] DEFAULT '{}'::text[] NOT NULL,
    imported_interfaces text[] DEFAULT '{}'::text[] NOT NULL,
    undeclared_capabilities text[] DEFAULT '{}'::text[] NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    published_by text NOT NULL,
    prepared_at timestamp with time zone,
    prepare_sent_at timestamp with time zone,
    precedence text GENERATED ALWAYS AS (app.version_precedence(version)) STORED NOT NULL COLLATE pg_catalog."C",
    is_prerelease boolean GENERATED ALWAYS AS ((split_part(version, '+'::text, 1) ~~ '%-%'::text)) STORED NOT NULL,
    prepare_attempts integer DEFAULT 0 NOT NULL,
    ui_listed_at timestamp with time zone,
    ui_invalidated_at timestamp with time zone,
    CONSTRAINT extension_version_prepare_attempts_check CHECK ((prepare_attempts >= 0)),
    CONSTRAINT extension_version_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'ready'::text, 'rejected'::text, 'yanked'::text, 'withdrawn'::text]))),
    CONSTRAINT extension_version_version_check CHECK ((length(version) <= 128))
);

ALTER TABLE ONLY app.extension_version FORCE ROW LEVEL SECURITY;

ALTER TABLE app.extension_version OWNER TO app_owner;

CREATE TABLE app.idempotency_record (
    tenant_id text NOT NULL,
    principal text NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    body_sha256 text NOT NULL,
    status integer NOT NULL,
    response jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_record_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);

ALTER TABLE ONLY app.idempotency_record FORCE ROW LEVEL SECURITY;

ALTER TABLE app.idempotency_record OWNER TO app_owner;

CREATE TABLE app.platform_call_total (
    outcome text NOT NULL,
    shard smallint NOT NULL,
    calls bigint NOT NULL,
    duration_ms double precision NOT NULL,
    cpu_ms double precision NOT NULL,
    memory_peak_bytes double precision NOT NULL,
    fuel double precision NOT NULL,
    egress_bytes double precision NOT NULL,
    overhead_ms double precision NOT NULL,
    lag_ms double precision NOT NULL,
    duration_buckets bigint[] NOT NULL,
    memory_buckets bigint[] NOT NULL,
    overhead_buckets bigint[] NOT NULL,
    lag_buckets bigint[] NOT NULL,
    CONSTRAINT platform_call_total_duration_buckets_check CHECK ((cardinality(duration_buckets) = 13)),
    CONSTRAINT platform_call_total_lag_buckets_check CHECK ((cardinality(lag_buckets) = 11)),
    CONSTRAINT platform_call_total_memory_buckets_check CHECK ((cardinality(memory_buckets) = 10)),
    CONSTRAINT platform_call_total_outcome_check CHECK ((outcome ~ '^[a-z_]{1,32}$'::text)),
    CONSTRAINT platform_call_total_overhead_buckets_check CHECK ((cardinality(overhead_buckets) = 11)),
    CONSTRAINT platform_call_total_shard_check CHECK (((shard >= 0) AND (shard <= 7)))
)
WITH (fillfactor='50');

ALTER TABLE ONLY app.platform_call_total FORCE ROW LEVEL SECURITY;

ALTER TABLE app.platform_call_total OWNER TO app_owner;

CREATE TABLE app.platform_delivery_total (
    shard smallint NOT NULL,
    tried bigint NOT NULL,
    lag_ms double precision NOT NULL,
    lag_buckets bigint[] NOT NULL,
    CONSTRAINT platform_delivery_total_lag_buckets_check CHECK ((cardinality(lag_buckets) = 11)),
    CONSTRAINT platform_delivery_total_shard_check CHECK (((shard >= 0) AND (shard <= 7))),
    CONSTRAINT platform_delivery_total_tried_check CHECK ((tried >= 0))
)
WITH (fillfactor='50');

ALTER TABLE ONLY app.platform_delivery_total FORCE ROW LEVEL SECURITY;

ALTER TABLE app.platform_delivery_total OWNER TO app_owner;

CREATE TABLE app.platform_extension_total (
    extension_id uuid NOT NULL,
    shard smallint NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    duration_ms double precision NOT NULL,
    cpu_ms double precision NOT NULL,
    egress_bytes double precision NOT NULL,
    CONSTRAINT platform_extension_total_shard_check CHECK (((shard >= 0) AND (shard <= 7)))
)
WITH (fillfactor='50');

ALTER TABLE ONLY app.platform_extension_total FORCE ROW LEVEL SECURITY;

ALTER TABLE app.platform_extension_total OWNER TO app_owner;

CREATE TABLE app.platform_idempotency_record (
    principal text NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    body_sha256 text NOT NULL,
    status integer NOT NULL,
    response jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT platform_idempotency_record_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);

ALTER TABLE ONLY app.platform_idempotency_record FORCE ROW LEVEL SECURITY;

ALTER TABLE app.platform_idempotency_record OWNER TO app_owner;

CREATE TABLE app.platform_unknown_total (
    shard smallint NOT NULL,
    calls bigint NOT NULL,
    ended_late bigint NOT NULL,
    CONSTRAINT platform_unknown_total_calls_check CHECK ((calls >= 0)),
    CONSTRAINT platform_unknown_total_ended_late_check CHECK ((ended_late >= 0)),
    CONSTRAINT platform_unknown_total_shard_check CHECK (((shard >= 0) AND (shard <= 7)))
)
WITH (fillfactor='50');

ALTER TABLE ONLY app.platform_unknown_total FORCE ROW LEVEL SECURITY;

ALTER TABLE app.platform_unknown_total OWNER TO app_owner;

CREATE TABLE app.publisher (
    publisher text NOT NULL,
    display_name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT publisher_display_name_check CHECK (((length(display_name) >= 1) AND (length(display_name) <= 200))),
    CONSTRAINT publisher_publisher_check CHECK ((publisher ~ '^[a-z0-9-]{1,63}$'::text))
);

ALTER TABLE ONLY app.publisher FORCE ROW LEVEL SECURITY;

ALTER TABLE app.publisher OWNER TO app_owner;

CREATE TABLE app.publisher_key (
    key_id text NOT NULL,
    publisher text NOT NULL,
    public_key text NOT NULL,
    algorithm text NOT NULL,
    valid_from timestamp with time zone DEFAULT now() NOT NULL,
    valid_until timestamp with time zone,
    revoked_from timestamp with time zone,
    revoked_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT publisher_key_algorithm_check CHECK ((algorithm = ANY (ARRAY['ed25519'::text, 'ecdsa-p256'::text]))),
    CONSTRAINT publisher_key_check CHECK ((valid_until > valid_from)),
    CONSTRAINT publisher_key_check1 CHECK (((revoked_from IS NULL) = (revoked_reason IS NULL))),
    CONSTRAINT publisher_key_key_id_check CHECK ((key_id ~ '^sha256:[0-9a-f]{64}$'::text)),
    CONSTRAINT publisher_key_public_key_check CHECK ((length(public_key) <= 2000))
);

ALTER TABLE ONLY app.publisher_key FORCE ROW LEVEL SECURITY;

ALTER TABLE app.publisher_key OWNER TO app_owner;

CREATE TABLE app.publisher_prefix (
    prefix text NOT NULL,
    publisher text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT publisher_prefix_prefix_check CHECK (((prefix ~ '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.$'::text) AND (length(prefix) <= 255)))
);

ALTER TABLE ONLY app.publisher_prefix FORCE ROW LEVEL SECURITY;

ALTER TABLE app.publisher_prefix OWNER TO app_owner;

CREATE TABLE app.schema_migration (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY app.schema_migration FORCE ROW LEVEL SECURITY;

ALTER TABLE app.schema_migration OWNER TO postgres;

CREATE TABLE app.tenant_activity (
    tenant_id text NOT NULL,
    active_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY app.tenant_activity FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_activity OWNER TO app_owner;

CREATE TABLE app.tenant_erasure (
    tenant_id text NOT NULL,
    erasure_id uuid DEFAULT gen_random_uuid() NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    requested_by text NOT NULL,
    settles_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    next_table text,
    pass_began_at timestamp with time zone,
    CONSTRAINT tenant_erasure_check CHECK (((state = 'done'::text) = (finished_at IS NOT NULL))),
    CONSTRAINT tenant_erasure_counts_check CHECK ((jsonb_typeof(counts) = 'object'::text)),
    CONSTRAINT tenant_erasure_place_check CHECK (((next_table IS NULL) = (pass_began_at IS NULL))),
    CONSTRAINT tenant_erasure_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text]))),
    CONSTRAINT tenant_erasure_tenant_id_check CHECK ((tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text))
);

ALTER TABLE ONLY app.tenant_erasure FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_erasure OWNER TO app_owner;

CREATE TABLE app.tenant_export (
    tenant_id text NOT NULL,
    export_id uuid DEFAULT gen_random_uuid() NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    requested_by text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    next_table text,
    after_key jsonb,
    parts integer DEFAULT 0 NOT NULL,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    manifest_sha256 text,
    CONSTRAINT tenant_export_check CHECK (((state = 'done'::text) = ((finished_at IS NOT NULL) AND (manifest_sha256 IS NOT NULL)))),
    CONSTRAINT tenant_export_counts_check CHECK ((jsonb_typeof(counts) = 'object'::text)),
    CONSTRAINT tenant_export_manifest_sha256_check CHECK ((manifest_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT tenant_export_parts_check CHECK ((parts >= 0)),
    CONSTRAINT tenant_export_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text]))),
    CONSTRAINT tenant_export_tenant_id_check CHECK ((tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text))
);

ALTER TABLE ONLY app.tenant_export FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_export OWNER TO app_owner;

CREATE TABLE app.tenant_export_part (
    tenant_id text NOT NULL,
    number integer NOT NULL,
    table_name text NOT NULL,
    row_count integer NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    CONSTRAINT tenant_export_part_number_check CHECK ((number >= 1)),
    CONSTRAINT tenant_export_part_row_count_check CHECK ((row_count >= 1)),
    CONSTRAINT tenant_export_part_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT tenant_export_part_size_bytes_check CHECK ((size_bytes >= 1))
);

ALTER TABLE ONLY app.tenant_export_part FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_export_part OWNER TO app_owner;

CREATE TABLE app.tenant_extension_install (
    tenant_id text NOT NULL,
    install_id uuid DEFAULT gen_random_uuid() NOT NULL,
    extension_id uuid NOT NULL,
    version_id uuid NOT NULL,
    state text DEFAULT 'enabled'::text NOT NULL,
    content_hash text NOT NULL,
    publisher text NOT NULL,
    publisher_key_id text NOT NULL,
    granted_capabilities text[] DEFAULT '{}'::text[] NOT NULL,
    granted_egress text[] DEFAULT '{}'::text[] NOT NULL,
    granted_secrets jsonb DEFAULT '{}'::jsonb NOT NULL,
    granted_limits jsonb DEFAULT '{}'::jsonb NOT NULL,
    grant_hash text NOT NULL,
    config jsonb DEFAULT '{}'::jsonb NOT NULL,
    pinned boolean DEFAULT false NOT NULL,
    revision bigint DEFAULT 1 NOT NULL,
    installed_at timestamp with time zone DEFAULT now() NOT NULL,
    installed_by text NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    uninstalled_at timestamp with time zone,
    purged_at timestamp with time zone,
    purged_rows jsonb DEFAULT '{}'::jsonb NOT NULL,
    log_size_at_install bigint DEFAULT 0 NOT NULL,
    granted_secret_headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    deliveries_paused_at timestamp with time zone,
    CONSTRAINT tenant_extension_install_check CHECK (((state = 'uninstalled'::text) = (uninstalled_at IS NOT NULL))),
    CONSTRAINT tenant_extension_install_check1 CHECK (((purged_at IS NULL) OR (state = 'uninstalled'::text))),
    CONSTRAINT tenant_extension_install_check2 CHECK (((purged_rows = '{}'::jsonb) OR (state = 'uninstalled'::text))),
    CONSTRAINT tenant_extension_install_log_size_at_install_check CHECK ((log_size_at_install >= 0)),
    CONSTRAINT tenant_extension_install_state_check CHECK ((state = ANY (ARRAY['enabled'::text, 'disabled'::text, 'uninstalled'::text]))),
    CONSTRAINT tenant_extension_install_tenant_id_check CHECK ((tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text))
);

ALTER TABLE ONLY app.tenant_extension_install FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_extension_install OWNER TO app_owner;

CREATE TABLE app.transparency_leaf (
    leaf_index bigint NOT NULL,
    entry text NOT NULL,
    leaf_hash bytea NOT NULL,
    kind text NOT NULL,
    publisher text NOT NULL,
    extension_id uuid,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT transparency_leaf_entry_check CHECK ((octet_length(entry) <= 16384)),
    CONSTRAINT transparency_leaf_leaf_hash_check CHECK ((octet_length(leaf_hash) = 32)),
    CONSTRAINT transparency_leaf_leaf_index_check CHECK ((leaf_index >= 0))
);

ALTER TABLE ONLY app.transparency_leaf FORCE ROW LEVEL SECURITY;

ALTER TABLE app.transparency_leaf OWNER TO app_owner;

CREATE TABLE app.transparency_node (
    level smallint NOT NULL,
    node_index bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT transparency_node_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT transparency_node_level_check CHECK (((level >= 0) AND (level <= 62))),
    CONSTRAINT transparency_node_node_index_check CHECK ((node_index >= 0))
);

ALTER TABLE ONLY app.transparency_node FORCE ROW LEVEL SECURITY;

ALTER TABLE app.transparency_node OWNER TO app_owner;

CREATE TABLE app.transparency_size (
    only_row boolean DEFAULT true NOT NULL,
    tree_size bigint NOT NULL,
    copied_size bigint DEFAULT 0 NOT NULL,
    last_batch_first bigint DEFAULT 0 NOT NULL,
    CONSTRAINT transparency_size_check CHECK (((copied_size >= 0) AND (copied_size <= tree_size))),
    CONSTRAINT transparency_size_last_batch_first_check CHECK ((last_batch_first >= 0)),
    CONSTRAINT transparency_size_only_row_check CHECK (only_row),
    CONSTRAINT transparency_size_tree_size_check CHECK ((tree_size >= 0))
);

ALTER TABLE ONLY app.transparency_size FORCE ROW LEVEL SECURITY;

ALTER TABLE app.transparency_size OWNER TO app_owner;

ALTER TABLE ONLY app.audit_event
    ADD CONSTRAINT audit_event_pkey PRIMARY KEY (tenant_id, audit_id);

ALTER TABLE ONLY app.call_idempotency
    ADD CONSTRAINT call_idempotency_pkey PRIMARY KEY (tenant_id, scope_sha256);

ALTER TABLE ONLY app.call_rate
    ADD CONSTRAINT call_rate_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY app.event_topic
    ADD CONSTRAINT event_topic_pkey PRIMARY KEY (topic);

ALTER TABLE ONLY app.extension_artifact
    ADD CONSTRAINT extension_artifact_pkey PRIMARY KEY (component_sha256, wasmtime_version, engine_config_hash, target);

ALTER TABLE ONLY app.extension_bundle
    ADD CONSTRAINT extension_bundle_pkey PRIMARY KEY (content_hash);

ALTER TABLE ONLY app.extension_delivery
    ADD CONSTRAINT extension_delivery_pkey PRIMARY KEY (tenant_id, delivery_id);

ALTER TABLE ONLY app.extension_egress_day
    ADD CONSTRAINT extension_egress_day_pkey PRIMARY KEY (tenant_id, day, install_id, destination);

ALTER TABLE ONLY app.extension_egress_trial
    ADD CONSTRAINT extension_egress_trial_pkey PRIMARY KEY (tenant_id, install_id);

ALTER TABLE ONLY app.extension_endpoint_total
    ADD CONSTRAINT extension_endpoint_total_pkey PRIMARY KEY (tenant_id, install_id, method, path_template, day);

ALTER TABLE ONLY app.extension_event
    ADD CONSTRAINT extension_event_pkey PRIMARY KEY (tenant_id, event_key);

ALTER TABLE ONLY app.extension_event_subscription
    ADD CONSTRAINT extension_event_subscription_pkey PRIMARY KEY (tenant_id, install_id, topic, handler);

ALTER TABLE ONLY app.extension_execution_lines
    ADD CONSTRAINT extension_execution_lines_pkey PRIMARY KEY (tenant_id, day, execution_id);

ALTER TABLE ONLY app.extension_execution_log
    ADD CONSTRAINT extension_execution_log_pkey PRIMARY KEY (tenant_id, day, execution_id);

ALTER TABLE ONLY app.extension_install_disabling
    ADD CONSTRAINT extension_install_disabling_pkey PRIMARY KEY (tenant_id, install_id, disabling_id);

ALTER TABLE ONLY app.extension_install_request
    ADD CONSTRAINT extension_install_request_pkey PRIMARY KEY (tenant_id, request_id);

ALTER TABLE ONLY app.extension_install_secret
    ADD CONSTRAINT extension_install_secret_pkey PRIMARY KEY (tenant_id, install_id, name, secret_version);

ALTER TABLE ONLY app.extension_limit
    ADD CONSTRAINT extension_limit_pkey PRIMARY KEY (tenant_id, install_id);

ALTER TABLE ONLY app.extension_log_day
    ADD CONSTRAINT extension_log_day_pkey PRIMARY KEY (tenant_id, day, install_id);

ALTER TABLE ONLY app.extension_metric_total
    ADD CONSTRAINT extension_metric_total_pkey PRIMARY KEY (tenant_id, install_id, day, name);

ALTER TABLE ONLY app.extension_quota_event
    ADD CONSTRAINT extension_quota_event_pkey PRIMARY KEY (tenant_id, event_id);

ALTER TABLE ONLY app.extension_quota_event
    ADD CONSTRAINT extension_quota_event_tenant_id_install_id_period_metric_th_key UNIQUE (tenant_id, install_id, period, metric, threshold);

ALTER TABLE ONLY app.extension_quota_usage
    ADD CONSTRAINT extension_quota_usage_pkey PRIMARY KEY (tenant_id, install_id, period);

ALTER TABLE ONLY app.extension_registry
    ADD CONSTRAINT extension_registry_name_key UNIQUE (name);

ALTER TABLE ONLY app.extension_registry
    ADD CONSTRAINT extension_registry_pkey PRIMARY KEY (extension_id);

ALTER TABLE ONLY app.extension_schedule_change
    ADD CONSTRAINT extension_schedule_change_pkey PRIMARY KEY (tenant_id, install_id, changed_at);

ALTER TABLE ONLY app.extension_schedule
    ADD CONSTRAINT extension_schedule_pkey PRIMARY KEY (tenant_id, schedule_id);

ALTER TABLE ONLY app.extension_schedule_request
    ADD CONSTRAINT extension_schedule_request_pkey PRIMARY KEY (tenant_id, install_id, requested_at);

ALTER TABLE ONLY app.extension_schedule
    ADD CONSTRAINT extension_schedule_tenant_id_install_id_name_key UNIQUE (tenant_id, install_id, name);

ALTER TABLE ONLY app.extension_storage_entry
    ADD CONSTRAINT extension_storage_entry_pkey PRIMARY KEY (tenant_id, install_id, namespace, key);

ALTER TABLE ONLY app.extension_storage_usage
    ADD CONSTRAINT extension_storage_usage_pkey PRIMARY KEY (tenant_id, install_id, namespace);

ALTER TABLE ONLY app.extension_upload
    ADD CONSTRAINT extension_upload_pkey PRIMARY KEY (upload_id);

ALTER TABLE ONLY app.extension_version
    ADD CONSTRAINT extension_version_content_hash_key UNIQUE (content_hash);

ALTER TABLE ONLY app.extension_version
    ADD CONSTRAINT extension_version_extension_id_version_key UNIQUE (extension_id, version);

ALTER TABLE ONLY app.extension_version
    ADD CONSTRAINT extension_version_pkey PRIMARY KEY (version_id);

ALTER TABLE ONLY app.idempotency_record
    ADD CONSTRAINT idempotency_record_pkey PRIMARY KEY (tenant_id, principal, operation, key);

ALTER TABLE ONLY app.platform_call_total
    ADD CONSTRAINT platform_call_total_pkey PRIMARY KEY (outcome, shard);

ALTER TABLE ONLY app.platform_delivery_total
    ADD CONSTRAINT platform_delivery_total_pkey PRIMARY KEY (shard);

ALTER TABLE ONLY app.platform_extension_total
    ADD CONSTRAINT platform_extension_total_pkey PRIMARY KEY (extension_id, shard);

ALTER TABLE ONLY app.platform_idempotency_record
    ADD CONSTRAINT platform_idempotency_record_pkey PRIMARY KEY (principal, operation, key);

ALTER TABLE ONLY app.platform_unknown_total
    ADD CONSTRAINT platform_unknown_total_pkey PRIMARY KEY (shard);

ALTER TABLE ONLY app.publisher_key
    ADD CONSTRAINT publisher_key_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY app.publisher
    ADD CONSTRAINT publisher_pkey PRIMARY KEY (publisher);

ALTER TABLE ONLY app.publisher_prefix
    ADD CONSTRAINT publisher_prefix_pkey PRIMARY KEY (prefix);

ALTER TABLE ONLY app.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY app.tenant_activity
    ADD CONSTRAINT tenant_activity_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY app.tenant_erasure
    ADD CONSTRAINT tenant_erasure_pkey PRIMARY KEY (tenant_id, erasure_id);

ALTER TABLE ONLY app.tenant_export_part
    ADD CONSTRAINT tenant_export_part_pkey PRIMARY KEY (tenant_id, number);

ALTER TABLE ONLY app.tenant_export
    ADD CONSTRAINT tenant_export_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY app.tenant_extension_install
    ADD CONSTRAINT tenant_extension_install_pkey PRIMARY KEY (tenant_id, install_id);

ALTER TABLE ONLY app.transparency_leaf
    ADD CONSTRAINT transparency_leaf_pkey PRIMARY KEY (leaf_index);

ALTER TABLE ONLY app.transparency_node
    ADD CONSTRAINT transparency_node_pkey PRIMARY KEY (level, node_index);

ALTER TABLE ONLY app.transparency_size
    ADD CONSTRAINT transparency_size_pkey PRIMARY KEY (only_row);

CREATE INDEX audit_event_not_blanked ON app.audit_event USING btree (tenant_id, audit_id) WHERE ((erased_at IS NULL) AND (action <> ALL (ARRAY['tenant.erase'::text, 'tenant.erased'::text, 'tenant.export'::text])));

CREATE INDEX call_idempotency_due ON app.call_idempotency USING btree (created_at, tenant_id);

CREATE INDEX call_idempotency_old ON app.call_idempotency USING btree (tenant_id, created_at);

CREATE INDEX extension_delivery_by_event ON app.extension_delivery USING btree (tenant_id, event_key) WHERE (event_key IS NOT NULL);

CREATE INDEX extension_delivery_dead ON app.extension_delivery USING btree (tenant_id, created_at DESC, delivery_id DESC) WHERE (state = 'dead'::text);

CREATE INDEX extension_delivery_done ON app.extension_delivery USING btree (ended_at, tenant_id) WHERE (state = ANY (ARRAY['delivered'::text, 'discarded'::text]));

CREATE INDEX extension_delivery_in_flight ON app.extension_delivery USING btree (tenant_id, install_id) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX extension_delivery_long_dead ON app.extension_delivery USING btree (ended_at, tenant_id) WHERE (state = 'dead'::text);

CREATE INDEX extension_delivery_newest ON app.extension_delivery USING btree (tenant_id, created_at DESC, delivery_id DESC);

CREATE INDEX extension_delivery_pending ON app.extension_delivery USING btree (tenant_id, install_id, created_at, delivery_id) WHERE (state = 'pending'::text);

CREATE INDEX extension_delivery_recheck ON app.extension_delivery USING btree (recheck_at, tenant_id) WHERE (recheck_at IS NOT NULL);

CREATE INDEX extension_delivery_retrying ON app.extension_delivery USING btree (tenant_id, install_id) WHERE (state = 'retrying'::text);

CREATE INDEX extension_endpoint_total_unknown ON app.extension_endpoint_total USING btree (tenant_id, day) WHERE (unknown_calls <> 0);

CREATE INDEX extension_event_due ON app.extension_event USING btree (sweep_at, tenant_id);

CREATE INDEX extension_event_subscription_by_topic ON app.extension_event_subscription USING btree (tenant_id, topic);

CREATE INDEX extension_event_waiting ON app.extension_event USING btree (recheck_at, tenant_id) WHERE (fanned_out_at IS NULL);

CREATE INDEX extension_execution_log_by_install ON ONLY app.extension_execution_log USING btree (tenant_id, install_id, day, execution_id);

CREATE INDEX extension_execution_log_by_principal ON ONLY app.extension_execution_log USING btree (tenant_id, principal, day, execution_id);

CREATE INDEX extension_execution_log_failed ON ONLY app.extension_execution_log USING btree (tenant_id, day, execution_id) WHERE (outcome <> 'ok'::text);

CREATE INDEX extension_execution_log_open ON ONLY app.extension_execution_log USING btree (accepted_at, tenant_id) WHERE (outcome IS NULL);

CREATE INDEX extension_execution_log_running ON ONLY app.extension_execution_log USING btree (tenant_id, day, execution_id) WHERE (outcome IS NULL);

CREATE UNIQUE INDEX extension_install_request_one_waiting ON app.extension_install_request USING btree (tenant_id, install_id) WHERE (state = 'waiting'::text);

CREATE INDEX extension_install_secret_look ON app.extension_install_secret USING btree (look_at, tenant_id) WHERE (look_at IS NOT NULL);

CREATE INDEX extension_metric_total_old ON app.extension_metric_total USING btree (day, tenant_id);

CREATE INDEX extension_registry_by_publisher ON app.extension_registry USING btree (publisher, name);

CREATE INDEX extension_schedule_by_install ON app.extension_schedule USING btree (tenant_id, install_id, created_at);

CREATE INDEX extension_schedule_due ON app.extension_schedule USING btree (next_run_at) WHERE (enabled AND (next_run_at IS NOT NULL));

CREATE INDEX extension_storage_entry_due ON app.extension_storage_entry USING btree (expires_at, tenant_id) WHERE (expires_at IS NOT NULL);

CREATE INDEX extension_storage_entry_expired ON app.extension_storage_entry USING btree (tenant_id, expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX extension_version_ended ON app.extension_version USING btree (content_hash COLLATE "C") WHERE (state = ANY (ARRAY['withdrawn'::text, 'rejected'::text]));

CREATE INDEX extension_version_highest ON app.extension_version USING btree (extension_id, is_prerelease, precedence DESC) WHERE (state = 'ready'::text);

CREATE INDEX extension_version_newest ON app.extension_version USING btree (extension_id, published_at DESC, version_id);

CREATE INDEX extension_version_not_invalidated ON app.extension_version USING btree (ui_listed_at) WHERE ((state = ANY (ARRAY['withdrawn'::text, 'rejected'::text])) AND (ui_invalidated_at IS NULL) AND (jsonb_typeof((manifest -> 'ui'::text)) = 'object'::text));

CREATE INDEX extension_version_unprepared ON app.extension_version USING btree (COALESCE(prepare_sent_at, published_at)) WHERE (state = 'pending'::text);

CREATE INDEX idempotency_record_due ON app.idempotency_record USING btree (created_at, tenant_id);

CREATE INDEX idempotency_record_old ON app.idempotency_record USING btree (tenant_id, created_at);

CREATE INDEX publisher_key_by_publisher ON app.publisher_key USING btree (publisher, created_at);

CREATE INDEX publisher_prefix_by_publisher ON app.publisher_prefix USING btree (publisher);

CREATE UNIQUE INDEX tenant_erasure_one_running ON app.tenant_erasure USING btree (tenant_id) WHERE (state = 'running'::text);

CREATE UNIQUE INDEX tenant_export_running ON app.tenant_export USING btree (tenant_id) WHERE (state = 'running'::text);

CREATE INDEX tenant_extension_install_by_extension ON app.tenant_extension_install USING btree (extension_id, tenant_id);

CREATE INDEX tenant_extension_install_by_version ON app.tenant_extension_install USING btree (version_id);

CREATE INDEX tenant_extension_install_due ON app.tenant_extension_install USING btree (uninstalled_at, tenant_id) WHERE ((state = 'uninstalled'::text) AND (purged_at IS NULL));

CREATE UNIQUE INDEX tenant_extension_install_one_active ON app.tenant_extension_install USING btree (tenant_id, extension_id) WHERE (state <> 'uninstalled'::text);

CREATE INDEX tenant_extension_install_to_purge ON app.tenant_extension_install USING btree (tenant_id, uninstalled_at) WHERE ((state = 'uninstalled'::text) AND (purged_at IS NULL));

CREATE INDEX transparency_leaf_by_extension ON app.transparency_leaf USING btree (extension_id, leaf_index) WHERE (extension_id IS NOT NULL);

CREATE INDEX transparency_leaf_by_publisher ON app.transparency_leaf USING btree (publisher, leaf_index) WHERE (extension_id IS NULL);

CREATE TRIGGER count_storage AFTER INSERT OR DELETE OR UPDATE OF value ON app.extension_storage_entry FOR EACH ROW EXECUTE FUNCTION app.count_storage();

ALTER TABLE ONLY app.extension_delivery
    ADD CONSTRAINT extension_delivery_tenant_id_event_key_fkey FOREIGN KEY (tenant_id, event_key) REFERENCES app.extension_event(tenant_id, event_key) ON DELETE RESTRICT;

ALTER TABLE ONLY app.extension_delivery
    ADD CONSTRAINT extension_delivery_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_egress_trial
    ADD CONSTRAINT extension_egress_trial_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_event_subscription
    ADD CONSTRAINT extension_event_subscription_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_install_disabling
    ADD CONSTRAINT extension_install_disabling_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_install_request
    ADD CONSTRAINT extension_install_request_from_version_id_fkey FOREIGN KEY (from_version_id) REFERENCES app.extension_version(version_id) ON DELETE RESTRICT;

ALTER TABLE ONLY app.extension_install_request
    ADD CONSTRAINT extension_install_request_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_install_request
    ADD CONSTRAINT extension_install_request_to_version_id_fkey FOREIGN KEY (to_version_id) REFERENCES app.extension_version(version_id) ON DELETE RESTRICT;

ALTER TABLE ONLY app.extension_install_secret
    ADD CONSTRAINT extension_install_secret_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_registry
    ADD CONSTRAINT extension_registry_publisher_fkey FOREIGN KEY (publisher) REFERENCES app.publisher(publisher) ON DELETE RESTRICT;

ALTER TABLE ONLY app.extension_schedule_change
    ADD CONSTRAINT extension_schedule_change_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_schedule_request
    ADD CONSTRAINT extension_schedule_request_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_schedule
    ADD CONSTRAINT extension_schedule_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_storage_entry
    ADD CONSTRAINT extension_storage_entry_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_storage_usage
    ADD CONSTRAINT extension_storage_usage_tenant_id_install_id_fkey FOREIGN KEY (tenant_id, install_id) REFERENCES app.tenant_extension_install(tenant_id, install_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_upload
    ADD CONSTRAINT extension_upload_publisher_fkey FOREIGN KEY (publisher) REFERENCES app.publisher(publisher) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_upload
    ADD CONSTRAINT extension_upload_version_id_fkey FOREIGN KEY (version_id) REFERENCES app.extension_version(version_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.extension_version
    ADD CONSTRAINT extension_version_content_hash_fkey FOREIGN KEY (content_hash) REFERENCES app.extension_bundle(content_hash) ON DELETE RESTRICT;

ALTER TABLE ONLY app.extension_version
    ADD CONSTRAINT extension_version_extension_id_fkey FOREIGN KEY (extension_id) REFERENCES app.extension_registry(extension_id) ON DELETE RESTRICT;

ALTER TABLE ONLY app.publisher_key
    ADD CONSTRAINT publisher_key_publisher_fkey FOREIGN KEY (publisher) REFERENCES app.publisher(publisher) ON DELETE RESTRICT;

ALTER TABLE ONLY app.publisher_prefix
    ADD CONSTRAINT publisher_prefix_publisher_fkey FOREIGN KEY (publisher) REFERENCES app.publisher(publisher) ON DELETE RESTRICT;

ALTER TABLE ONLY app.tenant_export_part
    ADD CONSTRAINT tenant_export_part_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenant_export(tenant_id) ON DELETE CASCADE;

ALTER TABLE ONLY app.tenant_extension_install
    ADD CONSTRAINT tenant_extension_install_extension_id_fkey FOREIGN KEY (extension_id) REFERENCES app.extension_registry(extension_id) ON DELETE RESTRICT;

ALTER TABLE ONLY app.tenant_extension_install
    ADD CONSTRAINT tenant_extension_install_version_id_fkey FOREIGN KEY (version_id) REFERENCES app.extension_version(version_id) ON DELETE RESTRICT;

ALTER TABLE app.audit_event ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.call_idempotency ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.call_rate ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.event_topic ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_artifact ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_bundle ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_delivery ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_egress_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_egress_trial ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_endpoint_total ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_event ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_event_subscription ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_execution_lines ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_execution_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_install_disabling ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_install_request ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_install_secret ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_limit ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_log_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_metric_total ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_quota_event ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_quota_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_registry ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_schedule ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_schedule_change ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_schedule_request ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_storage_entry ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_storage_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_upload ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.extension_version ENABLE ROW LEVEL SECURITY;

CREATE POLICY gateway ON app.platform_delivery_total TO fn_gateway USING (true) WITH CHECK (true);

CREATE POLICY gateway_reads ON app.extension_bundle FOR SELECT TO fn_gateway USING (true);

CREATE POLICY gateway_reads ON app.extension_registry FOR SELECT TO fn_gateway USING (true);

CREATE POLICY gateway_reads ON app.extension_version FOR SELECT TO fn_gateway USING (true);

ALTER TABLE app.idempotency_record ENABLE ROW LEVEL SECURITY;

CREATE POLICY migrator_all ON app.schema_migration USING (true) WITH CHECK (true);

CREATE POLICY owner_claims_due ON app.extension_schedule FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_counts ON app.tenant_activity FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_counts_installs ON app.extension_install_disabling FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.call_idempotency FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.call_rate FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.extension_delivery FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.extension_event FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.extension_execution_log FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.extension_install_secret FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.extension_metric_total FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.extension_storage_entry FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_due ON app.idempotency_record FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_jobs ON app.tenant_erasure FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_jobs ON app.tenant_export FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_lists_tenants ON app.tenant_extension_install FOR SELECT TO app_owner USING (true);

CREATE POLICY owner_locks_due ON app.extension_schedule FOR UPDATE TO app_owner USING (true) WITH CHECK (false);

CREATE POLICY owner_reads ON app.extension_version FOR SELECT TO app_owner USING (true);

ALTER TABLE app.platform_call_total ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.platform_delivery_total ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.platform_extension_total ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.platform_idempotency_record ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.platform_unknown_total ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.publisher ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.publisher_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.publisher_prefix ENABLE ROW LEVEL SECURITY;

CREATE POLICY registry ON app.event_topic TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry ON app.platform_call_total TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry ON app.platform_delivery_total FOR SELECT TO fn_registry USING (true);

CREATE POLICY registry ON app.platform_extension_total TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry ON app.platform_unknown_total TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.extension_artifact TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.extension_bundle TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.extension_registry TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.extension_upload TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.extension_version TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.platform_idempotency_record TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.publisher TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.publisher_key TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.publisher_prefix TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.transparency_leaf TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.transparency_node TO fn_registry USING (true) WITH CHECK (true);

CREATE POLICY registry_all ON app.transparency_size TO fn_registry USING (true) WITH CHECK (true);

ALTER TABLE app.schema_migration ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_activity ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_erasure ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_export ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_export_part ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_extension_install ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_isolation ON app.audit_event USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.call_idempotency USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.call_rate USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_delivery USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_egress_day USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_egress_trial USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_endpoint_total USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_event USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_event_subscription USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_execution_lines USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_execution_log USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_install_disabling USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_install_request USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_install_secret USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_limit USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_log_day USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_metric_total USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_quota_event USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_quota_usage USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_schedule USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_schedule_change USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_schedule_request USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_storage_entry USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.extension_storage_usage USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.idempotency_record USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.tenant_activity USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.tenant_erasure USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.tenant_export USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.tenant_export_part USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

CREATE POLICY tenant_isolation ON app.tenant_extension_install USING ((tenant_id = app.current_tenant())) WITH CHECK ((tenant_id = app.current_tenant()));

ALTER TABLE app.transparency_leaf ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.transparency_node ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.transparency_size ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA app TO fn_gateway;
GRANT USAGE ON SCHEMA app TO fn_registry;
GRANT USAGE ON SCHEMA app TO fn_runner;

REVOKE ALL ON FUNCTION app.add_arrays(a bigint[], b bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION app.add_arrays(a bigint[], b bigint[]) TO fn_registry;
GRANT ALL ON FUNCTION app.add_arrays(a bigint[], b bigint[]) TO fn_gateway;

REVOKE ALL ON FUNCTION app.audit_without_persons(action text, document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.blank_audit(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.blank_audit(most integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.claim_due_schedules(at timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.claim_due_schedules(at timestamp with time zone, most integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.count_active_tenants(since timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.count_active_tenants(since timestamp with time zone) TO fn_registry;

REVOKE ALL ON FUNCTION app.count_delivery_lag(row_number integer, lag double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION app.count_delivery_lag(row_number integer, lag double precision) TO fn_gateway;

REVOKE ALL ON FUNCTION app.count_installs(version uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.count_installs(version uuid) TO fn_registry;

REVOKE ALL ON FUNCTION app.count_storage() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.create_day(wanted date) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.erase_rows(from_table text, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.erase_rows(from_table text, most integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.export_rows(from_table text, after_key jsonb, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.export_rows(from_table text, after_key jsonb, most integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.fire_schedules(batch jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION app.fire_schedules(batch jsonb) TO fn_registry;

REVOKE ALL ON FUNCTION app.install_endpoints(install uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.install_endpoints(install uuid) TO fn_runner;

REVOKE ALL ON FUNCTION app.list_tenants(after_tenant text, page_size integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.list_tenants(after_tenant text, page_size integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.lock_deliveries(tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.lock_deliveries(tenant text) TO fn_gateway;
GRANT ALL ON FUNCTION app.lock_deliveries(tenant text) TO fn_registry;

REVOKE ALL ON FUNCTION app.lock_schedules(install uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.lock_schedules(install uuid) TO fn_runner;
GRANT ALL ON FUNCTION app.lock_schedules(install uuid) TO fn_registry;

REVOKE ALL ON FUNCTION app.lock_storage(install uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.lock_storage(install uuid) TO fn_runner;
GRANT ALL ON FUNCTION app.lock_storage(install uuid) TO fn_registry;

REVOKE ALL ON FUNCTION app.make_day(wanted date) FROM PUBLIC;
GRANT ALL ON FUNCTION app.make_day(wanted date) TO fn_registry;

REVOKE ALL ON FUNCTION app.note_schedule_run(tenant text, schedule uuid, delivery uuid, status text, error text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.note_schedule_run(tenant text, schedule uuid, delivery uuid, status text, error text) TO fn_gateway;

REVOKE ALL ON FUNCTION app.queue_deliveries(tenant text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.queue_deliveries(tenant text) TO fn_gateway;
GRANT ALL ON FUNCTION app.queue_deliveries(tenant text) TO fn_registry;

REVOKE ALL ON FUNCTION app.queue_deliveries_of(tenants text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION app.queue_deliveries_of(tenants text[]) TO fn_registry;

REVOKE ALL ON FUNCTION app.remove_day(parent text, gone date) FROM PUBLIC;
GRANT ALL ON FUNCTION app.remove_day(parent text, gone date) TO fn_registry;

REVOKE ALL ON FUNCTION app.take_slots(holder text, burst bigint, interval_us bigint, ahead_us bigint, wanted integer, needed integer, kept integer, back integer, now_us bigint, INOUT arrival_us bigint, INOUT holders text[], INOUT held integer[], INOUT held_until_us bigint[], OUT taken integer, OUT remaining integer, OUT taken_at_us bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.take_slots(holder text, burst bigint, interval_us bigint, ahead_us bigint, wanted integer, needed integer, kept integer, back integer, now_us bigint, INOUT arrival_us bigint, INOUT holders text[], INOUT held integer[], INOUT held_until_us bigint[], OUT taken integer, OUT remaining integer, OUT taken_at_us bigint) TO fn_gateway;

REVOKE ALL ON FUNCTION app.tenants_with_deliveries_due(at timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.tenants_with_deliveries_due(at timestamp with time zone, most integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.tenants_with_due(at timestamp with time zone, uninstalled_before timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.tenants_with_due(at timestamp with time zone, uninstalled_before timestamp with time zone, most integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.tenants_with_jobs(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.tenants_with_jobs(most integer) TO fn_registry;

REVOKE ALL ON FUNCTION app.version_precedence(version text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.version_precedence(version text) TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.audit_event TO fn_registry;

GRANT SELECT,DELETE ON TABLE app.call_idempotency TO fn_gateway;
GRANT DELETE ON TABLE app.call_idempotency TO fn_registry;

GRANT INSERT(tenant_id) ON TABLE app.call_idempotency TO fn_gateway;
GRANT SELECT(tenant_id) ON TABLE app.call_idempotency TO fn_registry;

GRANT INSERT(scope_sha256) ON TABLE app.call_idempotency TO fn_gateway;
GRANT SELECT(scope_sha256) ON TABLE app.call_idempotency TO fn_registry;

GRANT INSERT(request_sha256),UPDATE(request_sha256) ON TABLE app.call_idempotency TO fn_gateway;

GRANT INSERT(execution_id),UPDATE(execution_id) ON TABLE app.call_idempotency TO fn_gateway;

GRANT INSERT(request_id),UPDATE(request_id) ON TABLE app.call_idempotency TO fn_gateway;

GRANT UPDATE(created_at) ON TABLE app.call_idempotency TO fn_gateway;
GRANT SELECT(created_at) ON TABLE app.call_idempotency TO fn_registry;

GRANT INSERT(deadline_at),UPDATE(deadline_at) ON TABLE app.call_idempotency TO fn_gateway;

GRANT UPDATE(status) ON TABLE app.call_idempotency TO fn_gateway;

GRANT UPDATE(headers) ON TABLE app.call_idempotency TO fn_gateway;

GRANT UPDATE(body) ON TABLE app.call_idempotency TO fn_gateway;

GRANT UPDATE(error) ON TABLE app.call_idempotency TO fn_gateway;

GRANT SELECT,INSERT ON TABLE app.call_rate TO fn_gateway;
GRANT SELECT,DELETE ON TABLE app.call_rate TO fn_registry;

GRANT UPDATE(arrival_us) ON TABLE app.call_rate TO fn_gateway;

GRANT UPDATE(holders) ON TABLE app.call_rate TO fn_gateway;

GRANT UPDATE(held) ON TABLE app.call_rate TO fn_gateway;

GRANT UPDATE(held_until_us) ON TABLE app.call_rate TO fn_gateway;

GRANT UPDATE(taken) ON TABLE app.call_rate TO fn_gateway;

GRANT UPDATE(remaining) ON TABLE app.call_rate TO fn_gateway;

GRANT UPDATE(taken_at_us) ON TABLE app.call_rate TO fn_gateway;
GRANT UPDATE(taken_at_us) ON TABLE app.call_rate TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.event_topic TO fn_registry;

GRANT UPDATE(description) ON TABLE app.event_topic TO fn_registry;

GRANT UPDATE(schema) ON TABLE app.event_topic TO fn_registry;

GRANT UPDATE(changed_at) ON TABLE app.event_topic TO fn_registry;

GRANT UPDATE(changed_by) ON TABLE app.event_topic TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.extension_artifact TO fn_registry;

GRANT SELECT ON TABLE app.extension_bundle TO fn_gateway;
GRANT SELECT,INSERT ON TABLE app.extension_bundle TO fn_registry;

GRANT UPDATE(ui_index_sha256) ON TABLE app.extension_bundle TO fn_registry;

GRANT SELECT ON TABLE app.extension_delivery TO fn_gateway;
GRANT SELECT,INSERT,DELETE ON TABLE app.extension_delivery TO fn_registry;

GRANT UPDATE(state) ON TABLE app.extension_delivery TO fn_gateway;
GRANT UPDATE(state) ON TABLE app.extension_delivery TO fn_registry;

GRANT UPDATE(tries) ON TABLE app.extension_delivery TO fn_gateway;
GRANT UPDATE(tries) ON TABLE app.extension_delivery TO fn_registry;

GRANT UPDATE(next_attempt_at) ON TABLE app.extension_delivery TO fn_gateway;
GRANT UPDATE(next_attempt_at) ON TABLE app.extension_delivery TO fn_registry;

GRANT UPDATE(lease_until) ON TABLE app.extension_delivery TO fn_gateway;
GRANT UPDATE(lease_until) ON TABLE app.extension_delivery TO fn_registry;

GRANT UPDATE(recheck_at) ON TABLE app.extension_delivery TO fn_gateway;
GRANT UPDATE(recheck_at) ON TABLE app.extension_delivery TO fn_registry;

GRANT UPDATE(last_status) ON TABLE app.extension_delivery TO fn_gateway;

GRANT UPDATE(last_error) ON TABLE app.extension_delivery TO fn_gateway;

GRANT UPDATE(reason) ON TABLE app.extension_delivery TO fn_gateway;
GRANT UPDATE(reason) ON TABLE app.extension_delivery TO fn_registry;

GRANT UPDATE(execution_ids) ON TABLE app.extension_delivery TO fn_gateway;

GRANT UPDATE(ended_at) ON TABLE app.extension_delivery TO fn_gateway;
GRANT UPDATE(ended_at) ON TABLE app.extension_delivery TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.extension_egress_day TO fn_registry;

GRANT UPDATE(requests) ON TABLE app.extension_egress_day TO fn_registry;

GRANT UPDATE(bytes_sent) ON TABLE app.extension_egress_day TO fn_registry;

GRANT UPDATE(bytes_received) ON TABLE app.extension_egress_day TO fn_registry;

GRANT UPDATE(refused) ON TABLE app.extension_egress_day TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.extension_egress_trial TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(calls) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(failed_calls) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(unknown_calls) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(duration_ms) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(cpu_ms) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(memory_peak_bytes) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(egress_bytes) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT UPDATE(log_bytes) ON TABLE app.extension_endpoint_total TO fn_registry;

GRANT SELECT ON TABLE app.extension_event TO fn_gateway;
GRANT SELECT,INSERT,DELETE ON TABLE app.extension_event TO fn_registry;

GRANT UPDATE(fanned_out_at) ON TABLE app.extension_event TO fn_registry;

GRANT UPDATE(recheck_at) ON TABLE app.extension_event TO fn_registry;

GRANT UPDATE(sweep_at) ON TABLE app.extension_event TO fn_registry;

GRANT SELECT ON TABLE app.extension_event_subscription TO fn_gateway;
GRANT SELECT,INSERT,DELETE ON TABLE app.extension_event_subscription TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.extension_execution_lines TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(state) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(outcome) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(finished_at) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(status) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(error_code) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(duration_ms) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(cpu_ms) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(memory_peak_bytes) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(fuel) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(egress_bytes) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(log_bytes) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(host_calls) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(response_bytes) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(attempts) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(breaker) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(guest_error) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(guest_stack) ON TABLE app.extension_execution_log TO fn_registry;

GRANT UPDATE(last_refusal) ON TABLE app.extension_execution_log TO fn_registry;

GRANT SELECT ON TABLE app.extension_install_disabling TO fn_gateway;
GRANT SELECT,DELETE ON TABLE app.extension_install_disabling TO fn_registry;

GRANT INSERT(tenant_id) ON TABLE app.extension_install_disabling TO fn_registry;

GRANT INSERT(install_id) ON TABLE app.extension_install_disabling TO fn_registry;

GRANT UPDATE(disabled_at) ON TABLE app.extension_install_disabling TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.extension_install_request TO fn_registry;

GRANT UPDATE(state) ON TABLE app.extension_install_request TO fn_registry;

GRANT UPDATE(decided_at) ON TABLE app.extension_install_request TO fn_registry;

GRANT UPDATE(decided_by) ON TABLE app.extension_install_request TO fn_registry;

GRANT SELECT ON TABLE app.extension_install_secret TO fn_gateway;
GRANT SELECT,INSERT,DELETE ON TABLE app.extension_install_secret TO fn_registry;

GRANT UPDATE(look_at) ON TABLE app.extension_install_secret TO fn_registry;

GRANT UPDATE(told_days) ON TABLE app.extension_install_secret TO fn_registry;

GRANT SELECT ON TABLE app.extension_limit TO fn_gateway;
GRANT SELECT,DELETE ON TABLE app.extension_limit TO fn_registry;

GRANT INSERT(tenant_id) ON TABLE app.extension_limit TO fn_registry;

GRANT INSERT(install_id) ON TABLE app.extension_limit TO fn_registry;

GRANT UPDATE(by_platform) ON TABLE app.extension_limit TO fn_registry;

GRANT UPDATE(by_tenant) ON TABLE app.extension_limit TO fn_registry;

GRANT UPDATE(revision) ON TABLE app.extension_limit TO fn_registry;

GRANT UPDATE(changed_at) ON TABLE app.extension_limit TO fn_registry;

GRANT INSERT(changed_by),UPDATE(changed_by) ON TABLE app.extension_limit TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.extension_log_day TO fn_registry;

GRANT UPDATE(text_bytes) ON TABLE app.extension_log_day TO fn_registry;

GRANT UPDATE(dropped) ON TABLE app.extension_log_day TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.extension_metric_total TO fn_registry;

GRANT UPDATE(unit) ON TABLE app.extension_metric_total TO fn_registry;

GRANT UPDATE(value_count) ON TABLE app.extension_metric_total TO fn_registry;

GRANT UPDATE(value_sum) ON TABLE app.extension_metric_total TO fn_registry;

GRANT UPDATE(value_min) ON TABLE app.extension_metric_total TO fn_registry;

GRANT UPDATE(value_max) ON TABLE app.extension_metric_total TO fn_registry;

GRANT SELECT ON TABLE app.extension_quota_event TO fn_registry;

GRANT INSERT(tenant_id) ON TABLE app.extension_quota_event TO fn_registry;

GRANT INSERT(install_id) ON TABLE app.extension_quota_event TO fn_registry;

GRANT INSERT(period) ON TABLE app.extension_quota_event TO fn_registry;

GRANT INSERT(metric) ON TABLE app.extension_quota_event TO fn_registry;

GRANT INSERT(threshold) ON TABLE app.extension_quota_event TO fn_registry;

GRANT INSERT(used) ON TABLE app.extension_quota_event TO fn_registry;

GRANT INSERT(limited_to) ON TABLE app.extension_quota_event TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.extension_quota_usage TO fn_registry;
GRANT SELECT ON TABLE app.extension_quota_usage TO fn_gateway;

GRANT UPDATE(calls) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT UPDATE(failed_calls) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT UPDATE(duration_ms) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT UPDATE(cpu_ms) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT UPDATE(egress_bytes) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT UPDATE(log_bytes) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT UPDATE(reached) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT UPDATE(memory_peak_bytes) ON TABLE app.extension_quota_usage TO fn_registry;

GRANT SELECT ON TABLE app.extension_registry TO fn_gateway;
GRANT SELECT,INSERT ON TABLE app.extension_registry TO fn_registry;

GRANT UPDATE(publisher) ON TABLE app.extension_registry TO fn_registry;

GRANT UPDATE(title) ON TABLE app.extension_registry TO fn_registry;

GRANT UPDATE(deprecated_at) ON TABLE app.extension_registry TO fn_registry;

GRANT UPDATE(deprecated_reason) ON TABLE app.extension_registry TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.extension_schedule TO fn_runner;
GRANT SELECT,DELETE ON TABLE app.extension_schedule TO fn_registry;

GRANT UPDATE(name) ON TABLE app.extension_schedule TO fn_runner;

GRANT UPDATE(endpoint_method) ON TABLE app.extension_schedule TO fn_runner;

GRANT UPDATE(endpoint_path) ON TABLE app.extension_schedule TO fn_runner;

GRANT UPDATE(cron) ON TABLE app.extension_schedule TO fn_runner;

GRANT UPDATE(timezone) ON TABLE app.extension_schedule TO fn_runner;

GRANT UPDATE(enabled) ON TABLE app.extension_schedule TO fn_runner;
GRANT UPDATE(enabled) ON TABLE app.extension_schedule TO fn_registry;

GRANT UPDATE(payload) ON TABLE app.extension_schedule TO fn_runner;

GRANT UPDATE(next_run_at) ON TABLE app.extension_schedule TO fn_runner;
GRANT UPDATE(next_run_at) ON TABLE app.extension_schedule TO fn_registry;

GRANT UPDATE(updated_at) ON TABLE app.extension_schedule TO fn_runner;
GRANT UPDATE(updated_at) ON TABLE app.extension_schedule TO fn_registry;

GRANT UPDATE(consecutive_failures) ON TABLE app.extension_schedule TO fn_registry;

GRANT UPDATE(backs_off_until) ON TABLE app.extension_schedule TO fn_registry;

GRANT UPDATE(disabled_reason) ON TABLE app.extension_schedule TO fn_runner;
GRANT UPDATE(disabled_reason) ON TABLE app.extension_schedule TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.extension_schedule_change TO fn_runner;
GRANT SELECT,DELETE ON TABLE app.extension_schedule_change TO fn_registry;

GRANT SELECT,DELETE ON TABLE app.extension_schedule_request TO fn_registry;

GRANT INSERT(tenant_id) ON TABLE app.extension_schedule_request TO fn_registry;

GRANT INSERT(install_id) ON TABLE app.extension_schedule_request TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.extension_storage_entry TO fn_runner;
GRANT SELECT,DELETE ON TABLE app.extension_storage_entry TO fn_registry;

GRANT UPDATE(value) ON TABLE app.extension_storage_entry TO fn_runner;

GRANT UPDATE(revision) ON TABLE app.extension_storage_entry TO fn_runner;

GRANT UPDATE(expires_at) ON TABLE app.extension_storage_entry TO fn_runner;

GRANT UPDATE(updated_at) ON TABLE app.extension_storage_entry TO fn_runner;

GRANT SELECT ON TABLE app.extension_storage_usage TO fn_runner;
GRANT SELECT,DELETE ON TABLE app.extension_storage_usage TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.extension_upload TO fn_registry;

GRANT UPDATE(version_id) ON TABLE app.extension_upload TO fn_registry;

GRANT SELECT ON TABLE app.extension_version TO fn_gateway;
GRANT SELECT,INSERT ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(state) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(state_reasons) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(state_changed_at) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(imported_interfaces) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(undeclared_capabilities) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(prepared_at) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(prepare_sent_at) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(prepare_attempts) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(ui_listed_at) ON TABLE app.extension_version TO fn_registry;

GRANT UPDATE(ui_invalidated_at) ON TABLE app.extension_version TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.idempotency_record TO fn_registry;

GRANT SELECT,INSERT,UPDATE ON TABLE app.platform_call_total TO fn_registry;

GRANT SELECT,INSERT,UPDATE ON TABLE app.platform_delivery_total TO fn_gateway;
GRANT SELECT ON TABLE app.platform_delivery_total TO fn_registry;

GRANT SELECT,INSERT,UPDATE ON TABLE app.platform_extension_total TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.platform_idempotency_record TO fn_registry;

GRANT SELECT,INSERT,UPDATE ON TABLE app.platform_unknown_total TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.publisher TO fn_registry;

GRANT UPDATE(display_name) ON TABLE app.publisher TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.publisher_key TO fn_registry;

GRANT UPDATE(valid_until) ON TABLE app.publisher_key TO fn_registry;

GRANT UPDATE(revoked_from) ON TABLE app.publisher_key TO fn_registry;

GRANT UPDATE(revoked_reason) ON TABLE app.publisher_key TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.publisher_prefix TO fn_registry;

GRANT SELECT,INSERT,DELETE ON TABLE app.tenant_activity TO fn_registry;

GRANT UPDATE(active_at) ON TABLE app.tenant_activity TO fn_registry;

GRANT SELECT ON TABLE app.tenant_erasure TO fn_registry;

GRANT INSERT(tenant_id) ON TABLE app.tenant_erasure TO fn_registry;

GRANT UPDATE(state) ON TABLE app.tenant_erasure TO fn_registry;

GRANT INSERT(requested_at) ON TABLE app.tenant_erasure TO fn_registry;

GRANT INSERT(requested_by) ON TABLE app.tenant_erasure TO fn_registry;

GRANT INSERT(settles_at),UPDATE(settles_at) ON TABLE app.tenant_erasure TO fn_registry;

GRANT UPDATE(finished_at) ON TABLE app.tenant_erasure TO fn_registry;

GRANT UPDATE(counts) ON TABLE app.tenant_erasure TO fn_registry;

GRANT UPDATE(next_table) ON TABLE app.tenant_erasure TO fn_registry;

GRANT UPDATE(pass_began_at) ON TABLE app.tenant_erasure TO fn_registry;

GRANT SELECT,DELETE ON TABLE app.tenant_export TO fn_registry;

GRANT INSERT(tenant_id) ON TABLE app.tenant_export TO fn_registry;

GRANT UPDATE(state) ON TABLE app.tenant_export TO fn_registry;

GRANT INSERT(requested_at) ON TABLE app.tenant_export TO fn_registry;

GRANT INSERT(requested_by) ON TABLE app.tenant_export TO fn_registry;

GRANT INSERT(expires_at) ON TABLE app.tenant_export TO fn_registry;

GRANT UPDATE(finished_at) ON TABLE app.tenant_export TO fn_registry;

GRANT INSERT(next_table),UPDATE(next_table) ON TABLE app.tenant_export TO fn_registry;

GRANT UPDATE(after_key) ON TABLE app.tenant_export TO fn_registry;

GRANT UPDATE(parts) ON TABLE app.tenant_export TO fn_registry;

GRANT UPDATE(counts) ON TABLE app.tenant_export TO fn_registry;

GRANT UPDATE(manifest_sha256) ON TABLE app.tenant_export TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.tenant_export_part TO fn_registry;

GRANT SELECT ON TABLE app.tenant_extension_install TO fn_gateway;
GRANT SELECT,INSERT ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(version_id) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(state) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(content_hash) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(publisher) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(publisher_key_id) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(granted_capabilities) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(granted_egress) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(granted_secrets) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(granted_limits) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(grant_hash) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(config) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(pinned) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(revision) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(installed_at) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(installed_by) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(changed_at) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(uninstalled_at) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(purged_at) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(purged_rows) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(log_size_at_install) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(granted_secret_headers) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT UPDATE(deliveries_paused_at) ON TABLE app.tenant_extension_install TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.transparency_leaf TO fn_registry;

GRANT SELECT,INSERT ON TABLE app.transparency_node TO fn_registry;

GRANT SELECT ON TABLE app.transparency_size TO fn_registry;

GRANT UPDATE(tree_size) ON TABLE app.transparency_size TO fn_registry;

GRANT UPDATE(copied_size) ON TABLE app.transparency_size TO fn_registry;

GRANT UPDATE(last_batch_first) ON TABLE app.transparency_size TO fn_registry;
