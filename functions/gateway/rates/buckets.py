"""The buckets of rates in PostgreSQL: one statement takes slots of every key of a call."""

import secrets
from collections.abc import Sequence
from typing import Final

from alga_ext.stores.database import Database
from functions.gateway.rates.leases import HELD_US, Ask, Grant, unused_keys

# The keys are taken in sorted order: two statements that lock several rows in different orders would deadlock. In SET,
# the clock is read after the row is locked. now() and excluded would be as old as the wait for the lock.
_TAKE: Final = """
with asked as (
  select * from unnest(cast(:keys as text[]), cast(:bursts as bigint[]), cast(:intervals_us as bigint[]),
                       cast(:aheads_us as bigint[]), cast(:wanted as integer[]), cast(:needed as integer[]),
                       cast(:kept as integer[]), cast(:back as integer[]))
    as a(key, burst, interval_us, ahead_us, wanted, needed, kept, back)
)
insert into app.call_rate as rate
  (tenant_id, key, arrival_us, holders, held, held_until_us, taken, remaining, taken_at_us)
select :tenant_id, a.key, t.*
from asked a, app.take_slots(:holder, a.burst, a.interval_us, a.ahead_us, a.wanted, a.needed, a.kept, a.back,
  (extract(epoch from clock_timestamp()) * 1000000)::bigint, 0, '{}', '{}', '{}') t
order by a.key
on conflict (tenant_id, key) do update
set (arrival_us, holders, held, held_until_us, taken, remaining, taken_at_us) = (
  select t.*
  from asked a, app.take_slots(:holder, a.burst, a.interval_us, a.ahead_us, a.wanted, a.needed, a.kept, a.back,
    (extract(epoch from clock_timestamp()) * 1000000)::bigint,
    rate.arrival_us, rate.holders, rate.held, rate.held_until_us) t
  where a.key = excluded.key)
returning key, taken_at_us as at_us, arrival_us, taken, remaining
"""

# The call is refused, so it does not use the slots that it got.
_KEEP: Final = """
update app.call_rate
set holders = holders || cast(:holder as text), held = held || 1,
    held_until_us = held_until_us || (taken_at_us + :held_for_us)
where tenant_id = :tenant_id and key = any(cast(:keys as text[]))
"""


class PostgresBuckets:
    """``Buckets`` in the table ``app.call_rate``. Each value holds slots under a name of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holder = secrets.token_hex(6)

    def take(self, tenant_id: str, asks: Sequence[Ask]) -> list[Grant]:
        """See ``Buckets.take``.

        The commit is not waited for until it is on disk. If the server crashes, the calls of its last moments are
        missing from the buckets.
        """
        with self._database.tenant(tenant_id, durable=False) as tx:
            rows = tx.rows(
                _TAKE,
                tenant_id=tenant_id,
                holder=self._holder,
                keys=[ask.key for ask in asks],
                bursts=[ask.policy.burst for ask in asks],
                intervals_us=[ask.policy.interval_us for ask in asks],
                aheads_us=[ask.policy.ahead_us for ask in asks],
                wanted=[ask.wanted for ask in asks],
                needed=[ask.needed for ask in asks],
                kept=[ask.kept for ask in asks],
                back=[ask.back for ask in asks],
            )
            grants = {row["key"]: Grant(**row) for row in rows}
            if unused := unused_keys(asks, grants):
                tx.execute(_KEEP, tenant_id=tenant_id, holder=self._holder, held_for_us=HELD_US, keys=unused)
        return list(grants.values())
