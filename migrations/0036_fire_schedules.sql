-- Why: a due schedule becomes a delivery, once, whatever else goes on; and what a tenant's admin decides about it is kept.
-- Stage: expand.
set local role app_owner;

alter table app.extension_schedule
  add column consecutive_failures integer not null default 0 check (consecutive_failures >= 0),
  add column backs_off_until timestamptz,
  add column disabled_reason text check (disabled_reason in ('admin', 'endpoint'));
comment on column app.extension_schedule.consecutive_failures is 'How many runs in a row, up to the last one that ended, have failed.';
comment on column app.extension_schedule.backs_off_until is 'Not run before this instant, because ten runs or more in a row have failed.';
comment on column app.extension_schedule.disabled_reason is
  'Why it is not enabled: by the tenant''s admin, or because the install''s version no longer has the endpoint. Null: by the extension itself.';
-- What the tick reads: its cost depends on what is due.
create index extension_schedule_due on app.extension_schedule (next_run_at) where enabled and next_run_at is not null;

comment on column app.extension_delivery.missed is
  'How many further times of the schedule passed until it was fired; this run is for them too. 100 means that many or more.';

create table app.extension_schedule_request (
  tenant_id text not null,
  install_id uuid not null,
  requested_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, install_id, requested_at),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade
);
comment on table app.extension_schedule_request is
  'Runs that an admin asked for in the last minute; counts them against the limit, older rows are deleted.';
alter table app.extension_schedule_request enable row level security;
alter table app.extension_schedule_request force row level security;
create policy tenant_isolation on app.extension_schedule_request using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
grant select, insert (tenant_id, install_id), delete on app.extension_schedule_request to fn_registry;

grant update (disabled_reason) on app.extension_schedule to fn_runner;
grant update (enabled, next_run_at, disabled_reason, consecutive_failures, backs_off_until, updated_at)
  on app.extension_schedule to fn_registry;

-- What app.claim_due_schedules reads and locks. It writes nothing.
create policy owner_claims_due on app.extension_schedule for select to app_owner using (true);
create policy owner_locks_due on app.extension_schedule for update to app_owner using (true) with check (false);

create function app.claim_due_schedules(at timestamptz, most integer)
  returns table (tenant text, schedule uuid, install uuid, cron text, timezone text, due_at timestamptz,
                 backs_off_until timestamptz, active boolean)
  language sql security definer set search_path = app, pg_temp
  as $$
    with due as materialized (
      select s.tenant_id, s.schedule_id, s.install_id, s.cron, s.timezone, s.next_run_at, s.backs_off_until
      from app.extension_schedule s
      where s.enabled and s.next_run_at is not null and s.next_run_at <= at
      order by s.next_run_at limit least(most, 500)
      for no key update skip locked)
    select d.tenant_id, d.schedule_id, d.install_id, d.cron, d.timezone, d.next_run_at, d.backs_off_until,
           i.state = 'enabled' and not exists (
             select from app.extension_install_disabling s where s.tenant_id = d.tenant_id and s.install_id = d.install_id)
    from due d
    join app.tenant_extension_install i on i.tenant_id = d.tenant_id and i.install_id = d.install_id
  $$;
comment on function app.claim_due_schedules is
  'Locks schedules that are due, those that are due longest first, and returns them. What another transaction has locked is '
  'left to it. Each has to be moved on in the same transaction, with app.fire_schedules, also one whose install is not active. '
  'Definer rights: which tenants have a due schedule is not known before.';
revoke all on function app.claim_due_schedules from public;
grant execute on function app.claim_due_schedules to fn_registry;

create function app.fire_schedules(batch jsonb) returns void
  language plpgsql set search_path = app, pg_temp
  as $$
declare
  tenant text;
  runs jsonb;
begin
  for tenant, runs in select b.key, b.value from jsonb_each(batch) as b loop
    perform set_config('app.tenant_id', tenant, true);
    insert into app.extension_delivery (tenant_id, delivery_id, install_id, trigger, subject, schedule_id, due_at, missed, method,
      path, payload, delay_s)
    select tenant, r.delivery_id, s.install_id, 'schedule', coalesce(s.name, s.schedule_id::text), s.schedule_id, s.next_run_at,
           r.missed, s.endpoint_method, s.endpoint_path, s.payload, r.delay_s
    from jsonb_to_recordset(runs) as r(schedule_id uuid, delivery_id uuid, missed integer, delay_s smallint)
    join app.extension_schedule s on s.tenant_id = tenant and s.schedule_id = r.schedule_id
    where r.delivery_id is not null
    on conflict do nothing;
    update app.extension_schedule s set next_run_at = r.next_run_at
    from jsonb_to_recordset(runs) as r(schedule_id uuid, next_run_at timestamptz)
    where s.tenant_id = tenant and s.schedule_id = r.schedule_id;
  end loop;
  perform set_config('app.tenant_id', '', true);
end
$$;
comment on function app.fire_schedules is
  'Makes the deliveries of claimed schedules and moves each to its next run. batch: tenant → [{schedule_id, next_run_at, delivery_id, '
  'missed, delay_s}]. Without a delivery_id, the schedule is moved only; without a next_run_at, it waits until its install is enabled.';
revoke all on function app.fire_schedules from public;
grant execute on function app.fire_schedules to fn_registry;

create function app.queue_deliveries_of(tenants text[]) returns table (tenant text, delivery uuid, delay integer)
  language plpgsql set search_path = app, pg_temp
  as $$
declare
  one text;
begin
  -- In one order, because each call locks its tenant's deliveries until the transaction ends.
  for one in select distinct t.name from unnest(tenants) as t(name) order by t.name loop
    perform set_config('app.tenant_id', one, true);
    return query select one, q.delivery, q.delay from app.queue_deliveries(one) as q;
  end loop;
  perform set_config('app.tenant_id', '', true);
end
$$;
comment on function app.queue_deliveries_of is 'app.queue_deliveries for several tenants.';
revoke all on function app.queue_deliveries_of from public;
grant execute on function app.queue_deliveries_of to fn_registry;

create function app.note_schedule_run(tenant text, schedule uuid, delivery uuid, status text, error text) returns integer
  language plpgsql security definer set search_path = app, pg_temp
  as $$
declare
  noted app.extension_schedule;
begin
  if tenant is distinct from app.current_tenant() then
    raise exception 'Another tenant''s schedule.' using errcode = '42501';
  elsif status is null or status not in ('succeeded', 'failed') then
    raise exception 'The status of a run is succeeded or failed.' using errcode = '22023';
  end if;
  update app.extension_schedule s
  set last_run_at = now(), last_run_status = status,
      last_error = case status when 'failed' then left(error, 512) end,
      consecutive_failures = case status when 'failed' then s.consecutive_failures + 1 else 0 end,
      -- A quarter of an hour after ten failures, and twice as long after each further one: a day at most.
      backs_off_until = case when status = 'failed' and s.consecutive_failures >= 9 then now() + least(
        interval '1 day', interval '15 minutes' * power(2, least(s.consecutive_failures - 9, 7))) end
  where s.tenant_id = tenant and s.schedule_id = schedule
  returning * into noted;
  if noted.consecutive_failures = 10 then
    insert into app.audit_event (tenant_id, actor, action, subject, after, request_id)
    values (tenant, 'system:schedule', 'schedule.backed-off', schedule::text, jsonb_build_object(
      'install_id', noted.install_id, 'name', noted.name, 'consecutive_failures', noted.consecutive_failures,
      'backs_off_until', noted.backs_off_until, 'last_error', noted.last_error), delivery::text);
  end if;
  return coalesce(noted.consecutive_failures, 0);
end
$$;
comment on function app.note_schedule_run is
  'Notes the end of a schedule''s run, in the transaction that ends its delivery; returns how many runs in a row have failed. After ten '
  'the schedule backs off, and an audit row tells the tenant. Definer rights: the gateway may write nothing else of a schedule.';
revoke all on function app.note_schedule_run from public;
grant execute on function app.note_schedule_run to fn_gateway;
