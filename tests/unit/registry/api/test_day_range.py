"""The days that a list of totals is asked for."""

from datetime import date

import pytest

from alga_ext.errors import PlatformError
from functions.registry.api.day_range import day_range

TODAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ((None, None), (date(2026, 3, 1), TODAY)),
        ((None, date(2026, 3, 30)), (date(2026, 2, 28), date(2026, 3, 30))),
        ((date(2020, 1, 1), None), (date(2020, 1, 1), TODAY)),
        ((TODAY, TODAY), (TODAY, TODAY)),
        ((None, date(1, 1, 5)), (date(1, 1, 1), date(1, 1, 5))),
    ],
    ids=["by default", "up to a day", "from a day on", "one day", "at the beginning of the calendar"],
)
def test_the_days_are_those_asked_for_or_the_last_31(
    asked: tuple[date | None, date | None], days: tuple[date, date]
) -> None:
    assert day_range(*asked, TODAY) == days


def test_a_first_day_after_the_last_one_is_refused_and_both_are_named() -> None:
    with pytest.raises(PlatformError, match=r"first_day \(2026-04-01\) is after last_day \(2026-03-31\)") as refusal:
        day_range(date(2026, 4, 1), None, TODAY)
    assert refusal.value.code == "invalid_request"
