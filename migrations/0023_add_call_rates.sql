-- Why: rates of users, installs and tenants that hold over any number of gateways (docs/adr/0038). Stage: expand.
set local role app_owner;

create table app.call_rate (
  tenant_id text not null,
  key text not null check (length(key) between 1 and 300),
  -- GCRA's theoretical arrival time, in microseconds since the epoch. A bucket is full when it is in the past.
  arrival_us bigint not null,
  -- The gateway processes that hold slots which they have not used, as far as is known: name, count, until when.
  holders text[] not null,
  held integer[] not null,
  held_until_us bigint[] not null,
  -- What the latest trip got.
  taken integer not null,
  remaining integer not null,
  taken_at_us bigint not null,
  primary key (tenant_id, key)
) with (fillfactor = 50);
comment on table app.call_rate is
  'One bucket a key: a user, an install, or the tenant. A row whose bucket is full is the same as no row.';

alter table app.call_rate enable row level security;
alter table app.call_rate force row level security;
create policy tenant_isolation on app.call_rate using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
grant select, insert on app.call_rate to fn_gateway;
grant update (arrival_us, holders, held, held_until_us, taken, remaining, taken_at_us) on app.call_rate to fn_gateway;
grant select, delete on app.call_rate to fn_registry;
-- Never updated: PostgreSQL asks for this right before it locks a row (select … for update skip locked).
grant update (taken_at_us) on app.call_rate to fn_registry;

create function app.take_slots(
  holder text, burst bigint, interval_us bigint, ahead_us bigint, wanted integer, needed integer, kept integer,
  back integer, now_us bigint,
  inout arrival_us bigint, inout holders text[], inout held integer[], inout held_until_us bigint[],
  out taken integer, out remaining integer, out taken_at_us bigint)
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
  as $$
    declare
      held_for_us constant bigint := 7000000;  -- two seconds longer than a gateway uses them, so that it can return them
      largest_share constant bigint := 20;
      full_us constant bigint := burst * interval_us;
      others_names text[] := '{}';
      others_held integer[] := '{}';
      others_until_us bigint[] := '{}';
      until_us bigint;
      own integer := 0;
      room bigint;
      most bigint;
      keeps integer;
    begin
      -- 1. A lower limit, or a clock that was put back, leaves a bucket that is empty, and no more than that.
      arrival_us := least(arrival_us, now_us + full_us + ahead_us);
      -- 2. A bucket never has more slots than burst, together with the ones that are held: neither now, nor at the
      --    moments at which processes stopped holding some.
      arrival_us := greatest(arrival_us, now_us);
      if cardinality(holders) > 0 then
        for until_us in select now_us union select u from unnest(held_until_us) as u where u < now_us loop
          arrival_us := greatest(arrival_us, until_us + interval_us * (
            select coalesce(sum(h), 0) from unnest(held, held_until_us) as t(h, u) where u >= until_us)::bigint);
        end loop;
        -- 3. The slots of this process are looked at again: it keeps some, and gives others back.
        for number in 1 .. cardinality(holders) loop
          if held_until_us[number] < now_us then
            continue;
          elsif holders[number] = holder then
            own := own + held[number];
          else
            others_names := others_names || holders[number];
            others_held := others_held || held[number];
            others_until_us := others_until_us || held_until_us[number];
          end if;
        end loop;
        arrival_us := arrival_us - interval_us * least(back, own);
      end if;
      -- 4. A process gets at most a share of what remains. When nothing remains, it may get slots that come soon;
      --    but never are more than burst held.
      remaining := greatest((now_us - arrival_us + full_us) / interval_us, 0);
      room := remaining;
      most := greatest(needed, remaining / largest_share);
      if needed > 0 and remaining <= 1 and ahead_us > 0 then
        room := least((now_us + ahead_us - arrival_us + full_us) / interval_us,
                      burst - least(kept, own) - (select coalesce(sum(h), 0) from unnest(others_held) as t(h)));
        most := (ahead_us + 2 * interval_us - 1) / (2 * interval_us);
      end if;
      taken := greatest(least(wanted, most, room), 0);
      arrival_us := arrival_us + taken * interval_us;
      taken_at_us := now_us;
      -- 5. Note what this process holds now. The call that waits uses one at once, if one is there now.
      keeps := least(kept, own) + taken - case when remaining > 0 then least(needed, taken) else 0 end;
      if keeps > 0 then
        others_names := others_names || holder;
        others_held := others_held || keeps;
        others_until_us := others_until_us || (now_us + held_for_us);
      end if;
      remaining := greatest(remaining - taken, 0);
      holders := others_names;
      held := others_held;
      held_until_us := others_until_us;
    end
  $$;
comment on function app.take_slots is 'What one bucket gives to one gateway process, and the bucket after that.';
revoke all on function app.take_slots from public;
grant execute on function app.take_slots to fn_gateway;
