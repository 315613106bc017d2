-- Why: what a tenant is told of the log began at the instant of its installation, by two clocks, so that a change that was
-- being recorded at that moment could be told to nobody. Where the log ended is exact. Installs from before are told all
-- that happened to their extension. Stage: expand; the index of the instants serves only code from before this change.
set local role app_owner;

alter table app.tenant_extension_install
  add column log_size_at_install bigint not null default 0 check (log_size_at_install >= 0);
comment on column app.tenant_extension_install.log_size_at_install is
  'Leaves of the transparency log when it was installed: the tenant is told of those that came since.';
grant update (log_size_at_install) on app.tenant_extension_install to fn_registry;

drop index app.transparency_leaf_by_time;
