-- Why: a version that can never be made ready was sent to the prepare function every five minutes, permanently. Counted
-- attempts let the sweeper wait longer each time and reject the version at the end. Stage: expand.
set local role app_owner;

alter table app.extension_version add column prepare_attempts integer not null default 0 check (prepare_attempts >= 0);
comment on column app.extension_version.prepare_attempts is
  'How often the sweeper has sent the prepare message of this version again.';
grant update (prepare_attempts) on app.extension_version to fn_registry;
