"""Executions: the list with its filters and pages, and the whole record of one."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from alga_ext.calls.envelope import Usage
from alga_ext.calls.log_lines import CallLog, KeptLine, pack
from alga_ext.calls.messages import BreakerState
from functions.registry.records import execution_scan, executions
from functions.registry.tenant_sweeping import sweep_tenants
from tests.registry.test_call_logs import AT, EXECUTION, GUEST, LOG, OTHER_INSTALL, execution_id, record, recorded
from tests.registry.test_recorder import IDENTITY, accepted, make_march
from tests.support.registry import Answer, RegistryWorld

SECOND = "2026-03-01T10:00:0{}+00:00"


@pytest.fixture(autouse=True)
def march(world: RegistryWorld) -> None:
    """The days that these tests use. The recorder itself makes only those near today."""
    make_march(world.databases)


def ask(world: RegistryWorld, **query: str | int) -> Answer:
    return world.call("GET", "/executions", world.tenant_viewer(), query=urlencode(query))


def listed(world: RegistryWorld, **query: str | int) -> list[str]:
    """The ids of all pages."""
    found, cursor = list[str](), ""
    while cursor is not None:
        page = ask(world, **query, **({"cursor": cursor} if cursor else {}))
        assert page.status == 200, page
        found += [item["execution_id"] for item in page.body["items"]]
        cursor = page.body["next_cursor"]
    return found


# Filters

ENDS: dict[str, dict[str, Any]] = {
    "ok": {},
    "guest_error": {"status": 500},
    "timeout": {"status": 504, "error_code": "guest_timeout"},
    "out_of_memory": {"status": 502, "error_code": "guest_out_of_memory"},
    "out_of_fuel": {"status": 502, "error_code": "guest_out_of_fuel"},
    "trapped": {"status": 502, "error_code": "guest_trapped"},
    "invalid_response": {"status": 502, "error_code": "guest_invalid_response"},
    "too_large": {"status": 502, "error_code": "response_too_large"},
    "platform_error": {"status": 503, "error_code": "runner_unavailable"},
}


def test_each_outcome_lists_the_calls_that_ended_so(world: RegistryWorld) -> None:
    made = {outcome: record(world, **end) for outcome, end in ENDS.items()}
    now = datetime.now(UTC)
    lost, running = (execution_id((now - timedelta(minutes=minutes)).isoformat()) for minutes in (20, 1))
    for call, minutes in ((lost, 20), (running, 1)):
        recorded(world, accepted(execution_id=call, at=(now - timedelta(minutes=minutes)).isoformat()))
    sweep_tenants(world.services.database, now, timedelta(days=7))

    expected = {outcome: {call} for outcome, call in made.items()} | {"unknown": {lost}, "running": {running}}
    assert {outcome: set(listed(world, outcome=outcome)) for outcome in expected} == expected
    assert set(listed(world, outcome="error")) == {lost, *made.values()} - {made["ok"]}


def test_calls_are_filtered_by_status_and_class_of_status(world: RegistryWorld) -> None:
    ok, missing, gone, broken = (record(world, status=status) for status in (200, 404, 410, 503))

    assert listed(world, status="404") == [missing]
    assert set(listed(world, status="4xx")) == {missing, gone}
    assert listed(world, status="5xx") == [broken]
    assert listed(world, status="2xx") == [ok]
    assert listed(world, status="500") == []


def test_calls_are_filtered_by_caller(world: RegistryWorld) -> None:
    mine, failed = record(world, principal="a b+c,d"), record(world, principal="a b+c,d", status=500)
    record(world, principal="another")

    assert set(listed(world, principal="a b+c,d")) == {mine, failed}
    assert listed(world, principal="a b+c,d", outcome="error") == [failed]


def test_the_beginning_of_a_time_is_in_it_and_its_end_is_not(world: RegistryWorld) -> None:
    calls = [record(world, accepted_at=SECOND.format(second)) for second in range(4)]

    assert listed(world, **{"from": SECOND.format(1), "to": SECOND.format(3)}) == [calls[2], calls[1]]
    assert listed(world, **{"from": SECOND.format(3)}) == [calls[3]]
    assert listed(world, to="2026-03-01T11:00:01+01:00") == [calls[0]]


def test_a_time_goes_over_days(world: RegistryWorld) -> None:
    days = [record(world, accepted_at=f"2026-0{day}T12:00:00+00:00") for day in ("3-01", "3-02", "4-01")]

    assert listed(world, **{"from": "2026-03-02T00:00:00Z", "to": "2026-04-01T12:00:00Z"}) == [days[1]]
    assert listed(world, **{"from": "2026-03-02T00:00:00Z"}) == [days[2], days[1]]


def test_filters_apply_together(world: RegistryWorld) -> None:
    wanted: dict[str, Any] = {
        "install_id": OTHER_INSTALL,
        "principal": "p",
        "status": 502,
        "error_code": "guest_trapped",
    }
    found = record(world, **wanted)
    for name, value in {"install_id": IDENTITY["install_id"], "principal": "q", "error_code": "guest_timeout"}.items():
        record(world, **{**wanted, name: value})

    asked = {"install": OTHER_INSTALL, "principal": "p", "outcome": "trapped", "status": "502"}
    assert listed(world, **asked, **{"from": "2026-03-01T00:00:00Z"}) == [found]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"outcome": "failed"}, "outcome"),
        ({"status": "6xx"}, "status"),
        ({"status": "40"}, "status"),
        ({"principal": ""}, "principal"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-03-01T10:00:00"}, "timezone"),
        ({"to": "2026-13-01T10:00:00Z"}, "to"),
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "is not before to"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(world: RegistryWorld, query: dict[str, str], says: str) -> None:
    answer = ask(world, **query)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert says in answer.body["detail"]


# Pages


@pytest.mark.parametrize(
    "query",
    [{}, {"outcome": "error"}, {"install": OTHER_INSTALL}, {"status": "404"}, {"principal": "user", "status": "502"}],
    ids=str,
)
def test_pages_that_read_few_rows_list_every_call_once_and_in_order(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    for number in range(17):
        install = OTHER_INSTALL if number % 4 == 0 else IDENTITY["install_id"]
        status, code = (502, "guest_trapped") if number % 5 == 0 else (404 if number % 7 == 0 else 200, None)
        day = 1 + number % 2
        at = f"2026-03-0{day}T10:00:{number:02}+00:00"
        record(world, accepted_at=at, install_id=install, status=status, error_code=code)
    whole = listed(world, **query)

    for module in (execution_scan, executions):
        monkeypatch.setattr(module, "DAYS_READ", 1)
        monkeypatch.setattr(module, "ROWS_READ", 3, raising=False)

    assert whole != []
    for page_size in (1, 2, 3, 4):
        assert listed(world, **query, page_size=page_size) == whole


def test_a_page_that_has_read_enough_ends_before_it_is_full(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = record(world, accepted_at=SECOND.format(0), status=404)
    for second in range(1, 6):
        record(world, accepted_at=SECOND.format(second))
    monkeypatch.setattr(executions, "ROWS_READ", 4)

    first = ask(world, status="404").body
    second_page = ask(world, status="404", cursor=first["next_cursor"]).body

    assert first["items"] == []
    assert [item["execution_id"] for item in second_page["items"]] == [oldest]
    assert second_page["next_cursor"] is None


def test_calls_that_come_while_a_list_is_read_move_nothing(world: RegistryWorld) -> None:
    made = [record(world, accepted_at=SECOND.format(second)) for second in range(4)]
    first = ask(world, page_size=2).body

    record(world, accepted_at=SECOND.format(9))
    following = ask(world, page_size=2, cursor=first["next_cursor"]).body

    assert [item["execution_id"] for item in (*first["items"], *following["items"])] == made[::-1]


# One record


def get(world: RegistryWorld, call: str, token: str | None = None) -> Answer:
    return world.call("GET", f"/executions/{call}", token or world.tenant_admin())


def test_the_admin_reads_the_whole_record_of_a_call(world: RegistryWorld) -> None:
    usage = Usage(
        duration_ms=12.5, cpu_ms=3.0, memory_peak_bytes=4_096, fuel=7, egress_bytes=9, log_bytes=5,
        host_calls={"storage.get": 2},
    )  # fmt: skip
    log = CallLog(first=LOG.first[:1], dropped=5, last=LOG.first[1:])
    record(
        world, execution_id=EXECUTION, status=502, error_code="guest_trapped", usage=usage, response_bytes=77,
        attempts=2, breaker=BreakerState.OPEN, logs_b64z=pack(log), **GUEST,
    )  # fmt: skip

    answer = get(world, EXECUTION)

    assert answer.status == 200
    assert answer.body == {
        "execution_id": EXECUTION,
        "install_id": IDENTITY["install_id"],
        "extension_id": IDENTITY["extension_id"],
        "version_id": IDENTITY["version_id"],
        "content_hash": IDENTITY["content_hash"],
        "request_id": "request",
        "trace_id": "0" * 32,
        "method": "GET",
        "path": "/notes/7",
        "path_template": "/notes/:id",
        "principal": "user",
        "state": "finished",
        "outcome": "trapped",
        "accepted_at": "2026-03-01T10:00:00Z",
        "finished_at": "2026-03-01T10:00:01Z",
        "status": 502,
        "error_code": "guest_trapped",
        "duration_ms": 12.5,
        "cpu_ms": 3.0,
        "memory_peak_bytes": 4_096,
        "fuel": 7,
        "egress_bytes": 9,
        "log_bytes": 5,
        "response_bytes": 77,
        "host_calls": {"storage.get": 2},
        "attempts": 2,
        "breaker": "open",
        "guest_error": "no orders",
        "guest_stack": "at total (component.js:1:2)",
        "last_refusal": {"capability": "cap:http.fetch", "reason": "host a.example is not granted"},
        "log_lines": 2,
        "log_lines_dropped": 5,
    }


def test_a_viewer_reads_the_record_without_what_the_guest_wrote(world: RegistryWorld) -> None:
    call = record(world, status=502, error_code="guest_trapped", logs_b64z=pack(LOG), **GUEST)

    answer = get(world, call, world.tenant_viewer())

    assert (answer.body["outcome"], answer.body["log_lines"]) == ("trapped", 2)
    assert [answer.body[name] for name in GUEST] == [None, None, None]
    assert "no orders" not in str(answer.body)


def test_a_running_call_has_a_record_without_an_end(world: RegistryWorld) -> None:
    call = execution_id(AT)
    recorded(world, accepted(execution_id=call))

    body = get(world, call).body

    assert (body["state"], body["outcome"], body["status"], body["log_lines"]) == ("accepted", None, None, 0)


def test_a_call_without_lines_says_so(world: RegistryWorld) -> None:
    with_lines = record(world, logs_b64z=pack(CallLog(first=[KeptLine(1, "info", "guest", "one")])))
    without = record(world)

    assert [get(world, call).body["log_lines"] for call in (with_lines, without)] == [1, 0]


@pytest.mark.parametrize("call", [str(uuid.UUID(int=7)), "019ca8d7-2d00-7000-8000-000000000001", "x", "%27", "usage"])
def test_a_call_that_was_not_made_is_not_found(world: RegistryWorld, call: str) -> None:
    record(world)

    answer = get(world, call)

    assert (answer.status, answer.code) == (404, "execution_not_found")


def test_another_tenants_call_is_not_found(world: RegistryWorld) -> None:
    call = record(world, **GUEST)

    answer = get(world, call, world.tenant_admin("tenant-b"))

    assert (answer.status, answer.code) == (404, "execution_not_found")
