"""Decide whether a call is within the quotas of its install and of its tenant (pure).

A total is that of the calls that were recorded when the install was read, so a call may be admitted a little beyond a
quota: docs/reference/limits.md states by how much. Storage has no part here. It is limited where it is written, so
that an extension can still be called to delete what it stores.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from alga_ext.calls.limits import EffectiveLimits
from alga_ext.errors import PlatformError
from functions.gateway.rates.fields import Item, fields

Totals = Mapping[str, Mapping[str, float]]
"""Totals by UTC period (``YYYY-MM-DD`` or ``YYYY-MM``) and metric. A period in which nothing was counted is absent."""


class Usage(NamedTuple):
    """What an install and its tenant have used in the day and the month in which it was read."""

    install: Totals = MappingProxyType({})
    tenant: Totals = MappingProxyType({})


class Violation(NamedTuple):
    """A quota that is used up.

    Attributes:
        policy: its name, such as ``install-day-calls``.
        used: the total.
        hard: the hard limit.
        seconds: until the period ends.
        period_s: length of the period.
        unit: of the total; empty for calls.
    """

    policy: str
    used: float
    hard: int
    seconds: int
    period_s: int
    unit: str


def day_and_month(now: datetime) -> tuple[str, str]:
    """Return the names of the UTC day and month of an instant."""
    day = now.astimezone(UTC).date().isoformat()
    return day, day[:7]


def violations(limits: EffectiveLimits, usage: Usage, now: datetime) -> list[Violation]:
    """Return the quotas that are used up at ``now``, those of the install first.

    The totals are those of the day and the month of ``now``. When the usage was read in an earlier day or month,
    nothing is counted for the present one yet.
    """
    names = dict(zip(("day", "month"), day_and_month(now), strict=True))
    found = []
    for owner, quotas, totals in (
        ("install", limits.install_quotas, usage.install),
        ("tenant", limits.tenant_quotas, usage.tenant),
    ):
        for quota in quotas.each():
            if quota.period is None or quota.amount.hard is None:
                continue
            used = totals.get(names[quota.period], {}).get(quota.metric, 0)
            if used >= quota.amount.hard:
                left_s, period_s = _seconds(quota.period, now)
                metric = quota.metric.replace("_", "-")
                unit = "" if metric == "calls" else metric
                policy = f"{owner}-{quota.period}-{metric}"
                found.append(Violation(policy, used, quota.amount.hard, left_s, period_s, unit))
    return found


def check(limits: EffectiveLimits, usage: Usage, now: datetime) -> None:
    """Raise ``quota_exceeded`` when a quota is used up. The problem document names each in ``violated-policies``.

    ``Retry-After`` is the number of seconds until the last of their periods ends.
    """
    found = violations(limits, usage, now)
    if not found:
        return
    quotas = ", ".join(f"{one.policy} ({math.floor(one.used)} of {one.hard})" for one in found)
    error = PlatformError(
        "quota_exceeded",
        f"Used up: {quotas}. Call again in the next UTC day or month, or ask an admin to set a higher limit.",
        retry_after_s=max(one.seconds for one in found),
    )
    error.members = {"violated-policies": [one.policy for one in found]}
    error.headers = fields(Item(one.policy, one.hard, one.period_s, 0, one.seconds, one.unit) for one in found)
    raise error


def _seconds(period: str, now: datetime) -> tuple[int, int]:
    """Return the whole seconds until the UTC day or month of ``now`` ends, at least one, and those of all of it."""
    here = now.astimezone(UTC)
    begun = here.replace(hour=0, minute=0, second=0, microsecond=0)
    end = begun + timedelta(days=1)
    if period == "month":
        begun = begun.replace(day=1)
        end = (begun + timedelta(days=32)).replace(day=1)  # 32 days after the first of a month is in the next one
    return max(1, math.ceil((end - here).total_seconds())), int((end - begun).total_seconds())
