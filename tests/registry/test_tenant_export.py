"""Export a tenant: the files have what the database has, without secrets, and memory holds one part at a time."""

import gzip
import hashlib
import json
from contextlib import closing
from typing import Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.calls.log_lines import CallLog, KeptLine, compress
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry import sweeping
from functions.registry.tenant_data import export
from functions.registry.tenant_data.tables import ERASED, EXPORTED, KEPT
from tests.registry.test_tenant_erasure import LATER, REFUSED, erase
from tests.support.registry import Answer, RegistryWorld
from tests.support.registry_process import RegistryProcess
from tests.support.rows import fill_tenant

ADD_ENTRIES = """
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value)
select 'tenant-a', '00000000-0000-0000-0000-0000000000a1', 'more', 'k' || i, repeat('v', :size)::bytea
from generate_series(1, cast(:count as int)) i
"""
ADD_EVENTS = """
insert into app.audit_event (tenant_id, actor, action, subject, request_id)
select 'tenant-a', 'a', 'b', 'c', i from generate_series(1, cast(:count as int)) i
"""


@pytest.fixture
def filled(world: RegistryWorld) -> RegistryWorld:
    """Two tenants with a row in every table."""
    fill_tenant(world.databases, "tenant-a")
    fill_tenant(world.databases, "tenant-b")
    return world


def ask(world: RegistryWorld, query: str = "", tenant_id: str = "tenant-a") -> Answer:
    return world.call("GET", f"/tenants/{tenant_id}/export", world.admin, query=query)


def write(world: RegistryWorld) -> None:
    sweeping.do_jobs(world.services.database, world.services.objects, world.services.now(), lambda: 0.0)


def as_owner(world: RegistryWorld, sql: str, **params: Any) -> None:
    with (
        closing(Database(world.databases.owner, statement_timeout_ms=60_000)) as database,
        database.tenant("tenant-a") as tx,
    ):
        tx.execute(sql, **params)


def fetch(url: str) -> bytes:
    with urllib3.PoolManager() as pool:
        got = pool.request("GET", url)
        assert got.status == 200
        return got.data


def lines(world: RegistryWorld) -> dict[str, list[dict[str, Any]]]:
    """Fetch every part of a finished export, check its hash and size, and return the rows by table."""
    found: dict[str, list[dict[str, Any]]] = {}
    query = "page_size=100"
    while query:
        shown = ask(world, query).body
        assert shown["state"] == "done"
        for part in shown["parts"]:
            data = fetch(part["url"])
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (part["sha256"], part["size_bytes"])
            rows = [json.loads(line) for line in gzip.decompress(data).splitlines()]
            assert len(rows) == part["row_count"]
            found.setdefault(part["table_name"], []).extend(rows)
        query = f"page_size=100&cursor={shown['next_cursor']}" if shown["next_cursor"] else ""
    return found


def stored(world: RegistryWorld, tenant_id: str = "tenant-a") -> dict[str, int]:
    counted = ", ".join(f"(select count(*) from app.{t} where tenant_id = '{tenant_id}') as {t}" for t in EXPORTED)
    return {table: int(rows) for table, rows in world.rows(f"select {counted}")[0].items()}


def test_an_export_has_every_table_but_the_operators_receipts() -> None:
    assert set(EXPORTED) == {*ERASED, *KEPT} - {"tenant_erasure", "tenant_export", "tenant_export_part"}


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(entries=st.integers(0, 130), events=st.integers(0, 2_500))
def test_an_export_has_as_many_rows_as_the_database(world: RegistryWorld, entries: int, events: int) -> None:
    for table in EXPORTED:
        as_owner(world, f"delete from app.{table} where tenant_id = 'tenant-a'")
    as_owner(world, "delete from app.tenant_export")
    as_owner(world, "delete from app.tenant_erasure")
    fill_tenant(world.databases, "tenant-a")
    as_owner(world, ADD_ENTRIES, size=10, count=entries)
    as_owner(world, ADD_EVENTS, count=events)
    assert ask(world).body["state"] == "running"

    before = stored(world)
    write(world)

    found = lines(world)
    assert {table: len(rows) for table, rows in found.items()} == before
    assert ask(world).body["counts"] == before
    keys = [entry["key"] for entry in found["extension_storage_entry"]]
    assert len(set(keys)) == len(keys) == entries + 1


def test_the_manifest_lists_every_part_with_its_hash(filled: RegistryWorld) -> None:
    ask(filled)
    write(filled)

    shown = ask(filled).body
    data = fetch(shown["manifest"]["url"])
    assert hashlib.sha256(data).hexdigest() == shown["manifest"]["sha256"]
    manifest = json.loads(data)
    assert manifest["rows"] == shown["counts"]
    assert manifest["parts"] == [{k: v for k, v in part.items() if k != "url"} for part in shown["parts"]]


def test_an_export_has_no_secret(filled: RegistryWorld) -> None:
    as_owner(filled, "update app.extension_install_secret set sealed = 'sealed-canary'")
    ask(filled)
    write(filled)

    (secret,) = lines(filled)["extension_install_secret"]
    assert (secret["name"], "sealed" in secret) == ("s", False)
    assert b"sealed-canary".hex() not in json.dumps(lines(filled))


def test_an_export_has_nothing_of_another_tenant(filled: RegistryWorld) -> None:
    ask(filled)
    write(filled)

    assert {row["tenant_id"] for rows in lines(filled).values() for row in rows} == {"tenant-a"}


def test_log_lines_and_stored_values_can_be_read(filled: RegistryWorld) -> None:
    log = compress(CallLog(first=[KeptLine(1, "info", "guest", "héllo")]))
    as_owner(filled, "update app.extension_execution_lines set lines = decode(:hex, 'hex')", hex=log.hex())
    ask(filled)
    write(filled)

    found = lines(filled)
    assert found["extension_execution_lines"][0]["lines"] == [[1, "info", "guest", "héllo"]]
    assert found["extension_storage_entry"][0]["value"] == "v"


def test_an_export_says_which_lines_are_missing_and_why(filled: RegistryWorld) -> None:
    line = KeptLine(1, "info", "guest", "a")
    for log, says in (
        (CallLog(first=[line], dropped=7, last=[line]), (7, 1, "call_limit")),
        (CallLog(dropped=7, over_day_limit=True), (7, 0, "day_limit")),
        (CallLog(first=[line]), (0, 1, None)),
    ):
        update = "update app.extension_execution_lines set lines = decode(:hex, 'hex'), dropped = :dropped"
        as_owner(filled, update, hex=compress(log).hex(), dropped=log.dropped)
        ask(filled, "again=true")
        write(filled)

        (row,) = lines(filled)["extension_execution_lines"]
        assert (row["dropped"], row["dropped_after"], row["dropped_for"]) == says


def test_large_tables_are_written_in_parts_that_memory_can_hold(
    filled: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_PART_BYTES", 100_000)
    as_owner(filled, ADD_ENTRIES, size=10_000, count=130)
    ask(filled)
    write(filled)

    parts = [part for part in ask(filled).body["parts"] if part["table_name"] == "extension_storage_entry"]
    assert [part["row_count"] for part in parts] == [50, 50, 31]


def test_an_export_is_shown_while_it_can_be_fetched(filled: RegistryWorld) -> None:
    first = ask(filled).body["export_id"]
    write(filled)

    assert ask(filled).body["export_id"] == first


def test_another_export_takes_the_place_of_one_that_is_done(filled: RegistryWorld) -> None:
    first = ask(filled).body["export_id"]
    assert ask(filled, "again=true").body["export_id"] == first  # it is still running
    write(filled)

    again = ask(filled, "again=true").body
    assert (again["export_id"] != first, again["state"], again["parts"]) == (True, "running", [])


def test_an_expired_export_is_not_shown(filled: RegistryWorld) -> None:
    first = ask(filled).body["export_id"]
    write(filled)
    as_owner(filled, "update app.tenant_export set expires_at = now()")

    again = ask(filled).body
    assert (again["export_id"] != first, again["state"]) == (True, "running")


def test_a_tenant_is_not_erased_while_it_is_exported(filled: RegistryWorld) -> None:
    ask(filled)

    refused = erase(filled)

    assert (refused.status, refused.code) == (409, "export_running")
    write(filled)
    assert erase(filled).status == 202


def test_an_export_that_never_ends_does_not_prevent_an_erasure(filled: RegistryWorld) -> None:
    ask(filled)
    as_owner(filled, "update app.tenant_export set requested_at = requested_at - interval '1 day'")

    assert erase(filled).status == 202


def test_a_tenant_is_not_exported_while_it_is_erased(filled: RegistryWorld) -> None:
    erase(filled)

    refused = ask(filled)

    assert (refused.status, refused.code) == (409, "tenant_being_erased")


def test_an_export_can_be_fetched_after_the_tenant_was_erased(filled: RegistryWorld) -> None:
    ask(filled)
    write(filled)
    before = lines(filled)
    erase(filled)

    now = filled.services.now() + LATER
    sweeping.do_jobs(filled.services.database, filled.services.objects, now, lambda: 0.0)

    assert lines(filled) == before


def test_an_export_is_recorded_in_the_audit_trail(filled: RegistryWorld) -> None:
    ask(filled)

    (row,) = filled.rows("select actor, action from app.audit_event where action = 'tenant.export'")
    assert row == {"actor": "platform", "action": "tenant.export"}


def test_without_an_export_no_table_can_be_read_through_its_function(filled: RegistryWorld) -> None:
    ask(filled, tenant_id="tenant-b")

    with pytest.raises(PlatformError) as refusal, filled.services.database.tenant("tenant-a") as tx:
        tx.execute("select * from app.export_rows('call_idempotency', null, 1)")
    assert refusal.value.context["sqlstate"] == REFUSED


@pytest.mark.parametrize("table", ["publisher", "schema_migration", "none"])
def test_a_table_of_the_platform_cannot_be_read_through_that_function(filled: RegistryWorld, table: str) -> None:
    ask(filled)

    with pytest.raises(PlatformError) as refusal, filled.services.database.tenant("tenant-a") as tx:
        tx.execute("select * from app.export_rows(:table, null, 1)", table=table)
    assert refusal.value.context["sqlstate"] == REFUSED


def test_a_sweeper_that_is_killed_while_it_exports_repeats_one_part_at_most(filled: RegistryWorld) -> None:
    """A sample of the steps."""
    step, killed = 0, True
    with RegistryProcess(filled) as process:
        while killed and step < 2_000:
            step += 67
            before = stored(filled)
            before["audit_event"] += 1  # of the export itself
            before["call_rate"] = 0  # its only bucket is full, and swept before
            ask(filled, "again=true")

            killed = process.answer({}, "sweeper", step) is None
            assert process.answer({}, "sweeper", 10_000) is not None

            found = lines(filled)
            assert {table: len(found.get(table, [])) for table in EXPORTED} == before
    assert step > 100, "an export has more steps than these"
