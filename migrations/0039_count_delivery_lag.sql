-- Why: one of the platform's objectives is how soon events and due schedules are tried; Prometheus needs it as a histogram.
-- Stage: expand.
set local role app_owner;

-- Eight rows, for the same reason as platform_call_total.
create table app.platform_delivery_total (
  shard smallint not null check (shard between 0 and 7),
  tried bigint not null check (tried >= 0),
  lag_ms double precision not null,
  -- functions.registry.metering.buckets has the bounds; the last bucket is the one without an upper bound.
  lag_buckets bigint[] not null check (cardinality(lag_buckets) = 11),
  primary key (shard)
) with (fillfactor = 50);
comment on table app.platform_delivery_total is
  'Deliveries of all tenants that were tried, and the time from when each was to be tried until its first try.';
alter table app.platform_delivery_total enable row level security;
alter table app.platform_delivery_total force row level security;
create policy gateway on app.platform_delivery_total to fn_gateway using (true) with check (true);
create policy registry on app.platform_delivery_total for select to fn_registry using (true);
grant select, insert, update on app.platform_delivery_total to fn_gateway;
grant select on app.platform_delivery_total to fn_registry;
grant execute on function app.add_arrays to fn_gateway;

create function app.count_delivery_lag(row_number integer, lag double precision) returns void
  language sql set search_path = app, pg_temp
  as $$
    insert into app.platform_delivery_total as total (shard, tried, lag_ms, lag_buckets)
    select row_number, 1, lag, array(
      select (place = (select count(*) from unnest(array[100, 500, 1000, 5000, 10000, 30000, 60000, 300000, 900000, 3600000])
                       as bound where bound < lag))::integer::bigint
      from generate_series(0, 10) as place order by place)
    on conflict (shard) do update
    set tried = total.tried + 1, lag_ms = total.lag_ms + excluded.lag_ms,
        lag_buckets = app.add_arrays(total.lag_buckets, excluded.lag_buckets)
  $$;
comment on function app.count_delivery_lag is 'Adds a delivery that is tried for the first time; lag is in milliseconds.';
revoke all on function app.count_delivery_lag from public;
grant execute on function app.count_delivery_lag to fn_gateway;
