"""When a secret is told of: the last threshold that has passed, each of them once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.registry.installing.expiring_secrets import THRESHOLDS_DAYS, Look, look

END = datetime(2026, 6, 30, tzinfo=UTC)


def at(days_before: float) -> datetime:
    return END - timedelta(days=days_before)


@pytest.mark.parametrize(
    ("days_before", "told_days", "expected"),
    [
        (15, None, Look(None, at(14))),
        (14, None, Look(14, at(7))),
        (13, 14, Look(None, at(7))),
        (7, 14, Look(7, at(1))),
        (7, None, Look(7, at(1))),
        (0.5, 14, Look(1, None)),
        (0.5, 1, Look(None, None)),
        (-100, None, Look(1, None)),
    ],
)
def test_a_secret_is_told_of_at_its_thresholds(days_before: float, told_days: int | None, expected: Look) -> None:
    assert look(END, told_days, at(days_before)) == expected


def test_a_secret_that_does_not_expire_is_never_looked_at_again() -> None:
    assert look(None, None, END) == Look(None, None)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(-5, 30), min_size=1, max_size=20))
def test_however_often_it_is_looked_at_each_threshold_is_told_once_at_most(looks: list[float]) -> None:
    told: list[int] = []
    for days_before in sorted(looks, reverse=True):
        found = look(END, told[-1] if told else None, at(days_before))
        if found.threshold_days is not None:
            told.append(found.threshold_days)

    assert told == sorted(set(told), reverse=True)
    assert set(told) <= set(THRESHOLDS_DAYS)
