-- Why: the tenant's admin can find out why a call failed: its log lines are kept for some days, and its record has the
-- guest's own error and the last refusal. Stage: expand; a recorder of the release before stores none of them.
set local role app_owner;

create table app.extension_execution_lines (
  tenant_id text not null,
  -- As in the record of the call.
  day date not null,
  execution_id uuid not null,
  -- zlib of a document that alga_ext.calls.log_lines describes. bytea, because a text cannot contain U+0000.
  lines bytea not null check (octet_length(lines) <= 262144),
  line_count integer not null check (line_count >= 0),
  dropped integer not null check (dropped >= 0),
  text_bytes integer not null check (text_bytes between 0 and 262144),
  primary key (tenant_id, day, execution_id)
) partition by range (day);
comment on table app.extension_execution_lines is
  'The log lines of calls that had some; one partition a day, made by app.make_day. Secrets were removed by the runner.';
comment on column app.extension_execution_lines.dropped is
  'How many lines are not kept: beyond what is kept of a call, or of an install in a day.';

create table app.extension_log_day (
  tenant_id text not null,
  install_id uuid not null,
  day date not null,
  text_bytes bigint not null default 0 check (text_bytes >= 0),
  dropped bigint not null default 0 check (dropped >= 0),
  primary key (tenant_id, day, install_id)
) partition by range (day);
comment on table app.extension_log_day is
  'How many bytes of log lines are kept of an install for a UTC day, and how many lines were dropped.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['extension_execution_lines', 'extension_log_day'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;
grant select, insert on app.extension_execution_lines to fn_registry;
grant select, insert, update (text_bytes, dropped) on app.extension_log_day to fn_registry;

alter table app.extension_execution_log
  add column guest_error text,
  add column guest_stack text,
  add column last_refusal jsonb check (jsonb_typeof(last_refusal) = 'object');
comment on column app.extension_execution_log.guest_error is
  'The guest''s own error, of a call that failed. Written by the guest.';
comment on column app.extension_execution_log.last_refusal is
  'capability and reason of the last host call that the platform refused or that failed.';
grant update (guest_error, guest_stack, last_refusal) on app.extension_execution_log to fn_registry;

-- The days that there are get the partitions of the new tables.
do $$
declare
  part text;
begin
  for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
              where i.inhparent = 'app.extension_execution_log'::regclass loop
    perform app.create_day(to_date(right(part, 8), 'YYYYMMDD'));
  end loop;
end
$$;
