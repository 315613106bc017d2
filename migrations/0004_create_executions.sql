-- Why: what ran, and how much of its quota a tenant has used. Stage: expand.
set local role app_owner;

create table app.extension_execution_log (
  tenant_id text not null,
  execution_id uuid not null,
  install_id uuid not null,
  extension_id uuid not null,
  version_id uuid not null,
  content_hash text not null,
  request_id text not null,
  trace_id text not null,
  method text not null,
  path text not null,
  principal text not null,
  -- accepted: dispatched, outcome not known (yet); finished: the outcome below is known.
  state text not null check (state in ('accepted', 'finished')),
  accepted_at timestamptz not null,
  finished_at timestamptz,
  status integer check (status between 100 and 599),
  error_code text,
  duration_ms double precision,
  cpu_ms double precision,
  memory_peak_bytes bigint,
  fuel bigint,
  egress_bytes bigint,
  host_calls jsonb not null default '{}',
  response_bytes bigint,
  primary key (tenant_id, execution_id),
  check ((state = 'finished') = (finished_at is not null and status is not null))
);
comment on table app.extension_execution_log is
  'One row a call, written from the queue. No foreign key to the install: the record outlives it.';
create index extension_execution_log_newest on app.extension_execution_log (tenant_id, accepted_at desc, execution_id);
create index extension_execution_log_by_install
  on app.extension_execution_log (tenant_id, install_id, accepted_at desc, execution_id);

create table app.extension_quota_usage (
  tenant_id text not null,
  install_id uuid not null,
  period text not null check (period ~ '^\d{4}-\d{2}(-\d{2})?$'),
  calls bigint not null default 0 check (calls >= 0),
  failed_calls bigint not null default 0 check (failed_calls >= 0),
  duration_ms double precision not null default 0,
  cpu_ms double precision not null default 0,
  egress_bytes bigint not null default 0,
  primary key (tenant_id, install_id, period)
);
comment on table app.extension_quota_usage is 'Totals of finished calls for each UTC day (YYYY-MM-DD) and month (YYYY-MM).';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['extension_execution_log', 'extension_quota_usage'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;

grant select, insert on app.extension_execution_log, app.extension_quota_usage to fn_registry;
grant update (state, finished_at, status, error_code, duration_ms, cpu_ms, memory_peak_bytes, fuel, egress_bytes,
  host_calls, response_bytes) on app.extension_execution_log to fn_registry;
grant update (calls, failed_calls, duration_ms, cpu_ms, egress_bytes) on app.extension_quota_usage to fn_registry;
grant select on app.extension_quota_usage to fn_gateway;
