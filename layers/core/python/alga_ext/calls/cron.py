"""When a schedule runs: cron expressions in time zones (pure; docs/reference/schedules.md).

The library ``cronsim`` parses an expression and finds the wall-clock times that match it, without a time zone. Which
instants these are is decided here, because the library is wrong where a clock is changed by other than a whole hour.

- A schedule whose field of minutes or hours begins with ``*`` follows elapsed time: it runs in each minute whose time
  matches, also in a stretch that the clock shows again, and not in one that the clock skips.
- Every other schedule is fixed: it runs when the clock first reaches a matching time. So a time that comes twice runs
  once, at its first occurrence, and times that are skipped run once, when the gap ends.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

CRON_CHARACTERS: Final = 128
MISSED_LIMIT: Final = 100
"""Missed runs are counted up to this number, so that a schedule of every minute costs no more after a long outage."""

_NAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MINUTE: Final = timedelta(minutes=1)
_SECOND: Final = timedelta(seconds=1)
_STEP: Final = timedelta(days=1)
"""No zone changes its clock, and back to what it was, within this time (a test looks at all of them)."""


_NEAR: Final = timedelta(days=2)


class Due(NamedTuple):
    """What is known of a schedule that is due.

    Attributes:
        missed: how many further runs were due until now; ``MISSED_LIMIT`` means that many or more.
        next_at: when it is due next, in UTC.
    """

    missed: int
    next_at: datetime


def cron_fault(cron: str) -> str | None:
    """Return the fault of a cron expression, or None. It must have five fields, or be a name, and match some date."""
    expression = _expression(cron)
    if len(cron) > CRON_CHARACTERS or len(expression.split()) != 5:
        names = ", ".join(sorted(_NAMES))
        return f"must have five fields: minute, hour, day of month, month, day of week; or be one of {names}"
    try:
        next(CronSim(expression, datetime.min.replace(tzinfo=UTC)))  # any time will do: the calendar repeats
    except (CronSimError, StopIteration):
        return "is not a valid cron expression, or never matches any date"
    return None


def next_run(cron: str, timezone: str, after: datetime) -> datetime:
    """Return the first minute after an instant in which a schedule runs, in UTC.

    Args:
        cron: an expression without fault (``cron_fault``).
        timezone: an IANA name.
        after: an instant with a time zone.

    Raises:
        ValueError: the system no longer knows the time zone.
    """
    return next(_runs(cron, timezone, after))


@lru_cache(maxsize=4096)  # many schedules have the same expression and are due at the same time
def due_until(cron: str, timezone: str, due_at: datetime, now: datetime) -> Due:
    """Return how many further runs of a schedule that is due have passed, and when it runs next.

    Args:
        cron: an expression without fault.
        timezone: an IANA name.
        due_at: when it was due, not after ``now``.
        now: the present instant.

    Raises:
        ValueError: the system no longer knows the time zone.
    """
    missed = 0
    for at in _runs(cron, timezone, due_at):
        if at > now:
            return Due(missed, at)
        missed += 1
        if missed == MISSED_LIMIT:
            break
    return Due(missed, next_run(cron, timezone, now))


def _expression(cron: str) -> str:
    return _NAMES.get(cron.strip().lower(), cron)


def _runs(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """Return the instants after ``after`` at which a schedule runs, in UTC and in order."""
    expression = _expression(cron)
    try:
        zone = ZoneInfo(timezone)
    except ZoneInfoNotFoundError as error:
        raise ValueError(str(error)) from None
    minute, hour = expression.split()[:2]
    runs = _elapsed if minute.startswith("*") or hour.startswith("*") else _fixed
    return runs(expression, zone, after.astimezone(UTC).replace(microsecond=0))


def _elapsed(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the minutes whose time on the clock matches.

    Until the clock is changed, they are the matching times at one distance from UTC.
    """
    at, offset = after, _offset(zone, after)
    while True:
        for wall in CronSim(expression, (at + offset).replace(tzinfo=None)):
            time = wall.replace(tzinfo=UTC) - offset
            change = _change(zone, offset, at, min(time, at + _NEAR))
            if change is None and time > at + _NEAR:
                # No clock is put back or forward by more than a day or so. So nothing matches until shortly before the
                # time that was found, at whatever distance from UTC the clock is by then.
                near = time - _NEAR
                change = near if _offset(zone, near) != offset else _change(zone, offset, near, time)
            if change is not None:
                break
            yield time
            at = time
        else:
            return
        at, offset = change - _SECOND, _offset(zone, change)  # so that the minute of the change is searched too


def _fixed(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the instants at which the clock first reaches or passes a matching time."""
    latest = after
    for wall in CronSim(expression, after.astimezone(zone).replace(tzinfo=None)):
        time = _first_reached(zone, wall)
        if time > latest:
            yield time
            latest = time


def _first_reached(zone: ZoneInfo, wall: datetime) -> datetime:
    """Return when the clock first shows a time, or the end of the gap in which it skips it."""
    time = wall.replace(tzinfo=zone).astimezone(UTC)
    if time.astimezone(zone).replace(tzinfo=None) == wall:
        return time
    # In a gap, fold 0 counts from the clock before it, and so leads past its end; fold 1 leads before its beginning
    # (PEP 495).
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change(zone, _offset(zone, before), before, time) or time


def _change(zone: ZoneInfo, offset: timedelta, after: datetime, until: datetime) -> datetime | None:
    """Return the first second after ``after``, and not after ``until``, in which the distance is not ``offset``."""
    while after < until:
        probe = min(after + _STEP, until)
        if _offset(zone, probe) != offset:
            while probe - after > _SECOND:
                middle = after + (probe - after) // _SECOND // 2 * _SECOND
                if _offset(zone, middle) == offset:
                    after = middle
                else:
                    probe = middle
            return probe
        after = probe
    return None


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    """Return how far the clock of a zone is ahead of UTC at an instant in UTC."""
    return zone.fromutc(at.replace(tzinfo=zone)).replace(tzinfo=UTC) - at
