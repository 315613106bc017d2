-- Why: a tenant can ask how much each endpoint of its extensions is used, also of days whose records are removed: the paths
-- that were called are kept with the records alone, the declared ones permanently. It can list the calls that run, and read
-- how much memory its calls needed. Stage: expand; a recorder of the release before adds nothing to what is new here.
set local role app_owner;

create table app.extension_endpoint_total (
  tenant_id text not null,
  install_id uuid not null,
  method text not null,
  path_template text not null,
  day date not null,
  calls bigint not null default 0 check (calls >= 0),
  failed_calls bigint not null default 0 check (failed_calls >= 0),
  unknown_calls bigint not null default 0,
  duration_ms double precision not null default 0,
  cpu_ms double precision not null default 0,
  memory_peak_bytes bigint not null default 0,
  egress_bytes bigint not null default 0,
  log_bytes bigint not null default 0,
  -- The day comes last, so that the days of an endpoint lie together and are added up in the order of the list.
  primary key (tenant_id, install_id, method, path_template, day)
) with (fillfactor = 70);
comment on table app.extension_endpoint_total is
  'Calls of each endpoint of an install, added up for each UTC day. Kept permanently: it has no path as it was called, and no '
  'caller.';
comment on column app.extension_endpoint_total.path_template is
  'The declared path; empty for calls of older gateways, which do not name it.';
comment on column app.extension_endpoint_total.calls is 'Finished calls.';
comment on column app.extension_endpoint_total.unknown_calls is
  'Calls whose outcome is unknown. One whose end is reported later is taken off here and counts as finished. Below 0 when it '
  'became unknown before this table was made.';
comment on column app.extension_endpoint_total.memory_peak_bytes is 'The largest memory of a call.';

alter table app.extension_endpoint_total enable row level security;
alter table app.extension_endpoint_total force row level security;
create policy tenant_isolation on app.extension_endpoint_total using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
grant select, insert on app.extension_endpoint_total to fn_registry;
grant update (calls, failed_calls, unknown_calls, duration_ms, cpu_ms, memory_peak_bytes, egress_bytes, log_bytes)
  on app.extension_endpoint_total to fn_registry;

alter table app.extension_quota_usage add column memory_peak_bytes bigint not null default 0;
comment on column app.extension_quota_usage.memory_peak_bytes is 'The largest memory of a call.';
grant update (memory_peak_bytes) on app.extension_quota_usage to fn_registry;

-- A tenant's calls without an outcome, newest first. Few rows: most calls finish before they are written.
create index extension_execution_log_running on app.extension_execution_log (tenant_id, day, execution_id)
  where outcome is null;
