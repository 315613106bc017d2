"""The days of records: tomorrow's partition is made ahead, and old days are emptied, then dropped."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from alga_ext.calls.limits import PRODUCT
from alga_ext.stores.database import Database
from functions.registry.records import days
from functions.registry.records.recording import Recorder
from tests.conftest import Databases
from tests.registry.test_partitions import partition, partitions
from tests.registry.test_recorded_batches import call
from tests.support.rows import create_day

pytestmark = pytest.mark.one_day
TODAY = datetime.now(UTC).date()
_RETENTION = timedelta(days=20)
_LONGER = timedelta(days=3_650)


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    made = Database(databases.registry)
    yield made
    made.close()


def no_pause(_: float) -> None:
    pytest.fail("no lock is to be waited for")


def record_days_ago(databases: Databases, database: Database, *ages: int) -> None:
    owner = Database(databases.owner)
    for age in ages:
        create_day(owner, TODAY - timedelta(days=age))
        at = datetime.now(UTC) - timedelta(days=age)
        assert Recorder(database, PRODUCT).record(call(1, at=at)) == {}
    owner.close()


def test_tomorrows_partition_is_made_once(databases: Databases, database: Database) -> None:
    made = [days.sweep(database, _RETENTION, _LONGER, _LONGER, no_pause)["days_made"] for _ in range(2)]

    assert made == [1, 0]
    assert partitions(databases.owner) == [partition(TODAY + timedelta(days=1))]


def test_log_lines_have_a_retention_of_their_own(databases: Databases, database: Database) -> None:
    record_days_ago(databases, database, 14, 15)

    done = [days.sweep(database, _RETENTION, timedelta(days=14), _LONGER, no_pause) for _ in range(2)]

    # Nothing was logged, so the partitions of both tables are empty and are dropped at once.
    assert [(one["days_emptied"], one["days_dropped"]) for one in done] == [(0, 2), (0, 0)]
    assert len(partitions(databases.owner)) == 3


def test_the_egress_ledger_has_a_retention_of_its_own(databases: Databases, database: Database) -> None:
    record_days_ago(databases, database, 20, 21)

    done = days.sweep(database, _LONGER, _LONGER, timedelta(days=20), no_pause)

    assert (done["days_emptied"], done["days_dropped"]) == (0, 1)


def test_a_day_older_than_the_retention_is_emptied_and_dropped_by_the_next_run(
    databases: Databases, database: Database
) -> None:
    record_days_ago(databases, database, 0, 20, 21, 40)

    first, second, third = (days.sweep(database, _RETENTION, _LONGER, _LONGER, no_pause) for _ in range(3))

    assert first == {"days_made": 1, "days_emptied": 2, "days_dropped": 0}
    assert second == {"days_made": 0, "days_emptied": 0, "days_dropped": 2}
    assert third == {"days_made": 0, "days_emptied": 0, "days_dropped": 0}
    assert partitions(databases.owner) == [partition(TODAY - timedelta(days=age)) for age in (20, 0, -1)]


def test_totals_outlive_the_records(databases: Databases, database: Database) -> None:
    record_days_ago(databases, database, 21)
    for _ in range(2):
        days.sweep(database, _RETENTION, _LONGER, _LONGER, no_pause)

    with database.tenant("tenant-a") as tx:
        assert tx.rows("select 1 from app.extension_execution_log") == []
        assert {row["calls"] for row in tx.rows("select calls from app.extension_quota_usage")} == {1}


def test_a_day_in_use_is_left_to_the_next_run_and_nobody_waits(databases: Databases, database: Database) -> None:
    """A reader of all days is open; while the run tries, a recorder writes and another reader reads."""
    record_days_ago(databases, database, 0, 21)
    reader, other = Database(databases.registry), Database(databases.registry, statement_timeout_ms=1_000)
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        assert Recorder(other, PRODUCT, pause=no_pause).record(call(1)) == {}
        with other.tenant("tenant-a") as tx:
            assert len(tx.rows("select 1 from app.extension_execution_log")) == 2 + len(pauses)

    with reader.tenant("tenant-a") as tx:
        tx.rows("select 1 from app.extension_execution_log")
        done = days.sweep(database, _RETENTION, _LONGER, _LONGER, pause)
    reader.close()
    other.close()

    assert (done["days_emptied"], len(pauses)) == (0, 4)
    assert days.sweep(database, _RETENTION, _LONGER, _LONGER, no_pause)["days_emptied"] == 1


def test_an_empty_day_in_use_is_dropped_later(databases: Databases, database: Database) -> None:
    record_days_ago(databases, database, 21)
    days.sweep(database, _RETENTION, _LONGER, _LONGER, no_pause)
    reader = Database(databases.registry)

    with reader.tenant("tenant-a") as tx:
        tx.rows("select 1 from app.extension_execution_log")
        assert days.sweep(database, _RETENTION, _LONGER, _LONGER, lambda _: None)["days_dropped"] == 0
    reader.close()

    assert days.sweep(database, _RETENTION, _LONGER, _LONGER, no_pause)["days_dropped"] == 1
