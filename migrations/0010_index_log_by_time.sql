-- Why: events of a tenant begin with its first installation, and what is older in the log must not be read. Stage: expand.
set local role app_owner;

create index transparency_leaf_by_time on app.transparency_leaf (at, leaf_index);

-- A trigger needs nobody's leave to run, and by hand it is not to be called.
revoke all on function app.count_storage() from public;
