"""Build the RateLimit header fields of an answer (draft-ietf-httpapi-ratelimit-headers-11): pure."""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from functions.gateway.rates.limiter import Level

_INTEGER_LIMIT: Final = 10**15 - 1
"""The largest integer of a structured field (RFC 9651, section 3.3.1)."""


class Item(NamedTuple):
    """One policy, as both fields have it.

    Attributes:
        name: of the policy.
        quota: how much it allows (``q``).
        window_s: in how many seconds (``w``).
        remaining: how much is left (``r``).
        next_s: the seconds until there is more (``t``).
        unit: of ``quota`` (``qu``); empty for calls.
    """

    name: str
    quota: int
    window_s: int
    remaining: int
    next_s: int
    unit: str = ""


def fields(items: Iterable[Item]) -> dict[str, str]:
    """Return ``ratelimit-policy`` and ``ratelimit`` with a list item for each policy; no field without one."""
    policies, states = [], []
    for item in items:
        unit = f';qu="{item.unit}"' if item.unit else ""
        policies.append(f'"{item.name}";q={min(item.quota, _INTEGER_LIMIT)}{unit};w={item.window_s}')
        states.append(f'"{item.name}";r={item.remaining};t={item.next_s}')
    return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(states)} if policies else {}


def rate_fields(levels: Iterable[Level]) -> dict[str, str]:
    """Return the fields for rates.

    ``q`` is the burst and ``w`` the seconds in which an empty bucket fills up. ``r`` is how many calls may be made at
    once, as far as this process knows, and ``t`` the seconds until there is one more. All are whole numbers.
    """
    return fields(
        Item(
            name=level.name,
            quota=level.rate.burst,
            window_s=math.ceil(level.rate.burst / level.rate.per_second),
            remaining=level.remaining,
            next_s=level.next_s,
        )
        for level in levels
    )
