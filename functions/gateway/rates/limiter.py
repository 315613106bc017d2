"""Take one call from the rates of a user, an install and a tenant: the only door to the limiter.

``RateLimiter.take`` is what another engine would replace (docs/adr/0038-rates-by-slots-taken-ahead.md).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from alga_ext.calls.limits import Rate
from functions.gateway.rates.leases import Ask, Grant, Lease, Policy, returned

_TENANTS: Final = 200
_KEYS_OF_A_TENANT: Final = 1_000
"""A lease takes some 1.2 KB, so all of them together take at most 240 MB of the function's 1769 MiB."""


class Clocks(NamedTuple):
    """The present on two clocks of this process, in seconds.

    The monotonic clock may not count the time in which a function is frozen. The wall clock may jump.
    """

    monotonic_s: float
    wall_s: float


class RateKey(NamedTuple):
    """One rate that a call counts toward.

    Attributes:
        name: of the policy, in headers and errors: ``user``, ``install`` or ``tenant``, with ``-lowered`` for the
            rate that the tenant has lowered it to.
        tenant_id: the tenant whose bucket it is.
        key: of the bucket, within the tenant.
        rate: the limit.
    """

    name: str
    tenant_id: str
    key: str
    rate: Rate


class Level(NamedTuple):
    """How much of a rate is left: the calls that could be made at once, and the seconds until there is one more."""

    name: str
    rate: Rate
    remaining: int
    next_s: int


class Verdict(NamedTuple):
    """Whether a call may run.

    Attributes:
        violated: names of the policies that it exceeds; none when it may run.
        retry_after_s: after how many whole seconds each of them has a call again.
        levels: what is left of each policy.
    """

    violated: tuple[str, ...]
    retry_after_s: int
    levels: tuple[Level, ...]


class Buckets(Protocol):
    """The buckets that all processes share."""

    def take(self, tenant_id: str, asks: Sequence[Ask]) -> list[Grant]:
        """Take slots from buckets of one tenant, and give unused ones back, in one trip.

        Returns:
            one grant for each bucket that was asked, in any order.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        ...


class RateLimiter:
    """Limits rates over any number of processes. Not for several threads at once."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._leases: dict[str, dict[str, Lease]] = {}
        self._database_us = 0
        self._asked = Clocks(0.0, 0.0)
        self._answered_s = 0.0

    def take(self, keys: Sequence[RateKey], clocks: Clocks) -> Verdict:
        """Count one call toward each of the keys, or toward none when one of them has no call left.

        Asks the database only when a slot is missing that it may have.

        Args:
            keys: of one tenant.
            clocks: the present.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        leases = self._held(keys)
        low_us, high_us = self._database_now(clocks)
        blocked = {
            key: until_us
            for key, lease in leases.items()
            if (until_us := lease.blocked_until_us(low_us, high_us)) is not None
        }
        if not blocked and not all(lease.is_ready(low_us, high_us) for lease in leases.values()):
            blocked = self._ask(keys, leases, clocks, low_us, high_us)
            low_us, _ = self._database_now(clocks)
        elif not blocked:
            for lease in leases.values():
                lease.use()
        return _verdict(keys, leases, blocked, low_us)

    def known_refusal(self, key: RateKey, clocks: Clocks) -> Verdict | None:
        """Return the refusal of a call that is surely refused now, or None. Asks no database, and counts nothing."""
        lease = self._leases.get(key.tenant_id, {}).get(key.key)
        if lease is None or lease.policy != Policy.of(key.rate):
            return None
        low_us, high_us = self._database_now(clocks)
        until_us = lease.blocked_until_us(low_us, high_us)
        return None if until_us is None else _verdict([key], {key.key: lease}, {key.key: until_us}, low_us)

    def _held(self, keys: Sequence[RateKey]) -> dict[str, Lease]:
        """Return the lease of each key. A key that is new, or whose rate has changed, gets a new lease."""
        tenant_id = keys[0].tenant_id
        known = self._leases.pop(tenant_id, {})
        self._leases[tenant_id] = known  # the newest is the last
        while len(self._leases) > _TENANTS:
            del self._leases[next(iter(self._leases))]
        found = {}
        for key in keys:
            policy = Policy.of(key.rate)
            lease = known.pop(key.key, None)
            if lease is None or lease.policy != policy:
                lease = Lease(policy)
            known[key.key] = found[key.key] = lease
        while len(known) > _KEYS_OF_A_TENANT:
            del known[next(iter(known))]
        return found

    def _ask(
        self, keys: Sequence[RateKey], leases: dict[str, Lease], clocks: Clocks, low_us: int, high_us: int
    ) -> dict[str, int]:
        """Ask the database for slots and use them; return the keys that have none, and until when."""
        tenant_id = keys[0].tenant_id
        ready = {key: lease.is_ready(low_us, high_us) for key, lease in leases.items()}
        asks = [lease.ask(key, high_us, ready=ready[key]) for key, lease in leases.items()]
        others = ((key, lease) for key, lease in self._leases[tenant_id].items() if key not in leases)
        asks += returned(others, high_us)
        grants = {grant.key: grant for grant in self._buckets.take(tenant_id, asks)}
        for key, lease in leases.items():
            lease.add(grants[key])
        latest_us = max(grant.at_us for grant in grants.values())
        self._database_us, self._asked, self._answered_s = latest_us, clocks, clocks.monotonic_s
        blocked = {}
        for key, lease in leases.items():
            if lease.slots and (ready[key] or lease.slots[0] <= grants[key].at_us):
                continue
            blocked[key] = lease.slots[0] if lease.slots else lease.next_us
        if not blocked:
            for lease in leases.values():
                lease.use()
        return blocked

    def _database_now(self, clocks: Clocks) -> tuple[int, int]:
        """Return two instants of the database's clock that enclose the present."""
        monotonic_s = clocks.monotonic_s - self._asked.monotonic_s
        longest_s = max(monotonic_s, clocks.wall_s - self._asked.wall_s)
        low_s = max(0.0, clocks.monotonic_s - self._answered_s)
        return self._database_us + int(low_s * 1e6), self._database_us + int(longest_s * 1e6)


def _verdict(
    keys: Sequence[RateKey], leases: Mapping[str, Lease], blocked_until_us: Mapping[str, int], low_us: int
) -> Verdict:
    waits_s = {key: max(1, math.ceil((until_us - low_us) / 1_000_000)) for key, until_us in blocked_until_us.items()}
    return Verdict(
        violated=tuple(key.name for key in keys if key.key in waits_s),
        retry_after_s=max(waits_s.values(), default=0),
        levels=tuple(_level(key, leases[key.key], low_us, waits_s.get(key.key)) for key in keys),
    )


def _level(key: RateKey, lease: Lease, low_us: int, wait_s: int | None) -> Level:
    """Return what is left of a key; of one that has no call left, ``wait_s`` is the time until it has one."""
    if wait_s is not None:
        return Level(key.name, key.rate, 0, wait_s)
    refilled = max(0, (low_us - lease.at_us) // lease.policy.interval_us)
    remaining = min(key.rate.burst, lease.remaining + refilled + sum(slot_us <= low_us for slot_us in lease.slots))
    return Level(key.name, key.rate, remaining, math.ceil(lease.policy.interval_us / 1_000_000))
