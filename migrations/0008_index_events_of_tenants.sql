-- Why: a tenant's page of events is read by extension and by publisher, and must not cost more as the log grows. Stage: expand.
set local role app_owner;

-- What a publisher did apart from any extension: keys, prefixes. Leaves of its extensions are found by extension.
drop index app.transparency_leaf_by_publisher;
create index transparency_leaf_by_publisher on app.transparency_leaf (publisher, leaf_index) where extension_id is null;
