-- Why: a call whose end is never reported is in no total, so the platform's metrics cannot tell how many there are.
-- Stage: expand.
set local role app_owner;

-- Eight rows, for the same reason as platform_call_total.
create table app.platform_unknown_total (
  shard smallint not null check (shard between 0 and 7),
  calls bigint not null check (calls >= 0),
  ended_late bigint not null check (ended_late >= 0),
  primary key (shard)
) with (fillfactor = 50);
comment on table app.platform_unknown_total is
  'Calls of all tenants whose outcome became unknown, and how many of them ended late. Only the latter are in '
  'platform_call_total.';
alter table app.platform_unknown_total enable row level security;
alter table app.platform_unknown_total force row level security;
create policy registry on app.platform_unknown_total to fn_registry using (true) with check (true);
grant select, insert, update on app.platform_unknown_total to fn_registry;
