-- Why: every minute the sweeper compares the list of withdrawn bundles with this table. Stage: expand.
set local role app_owner;

create index extension_version_ended on app.extension_version (content_hash collate "C")
where state in ('withdrawn', 'rejected');
