-- Why: a platform admin erases everything that is kept of a tenant, or exports it (docs/adr/0045). Stage: expand; a recorder of
-- the release before records calls of a tenant that is being erased, and the erasure deletes them.
set local role app_owner;

create table app.tenant_erasure (
  tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
  erasure_id uuid not null default gen_random_uuid(),
  state text not null default 'running' check (state in ('running', 'done')),
  requested_at timestamptz not null,
  requested_by text not null,
  settles_at timestamptz not null,
  finished_at timestamptz,
  counts jsonb not null default '{}' check (jsonb_typeof(counts) = 'object'),
  primary key (tenant_id, erasure_id),
  check ((state = 'done') = (finished_at is not null))
);
comment on table app.tenant_erasure is
  'Receipts of erasures, kept permanently. Records of calls that were accepted before finished_at are not written any more.';
comment on column app.tenant_erasure.settles_at is
  'From then on no call and no transaction from before the erasure can still write. The last pass begins after it.';
comment on column app.tenant_erasure.counts is 'How many rows of each table were deleted, and of audit_event blanked.';
create unique index tenant_erasure_one_running on app.tenant_erasure (tenant_id) where state = 'running';

create table app.tenant_export (
  tenant_id text not null check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
  export_id uuid not null default gen_random_uuid(),
  state text not null default 'running' check (state in ('running', 'done')),
  requested_at timestamptz not null,
  requested_by text not null,
  expires_at timestamptz not null,
  finished_at timestamptz,
  -- Where the next part begins: its table, and the primary key (as texts) of the last row before it.
  next_table text,
  after_key jsonb,
  parts integer not null default 0 check (parts >= 0),
  counts jsonb not null default '{}' check (jsonb_typeof(counts) = 'object'),
  manifest_sha256 text check (manifest_sha256 ~ '^[0-9a-f]{64}$'),
  primary key (tenant_id),
  check ((state = 'done') = (finished_at is not null and manifest_sha256 is not null))
);
comment on table app.tenant_export is 'The newest export of a tenant. A new one takes its place.';
create unique index tenant_export_running on app.tenant_export (tenant_id) where state = 'running';

create table app.tenant_export_part (
  tenant_id text not null,
  number integer not null check (number >= 1),
  table_name text not null,
  row_count integer not null check (row_count >= 1),
  size_bytes bigint not null check (size_bytes >= 1),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  primary key (tenant_id, number),
  foreign key (tenant_id) references app.tenant_export (tenant_id) on delete cascade
);
comment on table app.tenant_export_part is 'The objects of a tenant''s export, in order.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['tenant_erasure', 'tenant_export', 'tenant_export_part'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;
grant select, insert (tenant_id, requested_at, requested_by, settles_at), update (state, settles_at, finished_at, counts)
  on app.tenant_erasure to fn_registry;
grant select, insert (tenant_id, requested_at, requested_by, expires_at, next_table),
  update (state, finished_at, next_table, after_key, parts, counts, manifest_sha256), delete on app.tenant_export to fn_registry;
grant select, insert on app.tenant_export_part to fn_registry;

create policy owner_lists_jobs on app.tenant_erasure for select to app_owner using (true);
create policy owner_lists_jobs on app.tenant_export for select to app_owner using (true);
create function app.tenants_with_jobs(most integer) returns table (tenant_id text, kind text)
  language sql stable security definer set search_path = app, pg_temp
  as $$
    select j.tenant_id, j.kind from (
      select e.tenant_id, 'export' as kind, e.requested_at from app.tenant_export e where e.state = 'running'
      union all
      select e.tenant_id, 'erasure', e.requested_at from app.tenant_erasure e where e.state = 'running') as j
    order by j.requested_at limit most
  $$;
comment on function app.tenants_with_jobs is
  'Tenants of which an erasure or an export is running. Definer rights: ids only, no row of a tenant.';
revoke all on function app.tenants_with_jobs from public;
grant execute on function app.tenants_with_jobs to fn_registry;

-- No login role may delete from most of these tables. This function can, and only for a tenant of which an erasure was recorded.
create function app.erase_rows(from_table text, most integer) returns bigint
  language plpgsql security definer set search_path = app, pg_temp
  as $$
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
$$;
comment on function app.erase_rows is
  'Deletes at most so many rows of the transaction''s tenant from a table or its partitions, also those made at run time, and '
  'returns how many. Definer rights, for a tenant of which an erasure is running.';
revoke all on function app.erase_rows from public;
grant execute on function app.erase_rows to fn_registry;

alter table app.audit_event add column erased_at timestamptz;
comment on column app.audit_event.erased_at is 'When app.blank_audit removed what could name a person.';
create index audit_event_not_blanked on app.audit_event (tenant_id, audit_id)
  where erased_at is null and action not in ('tenant.erase', 'tenant.erased', 'tenant.export');

create function app.audit_without_persons(action text, document jsonb) returns jsonb
  language sql immutable parallel safe set search_path = pg_catalog, pg_temp
  as $$
    -- A configuration has members of any name, so nothing of it is kept. Of other documents, members that a person did not write.
    select case when action <> 'install.config' and jsonb_typeof(document) = 'object' then
      (select jsonb_object_agg(name, value) from jsonb_each(document) as member (name, value)
       where jsonb_typeof(value) <> 'object' and jsonb_typeof(value) <> 'array'
         and name in ('state', 'version', 'content_hash', 'publisher', 'publisher_key_id', 'pinned', 'revision', 'revived',
                      'storage_entries', 'secrets', 'schedules', 'metrics', 'limits', 'requests', 'namespaces')) end
  $$;
comment on function app.audit_without_persons is 'What is kept of before and after of an audit row when a tenant is erased.';
revoke all on function app.audit_without_persons from public;

create function app.blank_audit(most integer) returns bigint
  language plpgsql security definer set search_path = app, pg_temp
  as $$
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
comment on function app.blank_audit is
  'Removes who acted and what could name a person from at most so many audit rows of the transaction''s tenant, and returns how '
  'many. Definer rights, for a tenant of which an erasure is running: the trail is append-only otherwise. Rows about erasures '
  'and exports are kept whole; they name the operator''s staff.';
revoke all on function app.blank_audit from public;
grant execute on function app.blank_audit to fn_registry;

create function app.export_rows(from_table text, after_key jsonb, most integer) returns table (key_texts jsonb, line text)
  language plpgsql stable security definer set search_path = app, pg_temp
  as $$
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
$$;
comment on function app.export_rows is
  'At most so many rows of the transaction''s tenant as JSON, in the order of the primary key, with their keys; after_key is the '
  'key of the row before them, or null. Never the sealed bytes of a secret. Definer rights, for a tenant of which an export is '
  'running: the login role may not read the answers in call_idempotency.';
revoke all on function app.export_rows from public;
grant execute on function app.export_rows to fn_registry;
