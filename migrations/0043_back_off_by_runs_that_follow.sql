-- Why: a schedule of every minute has many runs on their way when it begins to back off. Each of them doubled the back-off when
-- it failed in turn, so that an hour of trouble stopped the schedule for a day. Stage: expand.
set local role app_owner;

comment on column app.extension_schedule.consecutive_failures is
  'How many runs in a row have failed, up to the last one that ended. Runs that end while it backs off are not counted.';

create or replace function app.note_schedule_run(tenant text, schedule uuid, delivery uuid, status text, error text) returns integer
  language plpgsql security definer set search_path = app, pg_temp set enable_seqscan = off
  as $$
declare
  noted app.extension_schedule;
  counts boolean;
begin
  if tenant is distinct from app.current_tenant() then
    raise exception 'Another tenant''s schedule.' using errcode = '42501';
  elsif status is null or status not in ('succeeded', 'failed') then
    raise exception 'The status of a run is succeeded or failed.' using errcode = '22023';
  end if;
  -- A run that fails while the schedule backs off was fired before, or by hand, and says nothing new.
  select status = 'failed' and coalesce(s.backs_off_until <= now(), true) into counts
  from app.extension_schedule s where s.tenant_id = tenant and s.schedule_id = schedule for no key update;
  update app.extension_schedule s
  set last_run_at = now(), last_run_status = status,
      last_error = case status when 'failed' then left(error, 512) end,
      consecutive_failures = case when status = 'succeeded' then 0
                                  when counts then s.consecutive_failures + 1
                                  else s.consecutive_failures end,
      -- A quarter of an hour after ten failures, and twice as long after each further one: a day at most.
      backs_off_until = case when status = 'succeeded' then null
                             when not counts then s.backs_off_until
                             when s.consecutive_failures >= 9 then now() + least(
                               interval '1 day', interval '15 minutes' * power(2, least(s.consecutive_failures - 9, 7))) end
  where s.tenant_id = tenant and s.schedule_id = schedule
  returning s.* into noted;
  if counts and noted.consecutive_failures = 10 then
    insert into app.audit_event (tenant_id, actor, action, subject, after, request_id)
    values (tenant, 'system:schedule', 'schedule.backed-off', schedule::text, jsonb_build_object(
      'install_id', noted.install_id, 'name', noted.name, 'consecutive_failures', noted.consecutive_failures,
      'backs_off_until', noted.backs_off_until, 'last_error', noted.last_error), delivery::text);
  end if;
  return coalesce(noted.consecutive_failures, 0);
end
$$;
