-- Why: a call with an idempotency key runs at most once, and its repetition gets the first answer; records of calls say how
-- often the runner was tried, and in which state the install's circuit breaker was. Stage: expand; the code before this
-- change leaves the new columns null.
set local role app_owner;

create table app.call_idempotency (
  tenant_id text not null,
  -- Of principal, install, method, path and key: a key is not stored itself.
  scope_sha256 bytea not null check (octet_length(scope_sha256) = 32),
  -- Of query, content type and body.
  request_sha256 bytea not null check (octet_length(request_sha256) = 32),
  execution_id uuid not null,
  request_id text not null,
  created_at timestamptz not null default clock_timestamp(),
  -- Without a status then, the outcome is not known.
  deadline_at timestamptz not null,
  status integer check (status between 100 and 599),
  -- json, because jsonb refuses texts with U+0000 or a lone surrogate, and an error may quote one of a guest.
  headers json,
  body bytea check (octet_length(body) <= 262144),
  error json,
  primary key (tenant_id, scope_sha256),
  check (status is not null or num_nonnulls(headers, body, error) = 0),
  check ((headers is null) = (body is null)),
  check (body is null or error is null)
);
comment on table app.call_idempotency is
  'Calls with an idempotency key, for a day. With a status a call is done: its answer is in headers and body, or in error; '
  'if all three are null, it was too large to keep.';
create index call_idempotency_old on app.call_idempotency (tenant_id, created_at);

alter table app.call_idempotency enable row level security;
alter table app.call_idempotency force row level security;
create policy tenant_isolation on app.call_idempotency using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
grant select, delete, insert (tenant_id, scope_sha256, request_sha256, execution_id, request_id, deadline_at),
  update (request_sha256, execution_id, request_id, created_at, deadline_at, status, headers, body, error)
  on app.call_idempotency to fn_gateway;
-- What the sweeper needs to find old rows. It cannot read the answers.
grant select (tenant_id, scope_sha256, created_at), delete on app.call_idempotency to fn_registry;

alter table app.extension_execution_log
  add column attempts integer check (attempts >= 0),
  add column breaker text check (breaker in ('closed', 'open', 'half_open'));
comment on column app.extension_execution_log.attempts is 'How often the call was sent to the runner.';
comment on column app.extension_execution_log.breaker is
  'The install''s circuit breaker: open if this call opened it, half_open if this call was its probe.';
grant update (attempts, breaker) on app.extension_execution_log to fn_registry;
