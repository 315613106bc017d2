-- Why: what the sweeper does takes several transactions, and each leaves word of how far it came. Stage: expand.
set local role app_owner;

-- {"storage_entries": n, ...}: deleted so far of what an uninstalled install had kept; told in the audit trail at the end.
alter table app.tenant_extension_install add column purged_rows jsonb not null default '{}';
alter table app.tenant_extension_install add check (purged_rows = '{}' or state = 'uninstalled');
-- When the prepare function was last asked to look at a version that is pending.
alter table app.extension_version add column prepare_sent_at timestamptz;

grant update (purged_rows) on app.tenant_extension_install to fn_registry;
grant update (prepare_sent_at) on app.extension_version to fn_registry;

-- Pending versions by when they were last asked for, instead of by when they were published.
drop index app.extension_version_unprepared;
create index extension_version_unprepared on app.extension_version (coalesce(prepare_sent_at, published_at))
  where state = 'pending';
