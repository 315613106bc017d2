"""Decide whether a call is sent to the runner again, and when: pure rules.

A retry has a full random pause (Marc Brooker, "Exponential Backoff And Jitter"), and a budget, so that retries add at
most a tenth to the load of a runner that is in trouble.
"""

from typing import Final

from alga_ext.errors import PlatformError, Progress
from functions.gateway.routing import READ_METHODS

RETRIES: Final = 2
"""How often one call is sent again, at most."""
_FIRST_PAUSE_S: Final = 0.1
"""The longest pause before the first retry. Before the second one it is twice as long."""
_LEAST_S: Final = 0.1
"""What must be left of a call's time after the pause. With less, a retry would only end in a timeout."""
_CALL: Final = 1
_RETRY: Final = 10
_MOST: Final = 100


class RetryBudget:
    """How many retries a process may make: one for every ten of its calls, and at most ten saved up.

    A new process has none.
    """

    def __init__(self) -> None:
        self._tenths = 0

    def count_call(self) -> None:
        """Count one call. Its retries do not count as calls."""
        self._tenths = min(self._tenths + _CALL, _MOST)

    def take(self) -> bool:
        """Take one retry out of the budget, and tell whether there was one."""
        if self._tenths < _RETRY:
            return False
        self._tenths -= _RETRY
        return True


def may_repeat(error: PlatformError, method: str, *, is_keyed: bool) -> bool:
    """Tell whether a call may be sent again after an attempt that failed.

    A call that only reads may be, after throttling, and after a connection that failed or ended before any answer. A
    call with an idempotency key may be only if the attempt has certainly run nothing: it must not run twice. No other
    call is sent again, and none is after an answer, or after a wait for one that was too long.
    """
    progress = error.context.get("progress")
    is_without_effect = error.code == "runner_throttled" or progress == Progress.NOT_SENT
    if method in READ_METHODS:
        return is_without_effect or progress == Progress.NO_ANSWER
    return is_keyed and is_without_effect


def has_run_nothing(error: PlatformError) -> bool:
    """Tell whether an attempt that failed has certainly run nothing."""
    return error.context.get("progress") in (Progress.NOT_SENT, Progress.REFUSED)


def pause_s(error: PlatformError, retry: int, left_s: float, chance: float) -> float | None:
    """Return how many seconds to wait before a retry, or None when too little time is left for one.

    Args:
        error: of the attempt before. Lambda may have asked for a longer pause (``at_least_s`` of the context).
        retry: 1 for the first retry, 2 for the second.
        left_s: what is left of the call's time, in seconds.
        chance: a random number from 0 to 1.
    """
    if retry > RETRIES:
        return None
    asked = error.context.get("at_least_s")
    wait_s = chance * _FIRST_PAUSE_S * 2 ** (retry - 1) + (asked if isinstance(asked, int) else 0)
    return wait_s if left_s - wait_s >= _LEAST_S else None
