-- Why: an admin tries a narrower list of hosts on an install, and reads what it would have refused (docs/adr/0044).
-- Stage: expand.
set local role app_owner;

create table app.extension_egress_trial (
  tenant_id text not null,
  install_id uuid not null,
  -- As grants name them, with configured hosts pinned as they are granted.
  hosts text[] not null check (cardinality(hosts) <= 200),
  first_day date not null,
  last_day date not null check (last_day > first_day and last_day <= first_day + 30),
  started_by text not null,
  started_at timestamptz not null default now(),
  primary key (tenant_id, install_id),
  foreign key (tenant_id, install_id) references app.tenant_extension_install (tenant_id, install_id) on delete cascade
);
comment on table app.extension_egress_trial is
  'A narrower list of egress hosts that is tried on an install: it refuses nothing. The report is made from the egress ledger.';

alter table app.extension_egress_trial enable row level security;
alter table app.extension_egress_trial force row level security;
create policy tenant_isolation on app.extension_egress_trial using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
grant select, insert, delete on app.extension_egress_trial to fn_registry;
