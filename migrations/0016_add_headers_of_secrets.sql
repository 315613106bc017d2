-- Why: a secret that is bound to hosts could be put into any header of a request, so a server that returns some request
-- header returned the secret. Now the grant names the one header of each secret. Stage: expand; an install from before
-- has no names, which means authorization.
set local role app_owner;

alter table app.tenant_extension_install add column granted_secret_headers jsonb not null default '{}';
comment on column app.tenant_extension_install.granted_secret_headers is
  'Header of each secret that is bound to hosts, by name. A secret that is not listed goes into authorization.';
grant update (granted_secret_headers) on app.tenant_extension_install to fn_registry;
