"""The records' partitions, one a day: made by one function, closed to every role, and removed without waiting."""

import shutil
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.ids import new_execution_id
from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import migrate
from tests.conftest import MIGRATIONS, ROLES, Databases
from tests.registry.test_row_level_security import REFUSED, rows
from tests.support.catalogue import catalogue
from tests.support.rows import create_day, fill_tenant
from tools.local.postgres import drop_database, make_database

pytestmark = pytest.mark.one_day
TODAY = datetime.now(UTC).date()
_INSERT = """
insert into app.extension_execution_log (tenant_id, day, execution_id, install_id, extension_id, version_id,
  content_hash, request_id, trace_id, method, path, principal, state, accepted_at)
values ('tenant-a', cast(:day as date), cast(:execution_id as uuid), gen_random_uuid(), gen_random_uuid(),
  gen_random_uuid(), 'h', 'r', 't', 'GET', '/', 'p', 'accepted', cast(:at as timestamptz))
"""


@pytest.fixture
def registry(databases: Databases) -> Iterator[Database]:
    made = Database(databases.registry)
    yield made
    made.close()


@pytest.fixture
def owner(databases: Databases) -> Iterator[Database]:
    made = Database(databases.owner, 30_000)
    yield made
    made.close()


def partition(day: date) -> str:
    return f"extension_execution_log_{day:%Y%m%d}"


def partitions(url: str) -> list[str]:
    parent = "'app.extension_execution_log'::regclass"
    found = rows(url, f"select inhrelid::regclass::text as name from pg_inherits where inhparent = {parent}")
    return sorted(row["name"].removeprefix("app.") for row in found)


def make(database: Database, day: date) -> None:
    with database.system() as tx:
        tx.execute("select app.make_day(:day)", day=day)


def remove(database: Database, day: date) -> str | None:
    with database.system() as tx:
        return tx.one("select app.remove_day('extension_execution_log', :day) as did", day=day)["did"]  # type: ignore[no-any-return]


def insert(database: Database, day: date, execution_id: str | None = None, at: datetime | None = None) -> None:
    at = at or datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    with database.tenant("tenant-a") as tx:
        tx.execute(_INSERT, day=day, execution_id=execution_id or new_execution_id(at), at=at)


def refused(work: Any) -> str:
    with pytest.raises(PlatformError) as refusal:
        work()
    return str(refusal.value.context["sqlstate"])


# Made at run time


def test_a_partition_made_at_run_time_forces_row_level_security_and_isolates_tenants(
    databases: Databases, registry: Database
) -> None:
    make(registry, TODAY)
    found = catalogue(databases.owner)

    assert partition(TODAY) in found.tenant_tables
    assert found.faults() == []


def test_a_partition_made_at_run_time_grants_nothing_to_any_role(databases: Databases, registry: Database) -> None:
    make(registry, TODAY)
    sql = (
        "select r.rolname || ' ' || p.privilege as granted from pg_roles r cross join unnest(array['select', 'insert', "
        f"'update', 'delete', 'truncate']) as p(privilege) where has_table_privilege(r.oid, 'app.{partition(TODAY)}', "
        "p.privilege) and not r.rolsuper and r.rolname !~ '^pg_' and r.rolname <> 'app_owner'"
    )
    columns = (
        "select a.attname from pg_attribute a "
        f"where a.attrelid = 'app.{partition(TODAY)}'::regclass and a.attacl is not null"
    )

    assert rows(databases.owner, sql) == []
    assert rows(databases.owner, columns) == []


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reads_a_partition_past_its_parent(databases: Databases, role: str) -> None:
    fill_tenant(databases, "tenant-a")

    assert refused(lambda: rows(databases.of(role), f"select 1 from app.{partition(TODAY)}", "tenant-a")) == REFUSED


def test_a_day_that_is_made_twice_is_there_once(databases: Databases, registry: Database) -> None:
    make(registry, TODAY)
    make(registry, TODAY)

    assert partitions(databases.owner) == [partition(TODAY)]


def test_a_day_that_is_made_by_four_at_once_is_there_once(databases: Databases) -> None:
    faults: list[BaseException] = []

    def work() -> None:
        database = Database(databases.registry)
        try:
            make(database, TODAY)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            faults.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (faults, partitions(databases.owner)) == ([], [partition(TODAY)])


def test_a_day_is_made_beside_an_open_reader_and_writer_of_another_day(
    databases: Databases, registry: Database
) -> None:
    """Neither waits for the other: the test would end with a timeout of 3 seconds."""
    make(registry, TODAY)
    other = Database(databases.registry)
    with registry.tenant("tenant-a") as tx:
        at = datetime.now(UTC)
        tx.execute(_INSERT, day=at.date(), execution_id=new_execution_id(at), at=at)
        assert len(tx.rows("select 1 from app.extension_execution_log")) == 1
        make(other, TODAY + timedelta(days=1))
    other.close()

    assert len(partitions(databases.owner)) == 2


@pytest.mark.parametrize(("days", "state"), [(-16, "22023"), (3, "22023")])
def test_a_day_far_from_today_is_not_made(registry: Database, days: int, state: str) -> None:
    assert refused(lambda: make(registry, TODAY + timedelta(days=days))) == state


@pytest.mark.parametrize("days", [-14, 1])
def test_a_day_of_the_latest_message_of_a_queue_is_made(registry: Database, days: int) -> None:
    make(registry, TODAY + timedelta(days=days))
    insert(registry, TODAY + timedelta(days=days))


@pytest.mark.parametrize("function", ["app.create_day(current_date)", "app.make_day(current_date)",
                                      "app.remove_day('extension_execution_log', '2020-01-01')",
                                      "app.tenants_with_due(now(), now(), 10)"])  # fmt: skip
@pytest.mark.parametrize("role", ["fn_gateway", "fn_runner"])
def test_the_functions_of_days_are_refused_to_other_roles(databases: Databases, role: str, function: str) -> None:
    assert refused(lambda: rows(databases.of(role), f"select {function}")) == REFUSED


def test_the_recorders_role_cannot_make_a_day_past_the_check(databases: Databases) -> None:
    assert refused(lambda: rows(databases.registry, "select app.create_day('1999-01-01')")) == REFUSED


# The day of a row


def test_a_row_without_its_day_is_refused_and_not_lost_in_a_default_partition(registry: Database) -> None:
    assert refused(lambda: insert(registry, TODAY)) == "23514"


def test_a_row_is_refused_on_another_day_than_that_of_its_id(registry: Database) -> None:
    yesterday = TODAY - timedelta(days=1)
    make(registry, TODAY)
    made = new_execution_id(datetime(yesterday.year, yesterday.month, yesterday.day, 12, tzinfo=UTC))

    assert refused(lambda: insert(registry, TODAY, made)) == "23514"


def test_the_day_of_an_older_id_is_that_of_its_acceptance(registry: Database) -> None:
    yesterday = TODAY - timedelta(days=1)
    make(registry, TODAY)
    make(registry, yesterday)
    insert(registry, TODAY, str(uuid.uuid4()), datetime.now(UTC))

    assert refused(lambda: insert(registry, yesterday, str(uuid.uuid4()), datetime.now(UTC))) == "23514"


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-01T00:00:00+00:00", date(2026, 3, 1)),
        ("2026-03-01T23:59:59.999+00:00", date(2026, 3, 1)),
        ("2026-03-02T00:30:00+05:00", date(2026, 3, 1)),
        ("1970-01-01T00:00:00+00:00", date(1970, 1, 1)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_the_day_of_an_id_is_that_of_utc_in_any_session(
    databases: Databases, instant: str, day: date, zone: str
) -> None:
    made = new_execution_id(datetime.fromisoformat(instant))
    database = Database(databases.registry)
    with database.system() as tx:
        tx.script(f"set local timezone = '{zone}'")
        found = tx.one("select app.execution_day(cast(:id as uuid)) as day", id=made)
    database.close()

    assert found["day"] == day


# Removed


def test_a_day_is_emptied_first_and_dropped_later(databases: Databases, owner: Database, registry: Database) -> None:
    old = TODAY - timedelta(days=20)
    create_day(owner, old)
    insert(registry, old)

    assert [remove(registry, old) for _ in range(3)] == ["emptied", "dropped", None]
    assert partitions(databases.owner) == []


def test_a_day_that_may_still_get_messages_is_not_removed(registry: Database) -> None:
    day = TODAY - timedelta(days=14)
    make(registry, day)

    assert refused(lambda: remove(registry, day)) == "22023"


def test_only_partitions_are_removed(registry: Database) -> None:
    with registry.system() as tx:
        found = tx.one("select app.remove_day('extension_quota_usage', '2020-01-01') as did")

    assert found["did"] is None


def test_a_removal_gives_up_beside_a_reader_who_is_not_disturbed(
    databases: Databases, owner: Database, registry: Database
) -> None:
    old = TODAY - timedelta(days=20)
    create_day(owner, old)
    insert(registry, old)
    reader, writer = Database(databases.registry), Database(databases.registry)
    make(registry, TODAY)

    with reader.tenant("tenant-a") as tx:
        assert len(tx.rows("select 1 from app.extension_execution_log")) == 1
        assert refused(lambda: remove(registry, old)) == "55P03"
        insert(writer, TODAY)
        assert len(tx.rows("select 1 from app.extension_execution_log")) == 2
    reader.close()
    writer.close()

    assert remove(registry, old) == "emptied"


# Rows of before


def test_rows_of_before_get_their_days_and_outcomes(postgres_server: str, tmp_path: Path) -> None:
    name = f"former_{uuid.uuid4().hex[:8]}"
    database = Database(make_database(postgres_server, name), 60_000)
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("0*.sql"):
        if path.name >= "0025":
            path.unlink()
    try:
        migrate(database, tmp_path, {})
        with database.system() as tx:
            tx.script(_FORMER)
        migrate(database, MIGRATIONS, {})
        with database.system() as tx:
            found = tx.rows("select tenant_id, day, outcome from app.extension_execution_log order by request_id")
    finally:
        database.close()
        drop_database(postgres_server, name)

    first, second = date(2026, 3, 1), date(2026, 3, 2)
    assert [tuple(row.values()) for row in found] == [
        ("tenant-a", first, "ok"), ("tenant-b", second, "guest_error"), ("tenant-a", first, "timeout"),
        ("tenant-a", first, "out_of_memory"), ("tenant-a", first, "platform_error"), ("tenant-a", first, "unknown"),
    ]  # fmt: skip


_FORMER = """
insert into app.extension_execution_log
  (tenant_id, execution_id, install_id, extension_id, version_id, content_hash, request_id, trace_id, method, path,
   principal, state, accepted_at, finished_at, status, error_code)
select tenant, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'h', n, 't', 'GET', '/', 'p',
       case when status is null then 'accepted' else 'finished' end, at::timestamptz,
       case when status is not null then at::timestamptz end, status, code
from (values (1, 'tenant-a', '2026-03-01T23:59:59Z', 200, null), (2, 'tenant-b', '2026-03-02T00:00:00Z', 500, null),
             (3, 'tenant-a', '2026-03-01T00:00:00Z', 504, 'guest_timeout'),
             (4, 'tenant-a', '2026-03-01T00:00:00Z', 502, 'guest_out_of_memory'),
             (5, 'tenant-a', '2026-03-01T00:00:00Z', 503, 'runner_unavailable'),
             (6, 'tenant-a', '2026-03-01T00:00:00Z', null, null)) as given (n, tenant, at, status, code)
"""
