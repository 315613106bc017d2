"""The recorder: one row a call, whatever order and however often its messages come."""

import itertools
from datetime import date
from typing import Any

import pytest

from alga_ext.calls.envelope import Usage
from alga_ext.calls.limits import PRODUCT, TENANT_AS_INSTALL
from alga_ext.calls.messages import BreakerState, ExecutionAccepted, ExecutionFinished, Message, PrepareMessage
from alga_ext.edge.batches import answer_whole_batch
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.records.recording import Recorder
from tests.conftest import Databases
from tests.support.documented import recent_batch
from tests.support.registry import RegistryWorld, sqs_event
from tests.support.rows import create_day

IDENTITY = {
    "execution_id": "00000000-0000-0000-0000-00000000000e",
    "tenant_id": "tenant-a",
    "install_id": "00000000-0000-0000-0000-00000000000a",
    "extension_id": "00000000-0000-0000-0000-00000000000b",
    "version_id": "00000000-0000-0000-0000-00000000000c",
    "content_hash": "sha256:" + "0" * 64,
    "request_id": "request",
    "trace_id": "0" * 32,
    "method": "GET",
    "path": "/notes/7",
    "path_template": "/notes/:id",
    "principal": "user",
}


def accepted(**changes: Any) -> ExecutionAccepted:
    return ExecutionAccepted(**{**IDENTITY, "at": "2026-03-01T10:00:00+00:00", **changes})


def finished(**changes: Any) -> ExecutionFinished:
    given = {
        **IDENTITY,
        "accepted_at": "2026-03-01T10:00:00+00:00",
        "at": "2026-03-01T10:00:01+00:00",
        "status": 200,
        "usage": Usage(duration_ms=12.5, cpu_ms=3.0, host_calls={"storage.get": 2}),
    }
    return ExecutionFinished(**{**given, **changes})


def record(database: Database, *messages: Message) -> None:
    """Record messages in one batch, or raise the first error."""
    failed = Recorder(database, PRODUCT).record(messages)
    for error in failed.values():
        raise error


def make_march(databases: Databases) -> None:
    """Make the days that these tests use. The recorder itself makes only those near today."""
    owner = Database(databases.owner)
    for day in (date(2026, 3, 1), date(2026, 3, 2), date(2026, 4, 1)):
        create_day(owner, day)
    owner.close()


@pytest.fixture
def database(databases: Databases) -> Any:
    make_march(databases)
    made = Database(databases.registry)
    yield made
    made.close()


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    with database.tenant("tenant-a") as tx:
        return tx.rows(f"select * from app.{table} order by 1, 2, 3")


def totals(database: Database) -> list[dict[str, Any]]:
    """Totals of installs; those of the whole tenant are looked at by other tests."""
    return [row for row in rows(database, "extension_quota_usage") if str(row["install_id"]) != TENANT_AS_INSTALL]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_messages_in_any_order_and_twice_make_one_finished_row(database: Database, order: tuple[int, ...]) -> None:
    messages: list[Message] = [accepted(), accepted(), finished(), finished()]

    for index in order:
        record(database, messages[index])

    (row,) = rows(database, "extension_execution_log")
    assert (row["state"], row["status"], row["host_calls"]) == ("finished", 200, {"storage.get": 2})
    assert [usage["calls"] for usage in totals(database)] == [1, 1]


def test_a_call_whose_outcome_was_lost_says_so(database: Database) -> None:
    record(database, accepted())

    (row,) = rows(database, "extension_execution_log")
    assert (row["state"], row["status"]) == ("accepted", None)


def test_a_failed_call_counts_as_failed(database: Database) -> None:
    record(database, finished(status=502, error_code="guest_trapped"))

    assert [usage["failed_calls"] for usage in totals(database)] == [1, 1]


def test_totals_are_kept_for_the_day_and_the_month(database: Database) -> None:
    record(database, finished())

    assert [usage["period"] for usage in totals(database)] == ["2026-03", "2026-03-01"]


def test_a_bad_message_fails_alone(world: RegistryWorld) -> None:
    make_march(world.databases)
    event = sqs_event("not a message", finished())

    answer = answer_whole_batch(event, "recorder", Recorder(world.services.database, PRODUCT).record)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(world.rows("select 1 from app.extension_execution_log")) == 1


def test_a_documented_batch_is_recorded_whole(world: RegistryWorld) -> None:
    handle = Recorder(world.services.database, PRODUCT).record

    assert answer_whole_batch(recent_batch(), "recorder", handle) == {"batchItemFailures": []}
    (row,) = world.rows("select state, status, request_id from app.extension_execution_log")
    assert (row["state"], row["status"], row["request_id"]) == ("finished", 200, "JKJaXmPLvHcESHA=")


def test_one_tenants_record_is_not_another_tenants(database: Database) -> None:
    record(database, finished(tenant_id="tenant-b"))

    assert rows(database, "extension_execution_log") == []


def test_every_field_of_both_messages_is_recorded(database: Database) -> None:
    usage = Usage(
        duration_ms=12.5,
        cpu_ms=3.25,
        memory_peak_bytes=7,
        fuel=11,
        egress_bytes=13,
        host_calls={"storage.get": 2},
        log_bytes=19,
    )
    record(database, accepted())
    record(
        database,
        finished(
            status=503,
            error_code="guest_timeout",
            usage=usage,
            response_bytes=17,
            attempts=3,
            breaker=BreakerState.OPEN,
        ),
    )

    (row,) = rows(database, "extension_execution_log")
    found = {name: str(row[name]) for name in IDENTITY}
    assert found == IDENTITY
    assert (row["status"], row["error_code"], row["response_bytes"]) == (503, "guest_timeout", 17)
    assert (row["attempts"], row["breaker"]) == (3, "open")
    assert (row["duration_ms"], row["cpu_ms"], row["memory_peak_bytes"]) == (12.5, 3.25, 7)
    assert (row["fuel"], row["egress_bytes"], row["log_bytes"]) == (11, 13, 19)
    assert row["host_calls"] == {"storage.get": 2}
    assert (row["accepted_at"].second, row["finished_at"].second) == (0, 1)


def test_a_call_that_was_never_accepted_has_the_instant_that_its_end_names(database: Database) -> None:
    record(database, finished())

    (row,) = rows(database, "extension_execution_log")
    assert (row["accepted_at"].second, row["finished_at"].second) == (0, 1)


@pytest.mark.parametrize(
    ("status", "error_code", "failed"),
    [(200, None, 0), (404, None, 0), (499, None, 0), (500, None, 1), (501, None, 1), (200, "guest_trapped", 1)],
)
def test_a_call_fails_by_its_error_or_its_status(
    database: Database, status: int, error_code: str | None, failed: int
) -> None:
    record(database, finished(status=status, error_code=error_code))

    assert [usage["failed_calls"] for usage in totals(database)] == [failed] * 2


def test_totals_of_two_calls_are_added_and_those_of_another_install_are_apart(database: Database) -> None:
    other_install = "00000000-0000-0000-0000-0000000000aa"
    usage = Usage(duration_ms=10, cpu_ms=2, egress_bytes=100)
    for number, install_id in enumerate([IDENTITY["install_id"], IDENTITY["install_id"], other_install]):
        call = f"00000000-0000-0000-0000-00000000000{number}"
        record(database, finished(execution_id=call, install_id=install_id, usage=usage, status=500 + number))

    counted = {
        (str(row["install_id"]), row["period"]): (
            row["calls"], row["failed_calls"], row["duration_ms"], row["cpu_ms"], row["egress_bytes"]
        )
        for row in totals(database)
    }  # fmt: skip
    first, second = (2, 2, 20, 4, 200), (1, 1, 10, 2, 100)
    assert counted == {
        (install_id, period): first if install_id == IDENTITY["install_id"] else second
        for install_id in (IDENTITY["install_id"], other_install)
        for period in ("2026-03", "2026-03-01")
    }


def test_another_call_stays_as_it_is(database: Database) -> None:
    other = "00000000-0000-0000-0000-0000000000ff"
    record(database, accepted())
    record(database, accepted(execution_id=other))

    record(database, finished())

    states = {str(row["execution_id"]): row["state"] for row in rows(database, "extension_execution_log")}
    assert states == {IDENTITY["execution_id"]: "finished", other: "accepted"}


def test_the_same_call_of_another_tenant_stays_as_it_is(database: Database) -> None:
    record(database, accepted(tenant_id="tenant-b"))
    record(database, accepted())

    record(database, finished(tenant_id="tenant-b"))

    assert [row["state"] for row in rows(database, "extension_execution_log")] == ["accepted"]
    assert rows(database, "extension_quota_usage") == []


def test_a_message_of_another_queue_is_refused(database: Database) -> None:
    with pytest.raises(PlatformError) as refused:
        record(database, PrepareMessage(version_id="v", content_hash="h"))
    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize(("message", "state"), [(accepted(), "accepted"), (finished(), "finished")])
def test_the_recorder_knows_both_kinds_of_message(database: Database, message: Message, state: str) -> None:
    record(database, message)

    assert [row["state"] for row in rows(database, "extension_execution_log")] == [state]
