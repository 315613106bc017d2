"""Which part of the executions one page reads, and by which index."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest

from alga_ext.calls.outcomes import Outcome
from alga_ext.errors import PlatformError
from functions.registry.records.execution_scan import DAYS_READ, Filters, OutcomeFilter, Position, scan_of, start_of

TODAY = date(2026, 3, 31)
DAYS = [TODAY - timedelta(days=n) for n in range(5)]
INSTALL = "00000000-0000-0000-0000-00000000000a"
LAST = (date.max, "ffffffff-ffff-ffff-ffff-ffffffffffff")
JUST_BEFORE_LAST = (date.max, "ffffffff-ffff-ffff-ffff-fffffffffffe")
FIRST_ID = "00000000-0000-0000-0000-000000000000"
FAILED = "outcome <> 'ok'"


def at(day: int, hour: int = 0, **more: int) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC) + timedelta(**more)


def test_every_outcome_is_a_filter() -> None:
    assert set(get_args(OutcomeFilter)) == {*(outcome.value for outcome in Outcome), "error", "running"}


# Where it begins


def test_the_first_page_begins_with_the_newest() -> None:
    assert start_of(Filters(), None) == LAST


def test_a_page_begins_after_the_cursor_or_before_the_end_of_the_time_whichever_is_earlier() -> None:
    ended = (date(2026, 3, 30), "019d3c0a-4800-0000-0000-000000000000")
    assert start_of(Filters(until=at(30)), None) == ended
    earlier, later = (date(2026, 3, 29), INSTALL), (date(2026, 3, 31), INSTALL)
    assert start_of(Filters(until=at(30)), earlier) == earlier
    assert start_of(Filters(until=at(30)), later) == ended


@pytest.mark.parametrize("until", [at(30), at(30, milliseconds=-1)])
def test_a_time_that_ends_before_it_begins_is_refused(until: datetime) -> None:
    with pytest.raises(PlatformError, match="send an earlier from"):
        start_of(Filters(since=at(30), until=until), None)


@pytest.mark.parametrize(
    ("moment", "place"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), (date(1970, 1, 1), FIRST_ID)),
        (datetime.max.replace(tzinfo=UTC), (date.max, "e677d21f-dbff-0000-0000-000000000000")),
        (
            datetime.fromisoformat("2026-03-30T00:30:00+01:00"),
            (date(2026, 3, 29), "019d3bee-d0c0-0000-0000-000000000000"),
        ),
        (at(30, microseconds=1_999), (date(2026, 3, 30), "019d3c0a-4801-0000-0000-000000000000")),
    ],
    ids=["long ago", "far ahead", "another zone", "within a millisecond"],
)
def test_an_instant_is_the_first_id_of_its_millisecond(moment: datetime, place: Position) -> None:
    assert start_of(Filters(until=moment), None) == place


# Which days


@pytest.mark.parametrize(
    ("before", "newest"),
    [
        ((TODAY, INSTALL), (TODAY, "00000000-0000-0000-0000-000000000009")),
        ((TODAY, FIRST_ID), (date(2026, 3, 30), LAST[1])),
    ],
)
def test_the_place_before_which_a_page_begins_is_not_read(before: Position, newest: Position) -> None:
    scan = scan_of(Filters(), before, DAYS)

    assert scan is not None
    assert scan.newest == newest


def test_all_days_that_there_are_are_read() -> None:
    scan = scan_of(Filters(), LAST, DAYS)

    assert scan is not None
    assert (scan.newest, scan.oldest, scan.following) == (JUST_BEFORE_LAST, (DAYS[-1], FIRST_ID), None)


def test_beyond_a_number_of_days_the_next_page_goes_on_with_the_next_day_there_is() -> None:
    days = [TODAY - timedelta(days=2 * n) for n in range(DAYS_READ + 1)]

    scan = scan_of(Filters(), LAST, days)

    assert DAYS_READ == 100
    assert scan is not None
    assert scan.oldest == (days[99], FIRST_ID)
    assert scan.following == (days[100], LAST[1])


def test_exactly_so_many_days_are_the_end() -> None:
    scan = scan_of(Filters(), LAST, [TODAY - timedelta(days=n) for n in range(DAYS_READ)])

    assert scan is not None
    assert scan.following is None


def test_a_time_that_begins_within_the_days_is_the_end() -> None:
    days = [TODAY - timedelta(days=n) for n in range(DAYS_READ + 1)]
    scan = scan_of(Filters(since=at(30)), LAST, days)

    assert scan is not None
    assert scan.oldest == (date(2026, 3, 30), "019d3c0a-4800-0000-0000-000000000000")
    assert scan.following is None


def test_a_time_that_begins_on_the_day_that_follows_goes_on() -> None:
    days = [TODAY - timedelta(days=n) for n in range(DAYS_READ + 1)]
    noon = datetime(days[-1].year, days[-1].month, days[-1].day, 12, tzinfo=UTC)

    scan = scan_of(Filters(since=noon), LAST, days)

    assert scan is not None
    assert scan.following == (days[-1], LAST[1])


@pytest.mark.parametrize("before", [(date(2026, 3, 29), INSTALL), (date(2026, 3, 30), FIRST_ID)])
def test_before_the_time_there_is_nothing_to_read(before: Position) -> None:
    assert scan_of(Filters(since=at(30)), before, DAYS) is None


def test_without_days_there_is_nothing_to_read() -> None:
    assert scan_of(Filters(), LAST, []) is None


# Which index


@pytest.mark.parametrize(
    ("filters", "served", "applied"),
    [
        (Filters(), [], []),
        (Filters(outcome="ok"), [], ["outcome = :outcome"]),
        (Filters(outcome="error"), [FAILED], []),
        (Filters(outcome="unknown"), [FAILED], ["outcome = :outcome"]),
        (Filters(outcome="running"), ["outcome is null"], []),
        (Filters(install_id=INSTALL), ["install_id = cast(:install_id as uuid)"], []),
        (Filters(principal="p"), ["principal = :principal"], []),
        (
            Filters(install_id=INSTALL, principal="p", outcome="error"),
            ["principal = :principal"],
            [FAILED, "install_id = cast(:install_id as uuid)"],
        ),
        (Filters(install_id=INSTALL, outcome="error"), [FAILED], ["install_id = cast(:install_id as uuid)"]),
        (
            Filters(install_id=INSTALL, outcome="running"),
            ["outcome is null"],
            ["install_id = cast(:install_id as uuid)"],
        ),
    ],
)
def test_one_condition_is_served_by_an_index_and_the_others_are_applied(
    filters: Filters, served: list[str], applied: list[str]
) -> None:
    scan = scan_of(filters, LAST, DAYS)

    assert scan is not None
    assert (scan.served, scan.applied) == (served, applied)


@pytest.mark.parametrize(
    ("status", "first", "last", "served"),
    [
        ("404", "404", "404", []),
        ("4xx", "400", "499", []),
        ("500", "500", "500", [FAILED]),
        ("5xx", "500", "599", [FAILED]),
    ],
)
def test_a_status_of_500_or_more_is_looked_for_among_failed_calls(
    status: str, first: str, last: str, served: list[str]
) -> None:
    scan = scan_of(Filters(status=status), LAST, DAYS)

    assert scan is not None
    assert scan.served == served
    assert (scan.params["first_status"], scan.params["last_status"]) == (first, last)
