"""Decide from the slots that this process holds whether a call may run now: pure, on the database's clock.

Rates are limited by GCRA, the generic cell rate algorithm (ITU-T I.371). A bucket is one number, its theoretical
arrival time: each call moves it ahead by one interval. The calls that it admits are therefore *slots*, one interval
apart. A process takes several slots in one trip, and uses each of them once. No period admits more than ``burst + rate
× time`` calls, however the slots are spread over processes (docs/adr/0038-rates-by-slots-taken-ahead.md).

All instants are microseconds since the epoch, on the clock of the database.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from alga_ext.calls.limits import Rate

LIFETIME_US: Final = 5_000_000
"""How long slots may be used. After that the unused ones are given back."""
AHEAD_US: Final = 1_000_000
"""How far in the future a slot of an empty bucket may lie when it is taken."""
HELD_US: Final = 7_000_000
"""How long the bucket counts slots as held, from the last trip on: as in ``app.take_slots``."""
_LARGEST_BLOCK: Final = 16
_BLOCK_S: Final = 0.5
"""A key with a high rate may get what it admits in this time, so that it costs at most two trips a second."""
_QUICK_PER_S: Final = 2.0


class Policy(NamedTuple):
    """A rate as the bucket counts it: ``burst`` slots, ``interval_us`` apart."""

    burst: int
    interval_us: int
    ahead_us: int
    largest_block: int

    @classmethod
    def of(cls, rate: Rate) -> "Policy":
        """Return the policy of a rate. The interval is rounded up, so the rate is never exceeded."""
        # Of a person's few calls none may lie unused in another process, and a trip for each of them is affordable.
        is_quick = rate.per_second >= _QUICK_PER_S
        return cls(
            burst=rate.burst,
            interval_us=math.ceil(1_000_000 / rate.per_second),
            ahead_us=AHEAD_US if is_quick else 0,
            largest_block=max(_LARGEST_BLOCK, math.ceil(rate.per_second * _BLOCK_S)) if is_quick else 1,
        )


class Ask(NamedTuple):
    """What a process asks the bucket of one key for.

    Attributes:
        key: of the bucket.
        policy: the rate.
        wanted: how many slots it can use.
        needed: 1 if a call waits for one, else 0.
        kept: how many unused slots of earlier trips it keeps.
        back: how many it gives back.
    """

    key: str
    policy: Policy
    wanted: int
    needed: int
    kept: int
    back: int


class Grant(NamedTuple):
    """What the bucket gave.

    Attributes:
        key: of the bucket.
        at_us: the instant at which it was given.
        arrival_us: the bucket's theoretical arrival time after that.
        taken: how many slots were taken: the last ones before ``arrival_us``.
        remaining: how many more could be used at once.
    """

    key: str
    at_us: int
    arrival_us: int
    taken: int
    remaining: int

    def is_due(self, policy: Policy) -> bool:
        """Tell whether the first slot can be used at once."""
        return self.taken > 0 and self.slots(policy)[0] <= self.at_us

    def slots(self, policy: Policy) -> list[int]:
        """Return the instant from which each of the slots may be used, the earliest first."""
        first_us = self.arrival_us - (self.taken + policy.burst - 1) * policy.interval_us
        return [first_us + number * policy.interval_us for number in range(self.taken)]


class Lease:
    """The slots of one key that this process holds.

    Attributes:
        policy: the rate under which they were taken.
        slots: the instant from which each unused slot may be used, the earliest first.
        wanted: how many slots to hold after the next trip.
        remaining: how many slots the bucket had left after the last trip.
        next_us: from when the bucket has a slot that is not taken yet, as far as this process knows.
        at_us: when the last trip was made.
        expires_us: until when the slots may be used.
    """

    __slots__ = ("at_us", "expires_us", "next_us", "policy", "remaining", "slots", "wanted")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.slots: deque[int] = deque()
        self.wanted = 1
        self.remaining = policy.burst
        self.next_us = 0
        self.at_us = 0
        self.expires_us = 0

    def is_ready(self, low_us: int, high_us: int) -> bool:
        """Tell whether a slot can be used now. ``low_us`` and ``high_us`` enclose the present."""
        return high_us < self.expires_us and bool(self.slots) and self.slots[0] <= low_us

    def blocked_until_us(self, low_us: int, high_us: int) -> int | None:
        """Return the instant before which no slot can be used and no trip would bring one; None if one might."""
        if self.slots and high_us < self.expires_us:
            return self.slots[0] if self.slots[0] > low_us else None
        return self.next_us if self.next_us > low_us + self.policy.ahead_us else None

    def use(self) -> None:
        """Use the earliest slot for a call."""
        self.slots.popleft()

    def ask(self, key: str, high_us: int, *, ready: bool) -> Ask:
        """Return what to ask the bucket for, and give back the slots of a lease that has expired.

        A lease that is used up early asks for twice as many, and one that expired asks for what it used.
        """
        back = 0
        if self.slots and high_us >= self.expires_us:
            back = len(self.slots)
            self.wanted = max(1, self.wanted - back)
            self.slots.clear()
        elif not self.slots and self.at_us:
            self.wanted = min(self.wanted * 2, self.policy.largest_block)
        kept, needed = len(self.slots), 0 if ready else 1
        return Ask(key, self.policy, max(needed, self.wanted - kept), needed, kept, back)

    def add(self, grant: Grant) -> None:
        """Add what the bucket gave.

        If the trip took so long that the bucket no longer counts the earlier slots as held, they are lost.
        """
        if grant.at_us > self.at_us + HELD_US:
            self.slots.clear()
        self.slots.extend(grant.slots(self.policy))
        self.remaining = grant.remaining
        self.next_us = grant.arrival_us - (self.policy.burst - 1) * self.policy.interval_us
        self.at_us = grant.at_us
        self.expires_us = grant.at_us + LIFETIME_US


def returned(leases: Iterable[tuple[str, Lease]], high_us: int) -> list[Ask]:
    """Return what to give back of leases that have expired."""
    expired = [(key, lease) for key, lease in leases if lease.slots and high_us >= lease.expires_us]
    return [lease.ask(key, high_us, ready=True)._replace(wanted=0) for key, lease in expired]


def unused_keys(asks: Sequence[Ask], grants: Mapping[str, Grant]) -> list[str]:
    """Return the keys whose slot for the waiting call stays unused, because another key has none for it."""
    due = [ask.key for ask in asks if ask.needed and grants[ask.key].is_due(ask.policy)]
    return due if len(due) < sum(ask.needed for ask in asks) else []
