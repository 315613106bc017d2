"""Build the RateLimit header fields of an answer (draft-ietf-httpapi-ratelimit-headers-11): pure."""

import math
from collections.abc import Iterable

from functions.gateway.rates.limiter import Level


def fields(levels: Iterable[Level]) -> dict[str, str]:
    """Return ``ratelimit-policy`` and ``ratelimit`` with a list item for each policy.

    ``q`` is the burst and ``w`` the seconds in which an empty bucket fills up. ``r`` is how many calls may be made at
    once, as far as this process knows, and ``t`` the seconds until there is one more. All are whole numbers.
    """
    policies, states = [], []
    for level in levels:
        window_s = max(1, math.ceil(level.rate.burst / level.rate.per_second))
        policies.append(f'"{level.name}";q={level.rate.burst};w={window_s}')
        states.append(f'"{level.name}";r={level.remaining};t={level.next_s}')
    return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(states)} if policies else {}
