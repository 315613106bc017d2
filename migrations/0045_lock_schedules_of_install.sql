-- Why: an extension or an admin could enable a schedule by the endpoints of the version before, while an update that drops the
-- endpoint was looking for the schedules to disable. The lock is the one that the runner has taken so far. Stage: expand.
set local role app_owner;

create function app.lock_schedules(install uuid) returns void
  language sql set search_path = pg_catalog, pg_temp
  as $$ select pg_advisory_xact_lock(hashtextextended('schedule:' || install, 0)) $$;
comment on function app.lock_schedules(uuid) is
  'Waits until no other transaction enables schedules of an install, or moves it to another version. Taken before the endpoints of the '
  'installed version are read, and before a schedule is locked.';
revoke all on function app.lock_schedules(uuid) from public;
grant execute on function app.lock_schedules(uuid) to fn_runner, fn_registry;
