-- Why: a run of a schedule is delayed by up to a minute and held a slot meanwhile, so the hourly schedules of four installs kept a
-- tenant's events waiting for a minute, and each further wave of runs waited anew.
-- Stage: expand. A ticker of the release before gives no slot to a delayed run; it is given one when recheck_at has passed.
set local role app_owner;

create or replace function app.queue_deliveries(tenant text) returns table (delivery uuid, delay integer)
  language plpgsql set search_path = app, pg_temp set enable_seqscan = off
  as $$
declare
  of_tenant constant integer := 16;
  of_install constant integer := 4;
  -- An install with so many deliveries that wait for their next try gets no new ones: a message that is hidden counts toward
  -- the queue's limit of 120,000 messages in flight, which all tenants share.
  retrying_of_install constant integer := 32;
  used integer;
begin
  perform app.lock_deliveries(tenant);
  select count(*) into used from app.extension_delivery d where d.tenant_id = tenant and d.state in ('queued', 'running');
  if used >= of_tenant then
    return;
  end if;
  return query
    with free as materialized (
      select next.delivery_id, row_number() over (order by busy.n + next.place, next.created_at, next.delivery_id) as turn
      from app.tenant_extension_install i
      cross join lateral (
        select count(*) as n from app.extension_delivery d
        where d.tenant_id = tenant and d.install_id = i.install_id and d.state in ('queued', 'running')) as busy
      cross join lateral (
        select d.delivery_id, d.created_at, row_number() over (order by d.created_at, d.delivery_id) as place
        from app.extension_delivery d
        where d.tenant_id = tenant and d.install_id = i.install_id and d.state = 'pending'
          -- A run of a schedule is delayed, and holds no slot meanwhile.
          and d.created_at + make_interval(secs => d.delay_s) <= now()
        order by d.created_at, d.delivery_id limit greatest(of_install - busy.n, 0)) as next
      where i.tenant_id = tenant and i.deliveries_paused_at is null
        and (select count(*) from (
               select from app.extension_delivery d
               where d.tenant_id = tenant and d.install_id = i.install_id and d.state = 'retrying'
               limit retrying_of_install) as waiting) < retrying_of_install
      -- The first of each install before the second of any.
      order by turn limit of_tenant - used),
    given as (
      update app.extension_delivery d
      set state = 'queued', recheck_at = now() + interval '15 minutes'
      from free where d.tenant_id = tenant and d.delivery_id = free.delivery_id
      returning free.turn, d.delivery_id)
    select given.delivery_id, 0 from given order by given.turn;
end
$$;
comment on function app.queue_deliveries is
  'Gives free slots to a tenant''s waiting deliveries whose delay is over: at most 4 of an install and 16 of a tenant are queued or '
  'running. Returns those that got one, and 0 as their delay; the caller sends their messages after its transaction. A message that is '
  'lost is sent again when recheck_at has passed.';
comment on function app.queue_deliveries_of is
  'app.queue_deliveries for several tenants. Only the ticker of the release before this migration calls it.';
