-- Why: records of calls are kept for a number of days, and a day that is over is removed without a delete; each record says in
-- one word how the call ended; and the sweeper asks which tenants have something due. Stage: contract, for the recorder alone:
-- the one of the release before finds no unique key on (tenant_id, execution_id), and its messages stay in the queue until the
-- new one takes over.
set local role app_owner;

create function app.execution_day(execution uuid) returns date
  language sql immutable parallel safe
  as $$
    select case when uuid_extract_version(execution) = 7
                then (uuid_extract_timestamp(execution) at time zone 'UTC')::date end
  $$;
comment on function app.execution_day is
  'The UTC day in an execution id of version 7. Null for another one: the day of its record is that of accepted_at.';

alter table app.extension_execution_log rename to former_execution_log;
alter index app.extension_execution_log_pkey rename to former_execution_log_pkey;
alter index app.extension_execution_log_newest rename to former_execution_log_newest;
alter index app.extension_execution_log_by_install rename to former_execution_log_by_install;

create table app.extension_execution_log (
  tenant_id text not null,
  day date not null,
  execution_id uuid not null,
  install_id uuid not null,
  extension_id uuid not null,
  version_id uuid not null,
  content_hash text not null,
  request_id text not null,
  trace_id text not null,
  method text not null,
  path text not null,
  path_template text,
  principal text not null,
  -- accepted: dispatched, no message about its end has come; finished: one has.
  state text not null check (state in ('accepted', 'finished')),
  outcome text check (outcome in ('ok', 'guest_error', 'timeout', 'out_of_memory', 'out_of_fuel', 'trapped',
                                  'invalid_response', 'too_large', 'platform_error', 'unknown')),
  accepted_at timestamptz not null,
  finished_at timestamptz,
  status integer check (status between 100 and 599),
  error_code text,
  duration_ms double precision,
  cpu_ms double precision,
  memory_peak_bytes bigint,
  fuel bigint,
  egress_bytes bigint,
  log_bytes bigint,
  host_calls jsonb not null default '{}',
  response_bytes bigint,
  attempts integer check (attempts >= 0),
  breaker text check (breaker in ('closed', 'open', 'half_open')),
  primary key (tenant_id, day, execution_id),
  constraint extension_execution_log_day
    check (day = coalesce(app.execution_day(execution_id), (accepted_at at time zone 'UTC')::date)),
  constraint extension_execution_log_end check ((state = 'finished') = (finished_at is not null and status is not null)),
  constraint extension_execution_log_outcome
    check ((state = 'finished') = (outcome is not null and outcome <> 'unknown'))
) partition by range (day);
comment on table app.extension_execution_log is
  'One row a call, written from the queue; one partition a day, made by app.make_day. No foreign key to the install: the '
  'record outlives it.';
comment on column app.extension_execution_log.outcome is
  'How the call ended (alga_ext.calls.outcomes). Null: accepted less than 15 minutes ago. unknown: no message about its end '
  'came in that time; one that comes later still counts.';
comment on column app.extension_execution_log.path is 'As called: personal data, kept as long as the partition.';
comment on column app.extension_execution_log.path_template is 'The declared path of the endpoint; null from older gateways.';
comment on column app.extension_execution_log.attempts is 'How often the call was sent to the runner.';
comment on column app.extension_execution_log.breaker is
  'The install''s circuit breaker: open if this call opened it, half_open if this call was its probe.';
-- A tenant's lists, newest first: by the primary key, or by one of these.
create index extension_execution_log_by_install on app.extension_execution_log (tenant_id, install_id, day, execution_id);
create index extension_execution_log_by_principal on app.extension_execution_log (tenant_id, principal, day, execution_id);
create index extension_execution_log_failed on app.extension_execution_log (tenant_id, day, execution_id)
  where outcome <> 'ok';
-- Of all tenants, for app.tenants_with_due. Few rows: most calls finish before they are written.
create index extension_execution_log_open on app.extension_execution_log (accepted_at, tenant_id) where outcome is null;

alter table app.extension_execution_log enable row level security;
alter table app.extension_execution_log force row level security;
create policy tenant_isolation on app.extension_execution_log using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
grant select, insert on app.extension_execution_log to fn_registry;
grant update (state, outcome, finished_at, status, error_code, duration_ms, cpu_ms, memory_peak_bytes, fuel, egress_bytes,
  log_bytes, host_calls, response_bytes, attempts, breaker) on app.extension_execution_log to fn_registry;

create function app.create_day(wanted date) returns void
  language plpgsql set search_path = app, pg_temp
  as $$
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
comment on function app.create_day is
  'Makes the partitions of a day, of every table that is partitioned by the column day, and grants nothing on them.';
revoke all on function app.create_day from public;

create function app.make_day(wanted date) returns void
  language plpgsql security definer set search_path = app, pg_temp
  as $$
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
comment on function app.make_day is 'Makes the partitions of a day near today. Definer rights: no login role may create.';
revoke all on function app.make_day from public;
grant execute on function app.make_day to fn_registry;

create function app.remove_day(parent text, gone date) returns text
  language plpgsql security definer set search_path = app, pg_temp set lock_timeout = '50ms'
  as $$
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
comment on function app.remove_day is
  'Empties the partition of a day, or drops it when it is empty, and says which; null if there is none. Waits 50 ms for a lock '
  'at most. Definer rights: no login role may truncate.';
revoke all on function app.remove_day from public;
grant execute on function app.remove_day to fn_registry;

-- The rows that there are, of all tenants. Those of past days get their partitions here.
alter table app.former_execution_log no force row level security;
alter table app.extension_execution_log no force row level security;
do $$
declare
  one date;
begin
  for one in select distinct coalesce(app.execution_day(execution_id), (accepted_at at time zone 'UTC')::date)
             from app.former_execution_log loop
    perform app.create_day(one);
  end loop;
end
$$;
insert into app.extension_execution_log
  (tenant_id, day, execution_id, install_id, extension_id, version_id, content_hash, request_id, trace_id, method, path,
   principal, state, outcome, accepted_at, finished_at, status, error_code, duration_ms, cpu_ms, memory_peak_bytes, fuel,
   egress_bytes, log_bytes, host_calls, response_bytes, attempts, breaker)
select tenant_id, coalesce(app.execution_day(execution_id), (accepted_at at time zone 'UTC')::date), execution_id, install_id,
       extension_id, version_id, content_hash, request_id, trace_id, method, path, principal, state,
       case when state = 'accepted' then case when accepted_at < now() - interval '15 minutes' then 'unknown' end
            when error_code is null then case when status >= 500 then 'guest_error' else 'ok' end
            when error_code in ('guest_timeout', 'gateway_timeout') then 'timeout'
            when error_code = 'guest_invalid_response' then 'invalid_response'
            when error_code = 'response_too_large' then 'too_large'
            when error_code in ('guest_out_of_memory', 'guest_out_of_fuel', 'guest_trapped') then substr(error_code, 7)
            else 'platform_error' end,
       accepted_at, finished_at, status, error_code, duration_ms, cpu_ms, memory_peak_bytes, fuel, egress_bytes, log_bytes,
       host_calls, response_bytes, attempts, breaker
from app.former_execution_log;
alter table app.extension_execution_log force row level security;
drop table app.former_execution_log;

-- What is due, of all tenants. Each of these policies lets the owner's function below see it.
create policy owner_lists_due on app.extension_execution_log for select to app_owner using (true);
create policy owner_lists_due on app.extension_storage_entry for select to app_owner using (true);
create policy owner_lists_due on app.call_idempotency for select to app_owner using (true);
create policy owner_lists_due on app.idempotency_record for select to app_owner using (true);
create policy owner_lists_due on app.call_rate for select to app_owner using (true);
create index extension_storage_entry_due on app.extension_storage_entry (expires_at, tenant_id) where expires_at is not null;
create index call_idempotency_due on app.call_idempotency (created_at, tenant_id);
create index idempotency_record_due on app.idempotency_record (created_at, tenant_id);
create index tenant_extension_install_due on app.tenant_extension_install (uninstalled_at, tenant_id)
  where state = 'uninstalled' and purged_at is null;

create function app.tenants_with_due(at timestamptz, uninstalled_before timestamptz, most integer) returns setof text
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select tenant_id from (
      select tenant_id from app.extension_storage_entry where expires_at <= at
      union select tenant_id from app.call_idempotency where created_at < at - interval '1 day'
      union select tenant_id from app.idempotency_record where created_at < at - interval '1 day'
      union select tenant_id from app.tenant_extension_install
        where state = 'uninstalled' and purged_at is null and uninstalled_at <= uninstalled_before
      union select tenant_id from app.extension_execution_log
        where outcome is null and accepted_at < at - interval '15 minutes'
          and day >= ((at at time zone 'UTC')::date - 16)
      -- Without an index, which would make each update of a bucket dearer. A bucket that is due is deleted, so the table has
      -- those of callers of the last hour.
      union select tenant_id from app.call_rate
        where arrival_us < (extract(epoch from at - interval '1 hour') * 1000000)::bigint) as due
    limit most
  $$;
comment on function app.tenants_with_due is
  'Ids of tenants in which the sweeper has something to do. Definer rights: ids only, no row of a tenant.';
revoke all on function app.tenants_with_due from public;
grant execute on function app.tenants_with_due to fn_registry;
