-- Why: the usage of a tenant and its installs shows calls whose outcome is unknown, which are counted for endpoints. Few rows
-- have some; the index has these alone. Stage: expand.
set local role app_owner;

create index extension_endpoint_total_unknown on app.extension_endpoint_total (tenant_id, day) where unknown_calls <> 0;
