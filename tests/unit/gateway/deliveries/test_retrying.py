"""When a delivery is tried again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.deliveries.retrying import has_tries_left, is_repeatable, retry_after_s, wait_s

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tries", "longest_s"), [(1, 1), (2, 4), (3, 16), (4, 64), (5, 256), (6, 900), (7, 900), (100, 900)]
)
def test_the_wait_grows_fourfold_up_to_fifteen_minutes(tries: int, longest_s: int) -> None:
    assert wait_s(tries, None, 1.0) == longest_s


@given(st.integers(1, 8), st.floats(0, 1))
def test_a_wait_is_at_least_half_of_the_longest_and_a_whole_second(tries: int, chance: float) -> None:
    longest_s = min(4 ** (tries - 1), 900)

    assert max(1, longest_s / 2) <= wait_s(tries, None, chance) <= longest_s


@given(st.integers(1, 8), st.floats(0, 1), st.integers(0, 10**9))
def test_retry_after_is_never_undercut_and_counts_as_an_hour_at_most(tries: int, chance: float, asked_s: int) -> None:
    waits_s = wait_s(tries, asked_s, chance)

    assert min(asked_s, 3_600) <= waits_s <= 3_600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("9" * 5_000, 9_999_999_999),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        (f"Sun, 01 Mar {'9' * 30} 12:01:00 GMT", None),
        (f"Sun, 01 Mar 2026 {'9' * 30}:01:00 GMT", None),
        (f"Sun, 01 Mar 2026 12:01:00 +{'9' * 30}", None),
        ("Sun, 01 Mar 99999 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: int | None) -> None:
    assert retry_after_s(value, NOW) == seconds


@given(st.text(max_size=60))
def test_no_header_value_is_too_strange(value: str) -> None:
    found = retry_after_s(value, NOW)

    assert found is None or found >= 0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_statuses_are_tried_again(status: int) -> None:
    assert is_repeatable(status)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 410, 413, 422])
def test_these_statuses_are_final(status: int) -> None:
    assert not is_repeatable(status)


def test_eight_tries_are_all() -> None:
    assert (has_tries_left(7), has_tries_left(8)) == (True, False)
