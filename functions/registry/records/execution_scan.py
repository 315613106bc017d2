"""Which part of the log of executions one page of the list reads, and which rows of it are shown (pure).

A page reads one range of one index, newest first: at most so many rows, and so many days. Filters that the index does
not serve are applied to the rows that were read. So no combination of filters makes a page slow; a page may have fewer
items than asked for, or none, and still not be the last one.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from alga_ext.errors import PlatformError

OutcomeFilter = Literal[
    "ok",
    "error",
    "running",
    "guest_error",
    "timeout",
    "out_of_memory",
    "out_of_fuel",
    "trapped",
    "invalid_response",
    "too_large",
    "platform_error",
    "unknown",
]
"""An outcome; or ``error``, every outcome but ``ok``; or ``running``, none yet."""

DAYS_READ: Final = 100
"""More than there are by default. Each day is a partition, of which the planner looks at every index."""
ROWS_READ: Final = 2_000
"""Rows of one tenant lie apart. With a read of the disk for each, it is about a second."""

_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999."""
_LAST_ID: Final = str(UUID(int=2**128 - 1))
_FIRST_ID: Final = str(UUID(int=0))
_FAILURE_STATUS: Final = 5
"""The first digit of statuses that no call with the outcome ``ok`` has."""

_PARAMS: Final = ("install_id", "outcome", "principal")

Position = tuple[date, str]
"""A place in the list: day and id of an execution."""


class Filters(NamedTuple):
    """Which executions to list. None: whatever it is.

    ``status`` is a number (``404``) or a class (``5xx``). The instant of an execution is that of its acceptance, as its
    id has it, in milliseconds; ``since`` is included, ``until`` is not.
    """

    install_id: str | None = None
    outcome: OutcomeFilter | None = None
    status: str | None = None
    principal: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Scan(NamedTuple):
    """What one page reads.

    Attributes:
        served: conditions that an index serves, as SQL.
        applied: conditions on the rows that were read, as SQL.
        params: parameters, those of both conditions among them.
        newest: the first place to read, of the newest execution.
        oldest: the last place to read.
        following: the place before which the next page begins when this one reads all up to ``oldest``; None: nowhere.
    """

    served: list[str]
    applied: list[str]
    params: dict[str, Any]
    newest: Position
    oldest: Position
    following: Position | None


def start_of(filters: Filters, cursor: Position | None) -> Position:
    """Return the place before which the page after ``cursor`` begins; of the first page, ``cursor`` is None.

    Raises:
        PlatformError: ``invalid_request`` when ``until`` is not after ``since``.
    """
    if filters.since is not None and filters.until is not None and filters.since >= filters.until:
        raise PlatformError(
            "invalid_request", f"from ({filters.since}) is not before to ({filters.until}); send an earlier from."
        )
    last = (date.max, _LAST_ID)
    return min(last if filters.until is None else _position(filters.until), cursor or last)


def scan_of(filters: Filters, before: Position, days: Sequence[date]) -> Scan | None:
    """Return what a page reads; None when the filters leave nothing to read.

    Args:
        filters: which executions.
        before: see ``start_of``.
        days: the days up to this place that have records, newest first, at most ``DAYS_READ`` and one more.
    """
    since = (date.min, _FIRST_ID) if filters.since is None else _position(filters.since)
    if not days or since >= before:
        return None
    oldest = max(since, (days[:DAYS_READ][-1], _FIRST_ID))
    following = days[DAYS_READ] if len(days) > DAYS_READ and days[DAYS_READ] >= since[0] else None
    served, applied = _conditions(filters)
    params: dict[str, Any] = {name: value for name, value in filters._asdict().items() if name in _PARAMS}
    if filters.status is not None:
        params |= {"first_status": filters.status.replace("x", "0"), "last_status": filters.status.replace("x", "9")}
    return Scan(
        served, applied, params, _previous(before), oldest, None if following is None else (following, _LAST_ID)
    )


def _conditions(filters: Filters) -> tuple[list[str], list[str]]:
    """Return the conditions: those of the one index to read, and those on its rows.

    An index has the executions of a caller, of an install, those that failed, and those that run. The first of these
    that is asked for usually has the fewest rows.
    """
    found = []
    if filters.outcome == "running":
        found.append("outcome is null")
    if filters.principal is not None:
        found.append("principal = :principal")
    fails = filters.outcome not in (None, "ok", "running")
    if fails or (filters.status is not None and int(filters.status[0]) >= _FAILURE_STATUS):
        found.append("outcome <> 'ok'")
    if filters.install_id is not None:
        found.append("install_id = cast(:install_id as uuid)")
    served, applied = found[:1], found[1:]
    if filters.outcome not in (None, "error", "running"):
        applied.append("outcome = :outcome")
    if filters.status is not None:
        applied.append("status between cast(:first_status as integer) and cast(:last_status as integer)")
    return served, applied


def _previous(position: Position) -> Position:
    """Return the last place before a place."""
    day, number = position[0], UUID(position[1]).int
    return (day, str(UUID(int=number - 1))) if number else (day - timedelta(days=1), _LAST_ID)


def _position(at: datetime) -> Position:
    """Return the first place of an instant: the smallest id of version 7 with these milliseconds."""
    milliseconds = min(max((at - _EPOCH) // timedelta(milliseconds=1), 0), _LAST_MS)
    day = (_EPOCH + timedelta(days=milliseconds // _DAY_MS)).date()
    return day, str(UUID(int=milliseconds << 80))
