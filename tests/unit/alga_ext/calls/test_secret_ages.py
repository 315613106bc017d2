"""A secret expires at the earlier of two instants: the tenant's own, and the end of what the extension allows."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.secret_ages import expires_at, max_ages
from tests.support.keys import NOW

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("own", "max_age_days", "expected"),
    [
        (None, None, None),
        (NOW + DAY, None, NOW + DAY),
        (None, 3, NOW + 3 * DAY),
        (NOW + DAY, 3, NOW + DAY),
        (NOW + 5 * DAY, 3, NOW + 3 * DAY),
    ],
)
def test_the_earlier_instant_counts(own: datetime | None, max_age_days: int | None, expected: datetime | None) -> None:
    assert expires_at(NOW, own, max_age_days) == expected


def test_only_secrets_with_a_maximum_age_have_one() -> None:
    declared: list[dict[str, Any]] = [
        {"name": "a", "max_age_days": 3},
        {"name": "b", "max_age_days": None},
        {"name": "c"},
    ]

    assert max_ages(declared) == {"a": 3}
