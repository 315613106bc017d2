-- Why: a trace leads from a request to the change that it made. Stage: expand; a registry of the release before writes none.
set local role app_owner;

alter table app.audit_event add column trace_id text check (trace_id ~ '^[0-9a-f]{32}$');
comment on column app.audit_event.trace_id is 'Of the traceparent of the request; null if it had none.';
