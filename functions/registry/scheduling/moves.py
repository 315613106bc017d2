"""What becomes of a schedule that is due (pure; docs/reference/schedules.md)."""

import hashlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from alga_ext.calls.cron import due_until, next_run
from alga_ext.calls.deliveries import schedule_delivery_id

SPREAD_S: Final = 60
LOOK_AGAIN: Final = timedelta(minutes=15)
"""How soon to look again at a schedule that backs off: a run that was on its way may have ended the back-off."""


class Claimed(NamedTuple):
    """A schedule that is due, as ``app.claim_due_schedules`` returns it. ``active`` is whether its install is."""

    tenant_id: str
    schedule_id: str
    install_id: str
    cron: str
    timezone: str
    due_at: datetime
    backs_off_until: datetime | None
    active: bool


class Move(NamedTuple):
    """Where a claimed schedule goes, and the delivery that it becomes.

    Attributes:
        next_run_at: when it is due next; None when it waits until its install is enabled again.
        delivery_id: of its run; None when it does not run now.
        missed: how many further runs have passed (``cron.Due.missed``).
        delay_s: for how many seconds the message of the run is hidden.
    """

    next_run_at: datetime | None
    delivery_id: str | None = None
    missed: int = 0
    delay_s: int = 0


def move_of(claimed: Claimed, now: datetime) -> Move:
    """Decide about a schedule that is due.

    - The install is not active: it does not run, and is not looked at again until the install is enabled.
    - It backs off: it does not run, and is due again at its first time after that, or after ``LOOK_AGAIN``.
    - Otherwise it runs, once for all times that have passed.

    Raises:
        ValueError: its next run cannot be computed (``cron.next_run``).
    """
    if not claimed.active:
        return Move(None)
    if claimed.backs_off_until is not None and claimed.backs_off_until > now:
        return Move(next_run(claimed.cron, claimed.timezone, min(claimed.backs_off_until, now + LOOK_AGAIN)))
    due = due_until(claimed.cron, claimed.timezone, claimed.due_at, now)
    delivery_id = schedule_delivery_id(claimed.schedule_id, claimed.due_at)
    return Move(due.next_at, delivery_id, due.missed, delay_s(claimed.install_id))


def delay_s(install_id: str) -> int:
    """Return by how many seconds the runs of an install are delayed, 0 to 59.

    It depends on the install alone. So the runs of many installs at one minute spread over it, and those of one install
    keep their distance.
    """
    return int.from_bytes(hashlib.sha256(install_id.encode()).digest()[:8], "big") % SPREAD_S
