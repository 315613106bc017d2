-- Why: pages of withdrawn versions are removed from the content delivery network's caches, once each. Stage: expand.
set local role app_owner;

alter table app.extension_version add column ui_listed_at timestamptz;
alter table app.extension_version add column ui_invalidated_at timestamptz;
comment on column app.extension_version.ui_listed_at is
  'When the sweeper found the ended version on the stored list of withdrawn bundles. Null without a distribution.';
comment on column app.extension_version.ui_invalidated_at is
  'When the content delivery network took the invalidation of the ended version''s UI.';
grant update (ui_listed_at, ui_invalidated_at) on app.extension_version to fn_registry;

create index extension_version_not_invalidated on app.extension_version (ui_listed_at)
where state in ('withdrawn', 'rejected') and ui_invalidated_at is null and jsonb_typeof(manifest -> 'ui') = 'object';
