"""Messages about executions as rows: one for each execution, whatever comes twice or in another order."""

import itertools
from datetime import date
from typing import Any

import pytest

from alga_ext.calls.envelope import RefusedCall, Usage
from alga_ext.calls.messages import BreakerState, ExecutionAccepted, ExecutionFinished
from alga_ext.errors import PlatformError
from functions.registry.records.execution_rows import COLUMNS, SET_AT_END, ExecutionMessage, day_of, merged

ID = "019ca6d1-7800-7000-8000-000000000001"
RANDOM_ID = "9b2d7a6e-0000-4000-8000-000000000001"
IDENTITY = {
    "execution_id": ID,
    "tenant_id": "tenant-a",
    "install_id": "i",
    "extension_id": "e",
    "version_id": "v",
    "content_hash": "h",
    "request_id": "r",
    "trace_id": "t",
    "method": "GET",
    "path": "/notes/7",
    "path_template": "/notes/:id",
    "principal": "user",
}
AT = "2026-03-01T10:00:00+00:00"


def accepted(**changes: Any) -> ExecutionAccepted:
    return ExecutionAccepted(**{**IDENTITY, "at": AT, **changes})


def finished(**changes: Any) -> ExecutionFinished:
    given = {**IDENTITY, "accepted_at": AT, "at": "2026-03-01T10:00:01+00:00", "status": 200, "usage": Usage(fuel=3)}
    return ExecutionFinished(**{**given, **changes})


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_messages_of_one_execution_make_one_finished_row(order: tuple[int, ...]) -> None:
    messages: list[ExecutionMessage] = [accepted(), accepted(), finished()]

    (row,) = merged(messages[index] for index in order)

    assert (row["state"], row["status"], row["accepted_at"]) == ("finished", 200, AT)


def test_of_two_ends_the_first_one_counts() -> None:
    (row,) = merged([finished(status=200), finished(status=500)])

    assert row["status"] == 200


def test_an_execution_without_an_end_has_no_outcome() -> None:
    (row,) = merged([accepted()])

    assert (row["state"], row.get("outcome"), row["host_calls"]) == ("accepted", None, {})


def test_each_execution_has_a_row_of_its_own() -> None:
    rows = merged([accepted(), finished(execution_id=RANDOM_ID), accepted(execution_id=RANDOM_ID)])

    assert {row["execution_id"]: row["state"] for row in rows} == {ID: "accepted", RANDOM_ID: "finished"}


def test_a_finished_row_has_every_column() -> None:
    (row,) = merged([finished()])

    assert row.keys() == COLUMNS.keys()


def test_an_accepted_row_has_nothing_that_the_end_sets_but_defaults() -> None:
    (row,) = merged([accepted()])

    assert row.keys() & SET_AT_END.keys() == {"state", "host_calls"}


def test_every_figure_of_the_end_is_in_its_column() -> None:
    refused = RefusedCall(capability="cap:http.fetch", reason="not granted")
    usage = Usage(duration_ms=1.5, cpu_ms=2.5, memory_peak_bytes=3, fuel=4, egress_bytes=5, log_bytes=6,
                  host_calls={"storage.get": 7})  # fmt: skip
    end = finished(status=503, error_code="guest_timeout", usage=usage, response_bytes=8, attempts=9,
                   breaker=BreakerState.OPEN, guest_error="oh", guest_stack="at f", last_refusal=refused)  # fmt: skip

    (row,) = merged([end])

    assert {name: row[name] for name in SET_AT_END} == {
        "state": "finished", "outcome": "timeout", "finished_at": "2026-03-01T10:00:01+00:00", "status": 503,
        "error_code": "guest_timeout", "duration_ms": 1.5, "cpu_ms": 2.5, "memory_peak_bytes": 3, "fuel": 4,
        "egress_bytes": 5, "log_bytes": 6, "host_calls": {"storage.get": 7}, "response_bytes": 8, "attempts": 9,
        "breaker": "open", "guest_error": "oh", "guest_stack": "at f",
        "last_refusal": {"capability": "cap:http.fetch", "reason": "not granted"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("execution_id", "at", "day"),
    [
        ("019ca6b1-dbff-7000-8000-000000000001", AT, date(2026, 2, 28)),
        ("019ca6b1-dc00-7000-8000-000000000001", AT, date(2026, 3, 1)),
        (RANDOM_ID, AT, date(2026, 3, 1)),
        (RANDOM_ID, "2026-03-01T00:30:00+01:00", date(2026, 2, 28)),
        (RANDOM_ID, "2026-03-01T23:30:00-01:00", date(2026, 3, 2)),
    ],
)
def test_the_day_is_that_of_the_id_or_of_the_acceptance(execution_id: str, at: str, day: date) -> None:
    assert day_of(accepted(execution_id=execution_id, at=at)) == day
    assert day_of(finished(execution_id=execution_id, accepted_at=at)) == day


@pytest.mark.parametrize(
    "changes",
    [
        {"execution_id": "x"},
        {"execution_id": "ffffffff-ffff-7fff-bfff-ffffffffffff"},
        {"at": "x"},
        {"at": "2026-03-01T10:00:00"},
        {"execution_id": RANDOM_ID, "at": "0001-01-01T00:00:00+01:00"},
    ],
)
def test_an_id_or_an_instant_that_is_not_valid_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PlatformError) as refused:
        day_of(accepted(**changes))
    assert refused.value.code == "invalid_request"
