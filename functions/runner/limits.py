"""Compute the limits of one call from the requested limits, the defaults and the platform's maxima (pure)."""

from typing import NamedTuple

from alga_ext.calls.envelope import ExecuteLimits

_LEAST_TIMEOUT_MS = 1


class Maxima(NamedTuple):
    """The platform's default and maximum limits. A call without limits of its own gets the defaults."""

    default_timeout_ms: int
    timeout_ms: int
    default_memory_mb: int
    memory_mb: int
    fuel: int
    response_bytes: int


class CallLimits(NamedTuple):
    """The limits one call runs under."""

    timeout_ms: int
    memory_bytes: int
    fuel: int
    response_bytes: int


def effective(asked: ExecuteLimits, maxima: Maxima) -> CallLimits:
    """Return the limits of a call. A requested limit that is not positive is ignored, and the default is used."""
    timeout_ms = _asked(asked.timeout_ms, maxima.default_timeout_ms)
    memory_mb = _asked(asked.memory_mb, maxima.default_memory_mb)
    fuel = _asked(asked.fuel, maxima.fuel)
    return CallLimits(
        max(_LEAST_TIMEOUT_MS, min(timeout_ms, maxima.timeout_ms)),
        min(memory_mb, maxima.memory_mb) << 20,
        min(fuel, maxima.fuel),
        maxima.response_bytes,
    )


def _asked(limit: int | None, default: int) -> int:
    return default if limit is None or limit <= 0 else limit
