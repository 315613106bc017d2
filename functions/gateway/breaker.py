"""Refuse calls of an install whose last calls all ended in a timeout or found no runner: pure.

This is a circuit breaker (Michael Nygard, "Release It!"). It keeps calls that are likely to fail from occupying the
gateway for their whole time limit. Each process has its own.
"""

import math
from collections.abc import Hashable
from enum import StrEnum, auto
from typing import Final, NamedTuple

from alga_ext.calls.messages import BreakerState

FAILURES: Final = 5
"""How many calls in a row must fail before the breaker opens."""
OPEN_S: Final = 10.0
"""For how many seconds an open breaker refuses every call."""
_FAILURE_CODES: Final = frozenset({"gateway_timeout", "guest_timeout", "runner_unavailable"})
_PROBE_S: Final = 1
"""After how many seconds a caller may try again who was refused while a probe runs."""


class Refused(NamedTuple):
    """The breaker is open: this call must not run."""

    retry_after_s: int


class Outcome(StrEnum):
    """What a call says about its install."""

    SUCCESS = auto()
    FAILURE = auto()
    NOTHING = auto()


class _Failing(NamedTuple):
    failures: int
    opened_s: float | None


_SOUND: Final = _Failing(0, None)


def outcome(error_code: str | None, *, is_answered: bool) -> Outcome:
    """Return what a call says about its install.

    Timeouts and failures of the runner are failures. Every other answer of the runner is a success, also one that says
    that the guest trapped. Without an answer (Lambda throttles, the call is too large), a call says nothing.
    """
    if error_code in _FAILURE_CODES:
        return Outcome.FAILURE
    return Outcome.SUCCESS if is_answered else Outcome.NOTHING


class Breakers:
    """The breakers of all installs whose last call failed. Any other install's breaker is closed.

    Args:
        capacity: how many installs are remembered. Beyond it, the one whose last failure is the oldest is forgotten.
    """

    def __init__(self, capacity: int = 1_000) -> None:
        self._capacity = capacity
        self._failing: dict[Hashable, _Failing] = {}
        self._probes: dict[Hashable, object] = {}

    def admit(self, install: Hashable, now_s: float) -> BreakerState | Refused:
        """Let a call through, or refuse it. Every call that is let through must be passed to ``settle``.

        Args:
            install: identifies the install.
            now_s: the present time of a monotonic clock, in seconds. A clock that was put back ends the time in which
                calls are refused, because that time could last too long otherwise.

        Returns:
            ``CLOSED``, ``HALF_OPEN`` for the probe, or ``Refused``.
        """
        opened_s = self._failing.get(install, _SOUND).opened_s
        if opened_s is None:
            return BreakerState.CLOSED
        left_s = opened_s + OPEN_S - now_s
        if 0 < left_s <= OPEN_S:
            return Refused(math.ceil(left_s))
        ticket = object()  # setdefault is one step, so that of several threads one gets the probe
        if self._probes.setdefault(install, ticket) is not ticket:
            return Refused(_PROBE_S)
        return BreakerState.HALF_OPEN

    def settle(self, install: Hashable, admitted: BreakerState, outcome: Outcome, now_s: float) -> BreakerState:
        """Note how a call ended, and return the state to record for it.

        A probe that succeeds closes the breaker, and one that fails opens it again. After one that says nothing, the
        next call is the probe. Calls that were let through before the breaker opened change nothing afterwards.
        """
        if admitted is BreakerState.HALF_OPEN:
            if outcome is Outcome.SUCCESS:
                self._failing.pop(install, None)
            elif outcome is Outcome.FAILURE:
                self._note(install, _Failing(FAILURES, now_s))
            self._probes.pop(install, None)
            return BreakerState.HALF_OPEN
        before = self._failing.get(install, _SOUND)
        if outcome is Outcome.NOTHING or before.opened_s is not None:
            return BreakerState.CLOSED
        if outcome is Outcome.SUCCESS:
            self._failing.pop(install, None)
            return BreakerState.CLOSED
        opens = before.failures + 1 >= FAILURES
        self._note(install, _Failing(before.failures + 1, now_s if opens else None))
        return BreakerState.OPEN if opens else BreakerState.CLOSED

    def _note(self, install: Hashable, failing: _Failing) -> None:
        self._failing.pop(install, None)
        # In the dispatcher, several threads do this at the same time.
        for oldest in list(self._failing)[: max(0, len(self._failing) + 1 - self._capacity)]:
            self._failing.pop(oldest, None)
        self._failing[install] = failing
