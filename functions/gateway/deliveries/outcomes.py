"""Decide what becomes of a delivery: before a try from its row, and after the try from the answer. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum, auto
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError
from functions.gateway.deliveries import retrying
from functions.gateway.refusals import outward

INSTALL_SLOTS: Final = 4
TENANT_SLOTS: Final = 16
"""As in ``app.queue_deliveries``."""
_EARLY_S: Final = 1
"""A message may come back a little before its time, because the queue counts whole seconds."""
_REASON_LIMIT: Final = 512
_NOT_ACTIVE: Final = frozenset({"not_installed", "endpoint_not_found"})


class Step(StrEnum):
    """What a message of a delivery leads to."""

    RUN = auto()
    DROP = auto()
    """There is nothing to do: it runs already, has ended, or has no slot."""
    WAIT = auto()
    """Its next try is not due yet."""
    PUT_BACK = auto()
    """It waits for a slot again."""
    PAUSE = auto()
    """It waits until its install's pause ends."""
    POSTPONE = auto()
    """Extensions are switched off: it waits, and the tick looks again."""
    BURY = auto()
    """All its tries are used up, and the last one was lost."""


class Found(NamedTuple):
    """What a message finds.

    Attributes:
        state: of the row.
        tries: of the row.
        is_leased: whether another process may still run it.
        wait_s: seconds until its next try is due; 0 or less when it is due.
        is_paused: whether the tenant's admin has paused the install's deliveries.
        install_used, tenant_used: how many deliveries hold a slot.
    """

    state: str
    tries: int
    is_leased: bool
    wait_s: float
    is_paused: bool
    install_used: int
    tenant_used: int


def next_step(found: Found | None, *, enabled: bool) -> Step:
    """Return what a message of a delivery leads to.

    Args:
        found: its row; None when it was deleted.
        enabled: whether extensions are switched on.
    """
    if found is None or found.state not in ("queued", "running", "retrying"):
        return Step.DROP
    if found.state == "running" and found.is_leased:
        return Step.DROP
    if found.state == "retrying" and found.wait_s > _EARLY_S:
        return Step.WAIT
    if found.state == "running" and not retrying.has_tries_left(found.tries):
        return Step.BURY
    if found.is_paused:
        return Step.PAUSE
    if not enabled:
        return Step.POSTPONE
    is_full = found.install_used >= INSTALL_SLOTS or found.tenant_used >= TENANT_SLOTS
    return Step.PUT_BACK if found.state == "retrying" and is_full else Step.RUN


class Tried(NamedTuple):
    """What one try gave.

    Attributes:
        status: of the answer, or the one that a caller would have got for the error.
        error: code of the error; None when the guest answered.
        detail: of the error.
        retry_after_s: after how many seconds to try again, if the answer says so.
        is_recorded: whether the try has an execution record.
    """

    status: int
    error: str | None
    detail: str
    retry_after_s: int | None
    is_recorded: bool


def of_answer(status: int, headers: Mapping[str, str], now: datetime) -> Tried:
    """Return what a try gave that the guest has answered. ``headers`` have names in lower case."""
    return Tried(status, None, "", retrying.retry_after_s(headers.get("retry-after"), now), True)


def of_error(error: Exception) -> Tried:
    """Return what a try gave that ended with an error. Another one than ``PlatformError`` is the platform's fault."""
    if not isinstance(error, PlatformError):
        return Tried(500, "internal", "The platform could not run the call.", None, True)
    shown = outward(error)
    retry_after_s = error.retry_after_s if "retry_after_s" in error.context else None
    return Tried(shown.status, error.code, shown.detail, retry_after_s, error.is_recorded)


class Ending(NamedTuple):
    """What becomes of a delivery after a try.

    Attributes:
        state: delivered, retrying, dead or discarded.
        wait_s: of ``retrying``: seconds until the next try.
        reason: of ``dead`` and ``discarded``, for the tenant's admin.
    """

    state: str
    wait_s: int = 0
    reason: str | None = None


def ending(tried: Tried, tries: int, chance: float) -> Ending:
    """Return what becomes of a delivery.

    Args:
        tried: what the last try gave.
        tries: how many tries there were.
        chance: a random number from 0 to 1.
    """
    if tried.error is None and 200 <= tried.status <= 299:
        return Ending("delivered")
    told = f"{tried.detail} ({tried.error})" if tried.error else f"The handler answered with the status {tried.status}."
    if tried.error in _NOT_ACTIVE:
        return Ending("discarded", reason=told[:_REASON_LIMIT])
    if not retrying.is_repeatable(tried.status):
        return Ending("dead", reason=f"{told} It is not tried again."[:_REASON_LIMIT])
    if not retrying.has_tries_left(tries):
        return Ending("dead", reason=f"{told} That was try {tries}, the last one."[:_REASON_LIMIT])
    return Ending("retrying", wait_s=retrying.wait_s(tries, tried.retry_after_s, chance))
