-- Why: a tenant sees to which hosts each extension sent requests, and can narrow what is granted (docs/adr/0044).
-- Stage: expand; a recorder of the release before writes none of these rows.
set local role app_owner;

create table app.extension_egress_day (
  tenant_id text not null,
  install_id uuid not null,
  -- Of the records of the calls.
  day date not null,
  -- As a grant names it, or '(other)': alga_ext.calls.egress_totals.
  destination text not null check (length(destination) between 1 and 300),
  requests bigint not null check (requests >= 0),
  bytes_sent bigint not null check (bytes_sent >= 0),
  bytes_received bigint not null check (bytes_received >= 0),
  refused bigint not null check (refused >= 0),
  primary key (tenant_id, day, install_id, destination)
) partition by range (day);
comment on table app.extension_egress_day is
  'The requests of an install to each destination in a UTC day; one partition a day, made by app.make_day. The number of '
  'destinations is limited by functions.registry.records.egress_days.';
comment on column app.extension_egress_day.requests is 'Those that were not refused, whether the host answered or not.';

alter table app.extension_egress_day enable row level security;
alter table app.extension_egress_day force row level security;
create policy tenant_isolation on app.extension_egress_day using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
grant select, insert, update (requests, bytes_sent, bytes_received, refused) on app.extension_egress_day to fn_registry;

-- The days that there are get the partitions of the new table.
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
