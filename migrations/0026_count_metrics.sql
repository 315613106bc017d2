-- Why: a tenant reads its extensions' metrics, and the operator's Prometheus reads totals of all calls (docs/adr/0042).
-- Stage: expand.
set local role app_owner;

create table app.extension_metric_total (
  tenant_id text not null,
  install_id uuid not null,
  day date not null,
  name text not null check (name ~ '^[A-Za-z][A-Za-z0-9_.-]{0,63}$'),
  unit text not null check (length(unit) between 1 and 20),
  value_count bigint not null,
  value_sum double precision not null,
  value_min double precision not null,
  value_max double precision not null,
  primary key (tenant_id, install_id, day, name)
);
comment on table app.extension_metric_total is
  'The values of the metrics that an install emitted, added up for each UTC day and name.';

create table app.tenant_activity (
  tenant_id text not null,
  active_at timestamptz not null,
  primary key (tenant_id)
) with (fillfactor = 70);
comment on table app.tenant_activity is 'When the tenant''s last recorded call ended, exact to a minute.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['extension_metric_total', 'tenant_activity'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;
grant select, insert, update (unit, value_count, value_sum, value_min, value_max) on app.extension_metric_total
  to fn_registry;
grant select, insert, update (active_at) on app.tenant_activity to fn_registry;

create policy owner_counts on app.tenant_activity for select to app_owner using (true);
create function app.count_active_tenants(since timestamptz) returns bigint
  language sql stable security definer set search_path = app, pg_temp
  as $$ select count(*) from app.tenant_activity where active_at > since $$;
comment on function app.count_active_tenants is 'How many tenants had a call since then; not which.';
revoke all on function app.count_active_tenants from public;
grant execute on function app.count_active_tenants to fn_registry;

-- Each total has eight rows. A transaction adds to one of them, so that recorders seldom wait for each other.
create table app.platform_call_total (
  outcome text not null check (outcome ~ '^[a-z_]{1,32}$'),
  shard smallint not null check (shard between 0 and 7),
  calls bigint not null,
  duration_ms double precision not null,
  cpu_ms double precision not null,
  memory_peak_bytes double precision not null,
  fuel double precision not null,
  egress_bytes double precision not null,
  overhead_ms double precision not null,
  lag_ms double precision not null,
  -- How many calls lie in each bucket; the last is the one without an upper bound. functions.registry.metering.buckets
  -- has the bounds.
  duration_buckets bigint[] not null check (cardinality(duration_buckets) = 13),
  memory_buckets bigint[] not null check (cardinality(memory_buckets) = 10),
  overhead_buckets bigint[] not null check (cardinality(overhead_buckets) = 11),
  lag_buckets bigint[] not null check (cardinality(lag_buckets) = 11),
  primary key (outcome, shard)
) with (fillfactor = 50);
comment on table app.platform_call_total is 'Finished calls of all tenants since the platform was made, by outcome.';

create table app.platform_extension_total (
  extension_id uuid not null,
  shard smallint not null check (shard between 0 and 7),
  calls bigint not null,
  failed_calls bigint not null,
  duration_ms double precision not null,
  cpu_ms double precision not null,
  egress_bytes double precision not null,
  primary key (extension_id, shard)
) with (fillfactor = 50);
comment on table app.platform_extension_total is 'Finished calls of all tenants, by extension.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['platform_call_total', 'platform_extension_total'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy registry on app.%I to fn_registry using (true) with check (true)', table_name);
    execute format('grant select, insert, update on app.%I to fn_registry', table_name);
  end loop;
end
$$;

create function app.add_arrays(a bigint[], b bigint[]) returns bigint[]
  language sql immutable parallel safe set search_path = pg_catalog, pg_temp
  as $$ select array_agg(x + y order by place) from unnest(a, b) with ordinality as t(x, y, place) $$;
comment on function app.add_arrays is 'The sums of the numbers at each place.';
revoke all on function app.add_arrays from public;
grant execute on function app.add_arrays to fn_registry;
