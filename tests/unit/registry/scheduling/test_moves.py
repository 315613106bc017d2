"""What becomes of a schedule that is due."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from alga_ext.calls.deliveries import schedule_delivery_id
from functions.registry.scheduling.moves import Claimed, Move, delay_s, move_of

NOW = datetime(2026, 7, 1, 9, 0, 30, tzinfo=UTC)
DUE = NOW.replace(second=0)
HOUR = timedelta(hours=1)
INSTALL = "00000000-0000-0000-0000-0000000000a1"
SCHEDULE = "00000000-0000-0000-0000-0000000000b1"


def claimed(**changes: Any) -> Claimed:
    base = Claimed("tenant-a", SCHEDULE, INSTALL, "0 * * * *", "UTC", DUE, backs_off_until=None, active=True)
    return base._replace(**changes)


def test_a_due_schedule_runs_and_is_due_again_at_its_next_time() -> None:
    assert move_of(claimed(), NOW) == Move(
        DUE + HOUR, schedule_delivery_id(SCHEDULE, DUE), missed=0, delay_s=delay_s(INSTALL)
    )


def test_missed_runs_are_one_run_that_says_so() -> None:
    late = claimed(due_at=DUE - 3 * HOUR)

    move = move_of(late, NOW)

    assert (move.missed, move.next_run_at) == (3, DUE + HOUR)
    assert move.delivery_id == schedule_delivery_id(SCHEDULE, DUE - 3 * HOUR)


def test_a_schedule_of_an_install_that_is_not_active_waits_without_a_run() -> None:
    assert move_of(claimed(active=False), NOW) == Move(None)


def test_a_schedule_that_backs_off_does_not_run_and_is_due_after_that() -> None:
    until = NOW + timedelta(minutes=10)

    assert move_of(claimed(cron="* * * * *", backs_off_until=until), NOW) == Move(DUE + timedelta(minutes=11))


def test_a_schedule_that_backs_off_for_long_is_looked_at_every_quarter_of_an_hour() -> None:
    """A run that was on its way may succeed meanwhile, and so end the back-off."""
    long = claimed(cron="* * * * *", backs_off_until=NOW + timedelta(days=1))

    assert move_of(long, NOW) == Move(DUE + timedelta(minutes=16))


def test_a_schedule_that_has_backed_off_runs() -> None:
    assert move_of(claimed(backs_off_until=NOW), NOW).delivery_id is not None


def test_a_zone_that_is_no_longer_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="Atlantis"):
        move_of(claimed(timezone="Sea/Atlantis"), NOW)


def test_the_runs_of_one_minute_are_spread_over_it() -> None:
    delays = Counter(delay_s(str(UUID(int=number))) for number in range(60_000))

    assert set(delays) == set(range(60))
    # A thousand in each second on average; a fair hash is within six standard deviations.
    assert all(810 < count < 1_190 for count in delays.values())


def test_the_delay_of_an_install_stays_the_same() -> None:
    assert delay_s(INSTALL) == delay_s(INSTALL) == 25
