"""The recorder: one row a call, whatever order and however often its messages come."""

import itertools
from functools import partial
from typing import Any

import pytest

from alga_ext.calls.envelope import Usage
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, Message
from alga_ext.edge.batches import answer_batch
from alga_ext.stores.database import Database
from functions.registry.job_services import RecorderServices
from functions.registry.records import recording
from tests.conftest import Databases
from tests.support.registry import Context, RegistryWorld, sqs_event

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
    "path": "/notes",
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


def record(database: Database, message: Message) -> None:
    if isinstance(message, ExecutionAccepted):
        recording.record_accepted(message, database)
    elif isinstance(message, ExecutionFinished):
        recording.record_finished(message, database)


@pytest.fixture
def database(databases: Databases) -> Any:
    made = Database(databases.registry)
    yield made
    made.close()


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    with database.tenant("tenant-a") as tx:
        return tx.rows(f"select * from app.{table} order by 1, 2, 3")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_messages_in_any_order_and_twice_make_one_finished_row(database: Database, order: tuple[int, ...]) -> None:
    messages: list[Message] = [accepted(), accepted(), finished(), finished()]

    for index in order:
        record(database, messages[index])

    (row,) = rows(database, "extension_execution_log")
    assert (row["state"], row["status"], row["host_calls"]) == ("finished", 200, {"storage.get": 2})
    assert [usage["calls"] for usage in rows(database, "extension_quota_usage")] == [1, 1]


def test_a_call_whose_outcome_was_lost_says_so(database: Database) -> None:
    record(database, accepted())

    (row,) = rows(database, "extension_execution_log")
    assert (row["state"], row["status"]) == ("accepted", None)


def test_a_failed_call_counts_as_failed(database: Database) -> None:
    record(database, finished(status=502, error_code="guest_trapped"))

    assert [usage["failed_calls"] for usage in rows(database, "extension_quota_usage")] == [1, 1]


def test_totals_are_kept_for_the_day_and_the_month(database: Database) -> None:
    record(database, finished())

    assert [usage["period"] for usage in rows(database, "extension_quota_usage")] == ["2026-03", "2026-03-01"]


def test_a_bad_message_fails_alone(world: RegistryWorld) -> None:
    event = sqs_event("not a message", finished())

    record = partial(recording.record, services=RecorderServices(world.services.database))
    answer = answer_batch(event, Context(), "recorder", record)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(world.rows("select 1 from app.extension_execution_log")) == 1


def test_one_tenants_record_is_not_another_tenants(database: Database) -> None:
    record(database, finished(tenant_id="tenant-b"))

    assert rows(database, "extension_execution_log") == []
