"""When schedules run, compared with a clock that is looked at in every minute."""

import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alga_ext.calls import cron
from alga_ext.calls.cron import MISSED_LIMIT, cron_fault, due_until, next_run

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DECADES = (datetime(1990, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC))
ZONES = sorted(zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"})
WEIRD = [
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # back by half an hour
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Antarctica/Troll", "2026-03-29T01:00"),  # by two hours
    ("Antarctica/Troll", "2026-10-25T01:00"),
    ("Pacific/Chatham", "2026-04-04T14:00"),  # at 02:45
    ("Pacific/Chatham", "2026-09-26T14:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),  # a whole day is skipped
    ("Pacific/Kwajalein", "1993-08-21T12:00"),
    ("America/Havana", "2026-03-08T05:00"),  # at midnight
    ("America/Havana", "2026-11-01T05:00"),
    ("Asia/Pyongyang", "2015-08-14T15:00"),  # back by half an hour, for three years
    ("America/Caracas", "2007-12-09T07:00"),
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Europe/Dublin", "2026-03-29T01:00"),  # the standard time is the summer's
    ("Asia/Dhaka", "2009-06-19T17:00"),  # at 23:00
    ("America/Scoresbysund", "2024-03-31T01:00"),  # zone and summer time at once
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
]


@cache
def changes(zone_name: str) -> tuple[datetime, ...]:
    """The minutes at which a zone's clock is changed, within the decades."""
    zone, found = ZoneInfo(zone_name), []
    at, offset = DECADES[0], DECADES[0].astimezone(zone).utcoffset()
    while at < DECADES[1]:
        later = at + DAY
        later_offset = later.astimezone(zone).utcoffset()
        if offset != later_offset:
            low, high = at, later
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                if middle.astimezone(zone).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            found.append(high)
        at, offset = later, later_offset
    return tuple(found)


def stored_changes(zone_name: str) -> list[int]:
    """The changes of a zone's distance from UTC since 1970 that its file names, in seconds of Unix time (RFC 9636)."""
    file = next(path for folder in zoneinfo.TZPATH if (path := Path(folder) / zone_name).is_file())
    content = file.read_bytes()
    counts = struct.unpack(">6I", content[20:44])  # of the first block, with times of 4 bytes, which is skipped
    isut, isstd, leaps, times, types, characters = counts
    content = content[44 + times * 5 + types * 6 + characters + leaps * 8 + isstd + isut :]
    isut, isstd, leaps, times, types, characters = struct.unpack(">6I", content[20:44])
    at = struct.unpack(f">{times}q", content[44 : 44 + times * 8])
    kinds = content[44 + times * 8 : 44 + times * 9]
    records = content[44 + times * 9 :]
    offsets = [struct.unpack(">i", records[kind * 6 : kind * 6 + 4])[0] for kind in kinds]
    return [at[place] for place in range(1, times) if at[place] >= 0 and offsets[place] != offsets[place - 1]]


def parsed(field: str, first: int, last: int) -> set[int]:
    """The numbers of a field with ``*``, numbers, ranges, steps and lists."""
    numbers: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        if span == "*":
            low, high = str(first), str(last)
        numbers |= set(range(int(low), int(high or low) + 1, int(step or 1)))
    return numbers


class Clock:
    """The oracle: looks at the clock on the wall in each minute, and says whether Debian's cron runs a job in it."""

    def __init__(self, expression: str, zone_name: str) -> None:
        self.minutes, self.hours, self.days, self.months, self.weekdays = (
            parsed(field, first, last)
            for field, (first, last) in zip(
                expression.split(), [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)], strict=True
            )
        )
        fields = expression.split()
        self.elapsed = fields[0].startswith("*") or fields[1].startswith("*")
        self.either_day = not fields[2].startswith("*") and not fields[4].startswith("*")
        self.zone = ZoneInfo(zone_name)

    def matches(self, wall: datetime) -> bool:
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.month in self.months
            and (day or weekday if self.either_day else day and weekday)
        )

    def runs(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """The minutes after ``since`` and not after ``until`` in which the job runs."""
        at = since.replace(second=0) - timedelta(hours=25)  # no clock of these decades goes back by more
        latest = at.astimezone(self.zone).replace(tzinfo=None)
        while (at := at + MINUTE) <= until:
            wall = at.astimezone(self.zone).replace(tzinfo=None)
            if self.elapsed:
                due = self.matches(wall)
            else:
                reached = [latest + MINUTE * n for n in range(1, (wall - latest) // MINUTE + 1)]
                due = any(self.matches(time) for time in reached)
                latest = max(latest, wall)
            if due and at > since:
                yield at


def number(first: int, last: int) -> st.SearchStrategy[str]:
    return st.integers(first, last).map(str)


def field(first: int, last: int) -> st.SearchStrategy[str]:
    some = number(first, last)
    span = st.tuples(st.integers(first, last), st.integers(first, last)).map(lambda two: f"{min(two)}-{max(two)}")
    step = st.integers(1, last).map(lambda by: f"*/{by}")
    return st.one_of(st.just("*"), some, span, step, st.lists(some, min_size=2, max_size=3).map(",".join))


EXPRESSIONS = st.one_of(
    st.sampled_from(
        [
            "*/15 1 * * *", "0 1-9 * * *", "0,30 2 * * *", "30 2 * * *", "0 * * * *", "* * * * *", "0 */2 * * *",
            "59 23 * * *", "0 0 * * *", "15,45 0-3 * * *", "10 2 * * 0",
        ]
    ),
    st.tuples(field(0, 59), field(0, 23), st.just("* * *")).map(" ".join),
    st.tuples(field(0, 59), field(0, 3), field(1, 28), st.just("*"), field(0, 6)).map(" ".join),
)  # fmt: skip


def times_near(zone_name: str) -> st.SearchStrategy[tuple[str, datetime]]:
    near = changes(zone_name)
    anywhere = st.integers(0, (DECADES[1] - DECADES[0]) // MINUTE).map(lambda n: DECADES[0] + n * MINUTE)
    if not near:
        return anywhere.map(lambda at: (zone_name, at))
    around = st.tuples(st.sampled_from(near), st.integers(-1_600, 1_600)).map(lambda two: two[0] + two[1] * MINUTE)
    return around.map(lambda at: (zone_name, at))


def agrees(expression: str, zone_name: str, after: datetime) -> None:
    until = after + timedelta(hours=30)
    expected = list(Clock(expression, zone_name).runs(after, until))
    found: list[datetime] = []
    at = after
    while (at := next_run(expression, zone_name, at)) <= until:
        found.append(at)
    assert found == expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS, st.sampled_from(ZONES).flatmap(times_near), st.integers(0, 59))
def test_a_schedule_runs_when_the_oracle_of_minutes_says_so(
    expression: str, place: tuple[str, datetime], seconds: int
) -> None:
    agrees(expression, place[0], place[1] + timedelta(seconds=seconds))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS, st.sampled_from(WEIRD), st.integers(-1_600, 200))
@example("0 9 * * *", ("Pacific/Apia", "2011-12-30T10:00"), -60)
@example("0,30 2 * * *", ("Australia/Lord_Howe", "2026-04-04T15:00"), -1)
@example("*/10 2 * * *", ("Australia/Lord_Howe", "2026-10-03T15:30"), -1)
def test_so_it_does_where_the_clock_is_changed_in_an_unusual_way(
    expression: str, place: tuple[str, str], offset: int
) -> None:
    agrees(expression, place[0], datetime.fromisoformat(place[1]).replace(tzinfo=UTC) + offset * MINUTE)


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("30 2 * * *", ["01:00"]),  # skipped: at the gap's end, 03:00
        ("0,30 2 * * *", ["01:00"]),  # both are skipped: once
        ("0 1-4 * * *", ["00:00", "01:00", "02:00"]),  # 2 is skipped, and its run is that of 3
        ("*/30 2 * * *", []),
        ("*/30 1 * * *", ["00:00", "00:30"]),
        ("0 * * * *", ["23:00", *[f"{hour:02}:00" for hour in range(22)]]),
    ],
)
def test_in_the_night_of_the_gap(expression: str, runs: list[str]) -> None:
    assert day_in_berlin(expression, "2026-03-28T23:00", hours=23) == runs


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("30 2 * * *", ["00:30"]),
        ("0,30 2 * * *", ["00:00", "00:30"]),
        ("0 1-4 * * *", ["23:00", "00:00", "02:00", "03:00"]),
        ("*/30 2 * * *", ["00:00", "00:30", "01:00", "01:30"]),
        ("0 */2 * * *", ["22:00", "00:00", "01:00", *[f"{hour:02}:00" for hour in range(3, 22, 2)]]),
    ],
)
def test_in_the_night_of_the_repeated_hour(expression: str, runs: list[str]) -> None:
    assert day_in_berlin(expression, "2026-10-24T22:00", hours=25) == runs


def day_in_berlin(expression: str, begins: str, hours: int) -> list[str]:
    """The runs of a day in Berlin, in UTC."""
    at = datetime.fromisoformat(begins).replace(tzinfo=UTC)
    until, found = at + timedelta(hours=hours), []
    at -= MINUTE
    while (at := next_run(expression, "Europe/Berlin", at)) < until:
        found.append(f"{at:%H:%M}")
    return found


def test_no_zone_changes_its_clock_and_back_within_a_step() -> None:
    for zone_name in ZONES:
        near = stored_changes(zone_name)
        step_s = cron._STEP.total_seconds()
        assert all(later - earlier > step_s for earlier, later in pairwise(near)), zone_name


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"), ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@Daily", "0 0 * * *"),
    ],
)  # fmt: skip
def test_a_name_is_its_expression(name: str, expression: str) -> None:
    at = datetime(2026, 5, 5, 5, 5, tzinfo=UTC)

    assert cron_fault(name) is None
    assert next_run(name, "Asia/Tokyo", at) == next_run(expression, "Asia/Tokyo", at)


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 9-17 * * 1-5", "0 0 1 1 *", "0 0 29 2 *", "30 4 1,15 * 5"])
def test_five_field_expressions_are_taken(cron: str) -> None:
    assert cron_fault(cron) is None


@pytest.mark.parametrize(
    "cron",
    [
        "", "* * * *", "* * * * * *", "@reboot", "@", "@daily 3", "60 * * * *", "* 24 * * *", "0 0 31 2 *", "x * * * *",
        "* * * * 9", "*" * 200, "0 0 * * *" + " " * 200,
    ],
)  # fmt: skip
def test_other_expressions_are_refused(cron: str) -> None:
    assert cron_fault(cron) is not None


def test_an_expression_has_at_most_128_characters() -> None:
    longest = f"{'00,' * 39}01 00 * * *"

    assert len(longest) == 128
    assert cron_fault(longest) is None
    assert cron_fault(f"0{longest}") is not None


def test_a_run_that_is_due_now_has_missed_none() -> None:
    now = datetime(2026, 7, 1, 9, 0, 40, tzinfo=UTC)

    assert due_until("0 9 * * *", "UTC", now.replace(second=0), now) == (0, datetime(2026, 7, 2, 9, tzinfo=UTC))


def test_runs_that_were_missed_are_counted() -> None:
    now = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)

    assert due_until("0 * * * *", "UTC", datetime(2026, 7, 1, 6, tzinfo=UTC), now) == (
        3,
        datetime(2026, 7, 1, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(("late_minutes", "missed"), [(99, 99), (100, 100), (101, 100), (525_600, 100)])
def test_after_a_long_outage_missed_runs_are_counted_up_to_a_hundred(late_minutes: int, missed: int) -> None:
    now = datetime(2026, 7, 1, 9, 30, 5, tzinfo=UTC)
    due = due_until("* * * * *", "UTC", now.replace(second=0) - late_minutes * MINUTE, now)

    assert due == (missed, datetime(2026, 7, 1, 9, 31, tzinfo=UTC))
    assert MISSED_LIMIT == 100


def test_a_year_of_missed_minutes_looks_at_a_hundred_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    real = cron._change

    def counted(*given: object) -> datetime | None:
        nonlocal looked
        looked += 1
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(cron, "_change", counted)
    now = datetime(2027, 7, 1, 9, 30, tzinfo=UTC)
    due_until("* * * * *", "Europe/Berlin", now - timedelta(days=365), now)

    assert looked <= MISSED_LIMIT + 1


def test_a_run_that_is_years_away_is_found_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    real = cron._offset

    def counted(zone: ZoneInfo, at: datetime) -> timedelta:
        nonlocal looked
        looked += 1
        return real(zone, at)

    monkeypatch.setattr(cron, "_offset", counted)

    found = next_run("* 12 29 2 *", "Europe/Berlin", datetime(2026, 7, 1, tzinfo=UTC))

    assert found == datetime(2028, 2, 29, 11, tzinfo=UTC)
    assert looked < 20


def test_a_zone_that_is_not_known_is_a_fault_of_the_value() -> None:
    with pytest.raises(ValueError, match="Atlantis"):
        next_run("0 0 * * *", "Sea/Atlantis", datetime(2026, 7, 1, tzinfo=UTC))
