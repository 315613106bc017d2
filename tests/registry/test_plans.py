"""How much one page of executions and of usage reads: ranges of indexes, in the days that are asked for, unsorted."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.limiting import endpoint_totals, usage
from functions.registry.records import execution_scan, executions, log_keeping
from functions.registry.records.execution_scan import Filters, Position
from tests.conftest import Databases, fresh_databases
from tests.support.many_executions import fill, install_id
from tests.support.plans import Plan, PlannedTx

pytestmark = pytest.mark.one_day
TENANT = "tenant-large"
NOW = datetime.now(UTC)
DAYS = 20
EXECUTIONS = 20_000
PAGE_SIZE = 25
LOG = "extension_execution_log"
MANY = pytest.mark.parametrize


@pytest.fixture(scope="module")
def databases(postgres_server: str, template_database: str) -> Iterator[Databases]:
    """A database with many executions."""
    with fresh_databases(postgres_server, template_database) as made:
        owner = Database(made.owner, 120_000)
        with owner.system() as tx:
            fill(tx, TENANT, EXECUTIONS, 5_000, DAYS, installs=200, total_days=100)
        owner.close()
        yield made


@pytest.fixture
def tx(databases: Databases) -> Iterator[PlannedTx]:
    database = Database(databases.registry, 30_000)
    with database.tenant(TENANT) as opened:
        yield PlannedTx(opened)
    database.close()


def page_plan(tx: PlannedTx, filters: Filters, cursor: Position | None = None) -> Plan:
    executions.list_executions(tx, TENANT, filters, cursor, PAGE_SIZE)
    return tx.plans[-1]


def indexes(plan: Plan, table: str = LOG) -> set[str]:
    """The indexes that were read, without the names of days."""
    return {_column(node) for node in plan.scans(table)}


def _column(node: dict[str, Any]) -> str:
    assert node["Node Type"] in ("Index Scan", "Index Only Scan"), node["Node Type"]
    return str(node["Index Name"])


FILTERS: dict[str, Filters] = {
    "none": Filters(),
    "install": Filters(install_id=install_id(3)),
    "principal": Filters(principal="user-7"),
    "a rare principal": Filters(principal="rare"),
    "failed": Filters(outcome="error"),
    "one outcome": Filters(outcome="out_of_memory"),
    "an outcome that no call has": Filters(outcome="timeout"),
    "running": Filters(outcome="running"),
    "class of status": Filters(status="5xx"),
    "a status that no call has": Filters(status="404"),
    "install and failed": Filters(install_id=install_id(3), outcome="error"),
    "principal and a status that no call has": Filters(principal="user-7", status="404"),
}
ASKED = MANY("filters", FILTERS.values(), ids=FILTERS)


@ASKED
def test_a_page_is_read_from_indexes_and_never_sorted(tx: PlannedTx, filters: Filters) -> None:
    plan = page_plan(tx, filters)

    assert len(indexes(plan)) <= DAYS + 1, "one index of each day that was read"
    assert plan.rows_sorted() == 0


@ASKED
def test_a_page_reads_no_more_rows_than_its_bound(
    tx: PlannedTx, filters: Filters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "ROWS_READ", 200)

    assert page_plan(tx, filters).rows_read(LOG) <= 200


@MANY(
    ("filters", "rows"),
    [
        (Filters(), PAGE_SIZE),
        (Filters(install_id=install_id(3)), PAGE_SIZE),
        (Filters(principal="user-8"), EXECUTIONS // 1_000),
        (Filters(principal="rare"), EXECUTIONS // 5_000),
        (Filters(outcome="error"), PAGE_SIZE),
        (Filters(outcome="running"), 0),
    ],
    ids=["none", "install", "principal", "rare principal", "failed", "running"],
)
def test_what_an_index_serves_reads_only_the_rows_of_the_page(tx: PlannedTx, filters: Filters, rows: int) -> None:
    assert page_plan(tx, filters).rows_read(LOG) == rows


def test_days_outside_of_the_asked_time_are_not_in_the_plan(tx: PlannedTx) -> None:
    since, until = NOW - timedelta(days=12), NOW - timedelta(days=10)

    assert page_plan(tx, Filters(since=since, until=until)).partitions <= 3


def test_days_after_the_cursor_are_not_in_the_plan(tx: PlannedTx) -> None:
    cursor = ((NOW - timedelta(days=DAYS - 3)).date(), "00000000-0000-0000-0000-000000000000")

    assert page_plan(tx, Filters(), cursor).partitions <= 4


def test_a_page_plans_no_more_days_than_its_bound(tx: PlannedTx, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (execution_scan, executions):
        monkeypatch.setattr(module, "DAYS_READ", 5)

    assert page_plan(tx, Filters(status="404")).partitions == 5


@MANY("read", [executions.load, log_keeping.load], ids=["record", "logs"])
def test_a_record_is_read_from_the_partition_of_its_day(tx: PlannedTx, read: Any) -> None:
    (row, *_) = executions.list_executions(tx, TENANT, Filters(outcome="error"), None, 1).rows
    with suppress(PlatformError):  # the call left no lines
        read(tx, TENANT, str(row["execution_id"]))

    assert len(tx.plans[-1].scans(LOG)) == 1
    assert tx.plans[-1].partitions == 2, "the day of the record, and that of its lines"


@MANY("period", ["day", "month"])
def test_a_page_of_endpoints_reads_the_days_of_its_endpoints_alone(tx: PlannedTx, period: Any) -> None:
    days = (NOW.date() - timedelta(days=99), NOW.date())

    endpoint_totals.list_endpoints(tx, TENANT, None, period, days, endpoint_totals.FIRST, PAGE_SIZE)

    assert tx.plans[-1].rows_read("extension_endpoint_total") <= (PAGE_SIZE + 1) * 31


def test_a_page_of_usage_reads_the_totals_of_its_owners_alone(tx: PlannedTx) -> None:
    months = [f"{NOW - timedelta(days=31):%Y-%m}", f"{NOW:%Y-%m}"]

    rows = usage.list_usage(tx, TENANT, None, months, months[1], usage.FIRST, PAGE_SIZE)

    assert len(rows) == PAGE_SIZE
    assert sum(plan.rows_read("extension_quota_usage") for plan in tx.plans) <= PAGE_SIZE + 1
    assert sum(plan.rows_read("extension_endpoint_total") for plan in tx.plans) == 0, "no call has an unknown outcome"
