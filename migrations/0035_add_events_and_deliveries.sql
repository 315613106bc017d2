-- Why: events of the host application and due schedules become calls of extensions, each of them once or more, and a tenant
-- sees the ones that could not be made. Stage: expand.
set local role app_owner;

create table app.event_topic (
  topic text not null primary key check (topic ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  description text not null default '' check (length(description) <= 1000),
  -- A JSON Schema for the event's data; evaluated in a process of its own, see functions/registry/evaluation.
  schema jsonb not null check (jsonb_typeof(schema) = 'object'),
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
comment on table app.event_topic is
  'What the host application publishes. The topics of the platform itself are constants (alga_ext.calls.topics).';
alter table app.event_topic enable row level security;
alter table app.event_topic force row level security;
create policy registry on app.event_topic to fn_registry using (true) with check (true);
grant select, insert, update (description, schema, changed_at), delete on app.event_topic to fn_registry;

-- What an install's manifest declares; one update of the install writes all of them anew.
alter table app.extension_event_subscription
  add column filter jsonb check (jsonb_typeof(filter) = 'object'),
  add column timeout_ms integer check (timeout_ms between 1 and 60000);
comment on column app.extension_event_subscription.filter is
  'Attributes and top-level fields of the data that an event must have, with exactly these values. Null: every event.';

create table app.extension_event (
  tenant_id text not null,
  -- alga_ext.calls.deliveries.event_key: of source and id, which together identify an event (CloudEvents 1.0, section 3.1).
  event_key uuid not null,
  topic text not null check (length(topic) between 1 and 128),
  source text not null check (length(source) between 1 and 1024),
  event_id text not null check (length(event_id) between 1 and 256),
  hops smallint not null check (hops between 0 and 8),
  origin text not null check (origin in ('api', 'bus', 'platform')),
  -- The CloudEvent as structured JSON, as it is given to guests.
  body text not null check (octet_length(body) <= 262144),
  received_at timestamptz not null default now(),
  -- Null: its deliveries are not made yet.
  fanned_out_at timestamptz,
  -- When to look whether its message was lost, as long as its deliveries are not made.
  recheck_at timestamptz not null default now() + interval '1 minute',
  -- When to delete it, unless a delivery still needs it.
  sweep_at timestamptz not null default now() + interval '1 day',
  primary key (tenant_id, event_key)
);
comment on table app.extension_event is
  'Events of a tenant. The primary key drops what is published twice; kept for a day, and as long as a dead delivery needs it.';
create index extension_event_waiting on app.extension_event (recheck_at, tenant_id) where fanned_out_at is null;
create index extension_event_due on app.extension_event (sweep_at, tenant_id);

create table app.extension_delivery (
  tenant_id text not null,
  -- alga_ext.calls.deliveries: of the event, install and handler, or of the schedule and the time at which it was due. So the
  -- same delivery is never made twice.
  delivery_id uuid not null,
  install_id uuid not null,
  trigger text not null check (trigger in ('event', 'schedule')),
  -- The event's topic, or the schedule's name or id.
  subject text not null check (length(subject) between 1 and 128),
  event_key uuid,
  schedule_id uuid,
  due_at timestamptz,
  -- How many earlier times of the schedule passed without a run; this run is for them too.
  missed integer not null default 0 check (missed >= 0),
  method text not null check (method in ('GET', 'POST')),
  path text not null check (path ~ '^/' and length(path) <= 2048),
  -- Of a schedule, as it was when it became due. An event's body is in app.extension_event.
  payload text check (octet_length(payload) <= 65536),
  timeout_ms integer check (timeout_ms between 1 and 60000),
  hops smallint not null default 0 check (hops between 0 and 8),
  -- pending: waits for a free slot; queued: a message is in the queue; running: until lease_until; retrying: its message is
  -- hidden until next_attempt_at; delivered, dead, discarded: ended.
  state text not null default 'pending'
    check (state in ('pending', 'queued', 'running', 'retrying', 'delivered', 'dead', 'discarded')),
  -- How often it was tried. The queue's own count of receives is not used: it also counts what was never tried.
  tries smallint not null default 0 check (tries >= 0),
  -- How long the first message is hidden, in seconds: schedules of one minute are spread over it.
  delay_s smallint not null default 0 check (delay_s between 0 and 900),
  created_at timestamptz not null default now(),
  next_attempt_at timestamptz,
  lease_until timestamptz,
  -- When to look whether it was forgotten or its message was lost. Null: not needed. A delivery that waits for a slot gets one
  -- from the transaction that ends another; one that is paused, from the one that ends the pause.
  recheck_at timestamptz default now() + interval '1 minute',
  last_status integer check (last_status between 100 and 599),
  last_error text check (length(last_error) <= 64),
  -- Why it is dead or discarded, for the tenant's admin.
  reason text check (length(reason) <= 512),
  -- The records of its tries, in order.
  execution_ids uuid[] not null default '{}',
  ended_at timestamptz,
  primary key (tenant_id, delivery_id),
  foreign key (tenant_id, install_id) references app.tenant_extension_install on delete cascade,
  foreign key (tenant_id, event_key) references app.extension_event on delete restrict,
  constraint extension_delivery_trigger check (
    case trigger when 'event' then event_key is not null and schedule_id is null and due_at is null and payload is null
                 else event_key is null and schedule_id is not null and due_at is not null end),
  constraint extension_delivery_end check ((state in ('delivered', 'dead', 'discarded')) = (ended_at is not null))
);
comment on table app.extension_delivery is
  'One call of an extension that no user makes: of one event and handler, or of one run of a schedule.';
create index extension_delivery_pending on app.extension_delivery (tenant_id, install_id, created_at, delivery_id)
  where state = 'pending';
create index extension_delivery_in_flight on app.extension_delivery (tenant_id, install_id)
  where state in ('queued', 'running');
create index extension_delivery_retrying on app.extension_delivery (tenant_id, install_id) where state = 'retrying';
create index extension_delivery_recheck on app.extension_delivery (recheck_at, tenant_id) where recheck_at is not null;
create index extension_delivery_newest on app.extension_delivery (tenant_id, created_at desc, delivery_id desc);
create index extension_delivery_dead on app.extension_delivery (tenant_id, created_at desc, delivery_id desc)
  where state = 'dead';
create index extension_delivery_by_event on app.extension_delivery (tenant_id, event_key) where event_key is not null;
create index extension_delivery_done on app.extension_delivery (ended_at, tenant_id)
  where state in ('delivered', 'discarded');
create index extension_delivery_long_dead on app.extension_delivery (ended_at, tenant_id) where state = 'dead';

alter table app.tenant_extension_install add column deliveries_paused_at timestamptz;
comment on column app.tenant_extension_install.deliveries_paused_at is
  'Since when the tenant''s admin has paused deliveries: they wait. Null: not paused.';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['extension_event', 'extension_delivery'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy tenant_isolation on app.%I using (tenant_id = app.current_tenant()) '
                   'with check (tenant_id = app.current_tenant())', table_name);
  end loop;
end
$$;
grant select on app.extension_event to fn_gateway;
grant select, insert, update (fanned_out_at, recheck_at, sweep_at), delete on app.extension_event to fn_registry;
grant select, update (state, tries, next_attempt_at, lease_until, recheck_at, last_status, last_error, reason, execution_ids,
  ended_at) on app.extension_delivery to fn_gateway;
grant select, insert, delete, update (state, tries, next_attempt_at, lease_until, recheck_at, reason, ended_at)
  on app.extension_delivery to fn_registry;
grant update (deliveries_paused_at) on app.tenant_extension_install to fn_registry;

create function app.lock_deliveries(tenant text) returns void
  language sql set search_path = app, pg_temp
  as $$ select pg_advisory_xact_lock(hashtextextended('deliveries:' || tenant, 28)) $$;
comment on function app.lock_deliveries is
  'Waits until no other transaction changes which deliveries of the tenant hold a slot. Every transaction that changes states of '
  'deliveries takes it before it locks a row, so that the limits are exact and no two transactions wait for each other.';
revoke all on function app.lock_deliveries from public;
grant execute on function app.lock_deliveries to fn_gateway, fn_registry;

create function app.queue_deliveries(tenant text) returns table (delivery uuid, delay integer)
  language plpgsql set search_path = app, pg_temp
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
      set state = 'queued', recheck_at = now() + make_interval(secs => d.delay_s) + interval '15 minutes'
      from free where d.tenant_id = tenant and d.delivery_id = free.delivery_id
      returning free.turn, d.delivery_id, case when d.tries = 0 then d.delay_s::integer else 0 end as seconds)
    select given.delivery_id, given.seconds from given order by given.turn;
end
$$;
comment on function app.queue_deliveries is
  'Gives free slots to a tenant''s waiting deliveries: at most 4 of an install and 16 of a tenant are queued or running. Returns '
  'those that got one and the seconds by which to delay each; the caller sends their messages after its transaction. A message that is '
  'lost is sent again when recheck_at has passed.';
revoke all on function app.queue_deliveries from public;
grant execute on function app.queue_deliveries to fn_gateway, fn_registry;
