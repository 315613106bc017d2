"""A key is overdue when it signs and is as old as its limit; a key of unknown age is not."""

from datetime import datetime, timedelta

import pytest

from alga_ext.trust.key_ages import PlatformKey, warnings
from tests.support.keys import NOW


def key(created_at: datetime | None = NOW - timedelta(days=90), *, signs: bool = True) -> PlatformKey:
    return PlatformKey("release", "sha256:ab", "active", signs, created_at, max_age_days=90)


@pytest.mark.parametrize(
    ("age", "overdue"),
    [
        (timedelta(days=89, hours=23, minutes=59), False),
        (timedelta(days=90), True),
        (timedelta(days=1_000), True),
        (timedelta(0), False),
        (timedelta(days=-1), False),
    ],
    ids=str,
)
def test_a_key_is_overdue_from_the_day_of_its_limit_on(age: timedelta, overdue: bool) -> None:
    assert key(NOW - age).is_overdue(NOW) is overdue


def test_a_key_that_does_not_sign_is_never_overdue() -> None:
    assert not key(signs=False).is_overdue(NOW)


def test_a_key_of_unknown_age_is_not_overdue() -> None:
    assert (key(None).age_days(NOW), key(None).is_overdue(NOW)) == (None, False)


def test_only_overdue_keys_are_warned_of() -> None:
    assert warnings([key(), key(None), key(signs=False)], NOW) == [
        "The release key sha256:ab is 90 days old; rotate it before 90 days."
    ]
