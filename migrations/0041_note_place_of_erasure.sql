-- Why: an erasure goes on where a run of the sweeper stopped, however many tables and rows there are. Stage: expand; a sweeper of
-- the release before leaves the new columns as they are, and begins each run with the first table.
set local role app_owner;

alter table app.tenant_erasure
  add column next_table text,
  add column pass_began_at timestamptz,
  add constraint tenant_erasure_place_check check ((next_table is null) = (pass_began_at is null));
comment on column app.tenant_erasure.next_table is
  'The table at which the pass over all tables goes on; null when the next run begins a pass.';
comment on column app.tenant_erasure.pass_began_at is
  'When this pass began. One that began at settles_at or later finishes the erasure.';
grant update (next_table, pass_began_at) on app.tenant_erasure to fn_registry;
