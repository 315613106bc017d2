-- Why: metrics of extensions and the activity of tenants were kept permanently, and some rows of a purged install too.
-- Stage: expand.
set local role app_owner;

-- The sweeper deletes them: what is too old, and what belongs to an install that is purged.
grant delete on app.extension_metric_total to fn_registry;
grant delete on app.tenant_activity to fn_registry;
grant delete on app.extension_limit to fn_registry;
grant delete on app.extension_install_request to fn_registry;
grant delete on app.extension_storage_usage to fn_registry;

create policy owner_lists_due on app.extension_metric_total for select to app_owner using (true);
create index extension_metric_total_old on app.extension_metric_total (day, tenant_id);
