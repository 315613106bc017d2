-- Why: leaves of the transparency log existed in PostgreSQL alone. Restored to an earlier instant, it lacked leaves that
-- signed heads cover, and would have given their indexes to other ones. They are copied to the object store now, and come
-- back from there. A leaf that comes back may name an extension that the restored database does not have, so its
-- reference to the extension is no foreign key any more. Stage: expand; the code before this change copies nothing.
set local role app_owner;

alter table app.transparency_size
  add column copied_size bigint not null default 0 check (copied_size >= 0 and copied_size <= tree_size),
  add column last_batch_first bigint not null default 0 check (last_batch_first >= 0);
comment on column app.transparency_size.copied_size is 'Leaves whose copy is in the object store.';
comment on column app.transparency_size.last_batch_first is 'Index of the first leaf of the last batch of the copy.';
grant update (copied_size, last_batch_first) on app.transparency_size to fn_registry;

alter table app.transparency_leaf drop constraint transparency_leaf_extension_id_fkey;
