"""Decide when a delivery is tried again: pure rules (docs/reference/deliveries.md)."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from alga_ext.calls.deliveries import TRIES_LIMIT

FIRST_WAIT_S: Final = 1
FACTOR: Final = 4
LONGEST_WAIT_S: Final = 900
RETRY_AFTER_LIMIT_S: Final = 3_600
"""A longer ``Retry-After`` counts as an hour. SQS hides a received message for twelve hours at most."""
_REPEATED_CLIENT_ERRORS: Final = frozenset({408, 425, 429})
_MOST_DIGITS: Final = 10


def is_repeatable(status: int) -> bool:
    """Tell whether another try may succeed where one was answered with this status, which is not a 2xx."""
    return status >= 500 or status in _REPEATED_CLIENT_ERRORS


def has_tries_left(tries: int) -> bool:
    """Tell whether a delivery that was tried so often may be tried again."""
    return tries < TRIES_LIMIT


def wait_s(tries: int, retry_after_s: int | None, chance: float) -> int:
    """Return how many seconds to wait after a try that failed.

    The wait is 1 s after the first try and four times as long after each further one, at most 15 minutes. Its second
    half is random, so that deliveries that failed together are not repeated together. It is never shorter than what
    ``Retry-After`` asked for.

    Args:
        tries: how many tries there were, 1 or more.
        retry_after_s: what the last answer asked for.
        chance: a random number from 0 to 1.
    """
    whole_s: int = min(FIRST_WAIT_S * FACTOR ** (tries - 1), LONGEST_WAIT_S)
    own_s = max(1, math.ceil(whole_s * (0.5 + chance / 2)))
    return max(own_s, min(retry_after_s or 0, RETRY_AFTER_LIMIT_S))


def retry_after_s(value: str | None, now: datetime) -> int | None:
    """Return the seconds that a ``Retry-After`` asks for (RFC 9110, section 10.2.3), None without a valid one."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:_MOST_DIGITS])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a date with very long numbers
        return None
    left_s = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return max(0, math.ceil(left_s))
