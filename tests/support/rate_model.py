"""The buckets of rates in memory, with a clock of the test's own: what the database's function does, in Python.

A test runs both with the same requests and compares them (tests/contract/test_rate_buckets.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from functions.gateway.rates.leases import HELD_US, Ask, Grant, unused_keys

SHARE = 20


@dataclass
class Bucket:
    """One bucket: its theoretical arrival time, and the slots that processes hold: count and until when."""

    arrival_us: int = 0
    held: dict[str, tuple[int, int]] = field(default_factory=dict)


def take(bucket: Bucket, holder: str, ask: Ask, now_us: int) -> Grant:
    """Change a bucket as the database does, and return what it gives."""
    policy = ask.policy
    full_us = policy.burst * policy.interval_us
    arrival_us = min(bucket.arrival_us, now_us + full_us + policy.ahead_us)
    # While slots are held, they are missing from a full bucket. What ended meanwhile was missing until its end.
    for until_us in [now_us, *(until for _, until in bucket.held.values() if until < now_us)]:
        held = sum(count for count, until in bucket.held.values() if until >= until_us)
        arrival_us = max(arrival_us, until_us + held * policy.interval_us)
    alive = {name: entry for name, entry in bucket.held.items() if entry[1] >= now_us}
    own = alive.pop(holder, (0, 0))[0]
    arrival_us -= min(ask.back, own) * policy.interval_us
    remaining = max((now_us - arrival_us + full_us) // policy.interval_us, 0)
    most, room = max(ask.needed, remaining // SHARE), remaining
    if ask.needed and remaining <= 1 and policy.ahead_us:
        room = (now_us + policy.ahead_us - arrival_us + full_us) // policy.interval_us
        room = min(room, policy.burst - min(ask.kept, own) - sum(count for count, _ in alive.values()))
        most = max(1, -(-policy.ahead_us // (2 * policy.interval_us)))
    taken = max(0, min(ask.wanted, most, room))
    bucket.arrival_us = arrival_us + taken * policy.interval_us
    keeps = min(ask.kept, own) + taken - (min(ask.needed, taken) if remaining > 0 else 0)
    bucket.held = alive | ({holder: (keeps, now_us + HELD_US)} if keeps > 0 else {})
    return Grant(ask.key, now_us, bucket.arrival_us, taken, max(remaining - taken, 0))


class ModelBuckets:
    """Buckets in memory. ``of`` gives them as one process sees them.

    Args:
        now_us: the clock of the database.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self.trips = 0

    def of(self, holder: str) -> "BucketsOfProcess":
        """Return the buckets for the process ``holder``."""
        return BucketsOfProcess(self, holder)

    def take(self, holder: str, tenant_id: str, asks: Sequence[Ask]) -> list[Grant]:
        """Make one trip."""
        self.trips += 1
        now_us = self._now_us()
        buckets = {ask.key: self._buckets.setdefault((tenant_id, ask.key), Bucket()) for ask in asks}
        grants = {ask.key: take(buckets[ask.key], holder, ask, now_us) for ask in asks}
        for key in unused_keys(asks, grants):
            count, _ = buckets[key].held.get(holder, (0, 0))
            buckets[key].held[holder] = (count + 1, now_us + HELD_US)
        return list(grants.values())


class BucketsOfProcess(NamedTuple):
    """The buckets as one process sees them, see ``functions.gateway.rates.limiter.Buckets``."""

    model: ModelBuckets
    holder: str

    def take(self, tenant_id: str, asks: Sequence[Ask]) -> list[Grant]:
        """Take slots of one tenant."""
        return self.model.take(self.holder, tenant_id, asks)
