-- Why: a write locked its entry before the install's storage (in the trigger that counts), a batch the storage before its
-- next entry, so batches and a sweep that met could wait in a circle. Writers now take this lock first. Stage: expand.
set local role app_owner;

create function app.lock_storage(install uuid) returns void
  language sql set search_path = pg_catalog, pg_temp
  as $$ select pg_advisory_xact_lock(hashtextextended(app.current_tenant() || '/' || install, 11)) $$;
comment on function app.lock_storage(uuid) is
  'Makes this transaction the only writer of an install''s storage, of the tenant that is set; taken before any entry is.';
revoke all on function app.lock_storage(uuid) from public;
grant execute on function app.lock_storage(uuid) to fn_runner, fn_registry;
