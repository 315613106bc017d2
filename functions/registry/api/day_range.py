"""The UTC days that a list of totals is asked for (pure)."""

from datetime import date, timedelta
from typing import Final

from alga_ext.errors import PlatformError

_BEFORE: Final = timedelta(days=30)


def day_range(first_day: date | None, last_day: date | None, today: date) -> tuple[date, date]:
    """Return the first and the last day, both included: by default the last 31 days up to ``last_day`` or today.

    Raises:
        PlatformError: ``invalid_request`` when the first day is after the last one.
    """
    last = last_day or today
    first = first_day or last - min(_BEFORE, last - date.min)
    if first > last:
        raise PlatformError(
            "invalid_request", f"first_day ({first}) is after last_day ({last}); send an earlier first_day."
        )
    return first, last
