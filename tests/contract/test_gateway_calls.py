"""One admitted call through a real queue and a real runner server: records first and last, and what the caller gets."""

import base64
import dataclasses
import json
import os
from collections.abc import Iterator

import msgspec
import pytest

from alga_ext.calls.envelope import (
    ExecuteError,
    ExecuteResponse,
    GuestReport,
    RefusedCall,
    Usage,
    encode,
)
from alga_ext.calls.execution_token import verify_execution_token
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished
from alga_ext.calls.signed_token import TokenKeys
from alga_ext.edge.http import problem
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.trust.signing import PublicKey
from functions.gateway import call
from functions.gateway.refusals import outward
from tests.support.answering import Asked, Reply
from tests.support.call_door import SIGNER, Door, answer, call_door, error


@pytest.fixture
def door(aws: str) -> Iterator[Door]:
    with call_door(EXT_GATEWAY_TIMEOUT_MS="500") as made:
        yield made


EXPLAINED = ExecuteResponse(
    status=502,
    error=ExecuteError(
        code="guest_trapped",
        message="What happened.",
        guest=GuestReport(error="no orders", stack="at total (/component.js:1:2)", stderr="about to count"),
    ),
    refused=RefusedCall(capability="cap:secrets.get", reason="secret KEY is not set"),
)


def test_what_a_guest_reported_is_not_passed_on(door: Door) -> None:
    door.runner_answers(EXPLAINED)

    refused = door.refusal()

    document = json.loads(problem(refused, "r-1")["body"])
    assert document.keys() == {"type", "title", "status", "code", "detail", "instance", "request_id"}
    assert "no orders" not in str(refused)


def test_a_local_platform_passes_on_what_a_guest_reported(door: Door) -> None:
    door.services = dataclasses.replace(door.services, explain_failures=True)
    door.runner_answers(EXPLAINED)

    document = json.loads(problem(door.refusal(), "r-1")["body"])

    assert (document["code"], document["status"]) == ("bad_gateway", 502)
    assert document["guest"] == {
        "error": "no orders",
        "stack": "at total (/component.js:1:2)",
        "stderr": "about to count",
    }
    assert document["refused"] == {"capability": "cap:secrets.get", "reason": "secret KEY is not set"}


def test_what_a_guest_reported_and_its_lines_are_recorded(door: Door) -> None:
    door.runner_answers(msgspec.structs.replace(EXPLAINED, logs_b64z="eNo="))
    door.refusal()

    _, finished = door.records()

    assert (finished.guest_error, finished.guest_stack) == ("no orders", "at total (/component.js:1:2)")
    assert finished.last_refusal == EXPLAINED.refused
    assert finished.logs_b64z == "eNo="


def test_lines_are_recorded_and_not_shown_to_the_caller(door: Door) -> None:
    door.runner_answers(answer(headers={"location": "https://evil.test/", "x-ext-a": "1"}, logs_b64z="eNo="))

    status, headers, body = door.call()

    assert (status, body) == (200, b"hello")
    assert "eNo=" not in str(headers)
    _, finished = door.records()
    assert (finished.logs_b64z, finished.lost_headers) == ("eNo=", ["location"])


def test_an_answer_that_is_too_large_for_the_caller_keeps_its_lines(door: Door) -> None:
    body = base64.b64encode(bytes(4 * 1024 * 1024 + 1)).decode()
    door.runner_answers(answer(body_b64=body, logs_b64z="eNo="))

    assert door.refusal().code == "bad_gateway"
    _, finished = door.records()
    assert (finished.error_code, finished.logs_b64z) == ("response_too_large", "eNo=")


def test_the_guests_answer_passes_through(door: Door) -> None:
    door.runner_answers(answer(status=201, headers={"content-type": "text/plain", "set-cookie": "a=1", "X-Ext-A": "1"}))

    status, headers, body = door.call()

    assert (status, body) == (201, b"hello")
    assert headers == {
        "content-type": "text/plain",
        "x-ext-a": "1",
        "cache-control": "no-store",
        "vary": "authorization",
    }


@pytest.mark.parametrize("status", [200, 204, 301, 400, 404, 418, 500, 599])
def test_a_guests_own_status_passes_through(door: Door, status: int) -> None:
    door.runner_answers(answer(status=status))

    assert door.call()[0] == status


def test_the_accepted_record_is_in_the_queue_before_the_runner_is_asked(door: Door) -> None:
    door.runner_answers(answer())
    door.call()

    assert door.waiting_when_asked == [1]


def test_a_call_leaves_an_accepted_and_a_finished_record_of_one_execution(door: Door) -> None:
    door.runner_answers(answer(usage=Usage(duration_ms=3.5, host_calls={"storage.get": 2})))
    door.call("POST", body=b"x")
    accepted, finished = door.records()

    assert isinstance(accepted, ExecutionAccepted)
    assert isinstance(finished, ExecutionFinished)
    shared = (
        "execution_id",
        "tenant_id",
        "install_id",
        "request_id",
        "trace_id",
        "method",
        "path",
        "principal",
        "content_hash",
    )
    assert [getattr(accepted, name) for name in shared] == [getattr(finished, name) for name in shared]
    assert (finished.status, finished.error_code, finished.response_bytes) == (200, None, 5)
    assert finished.usage.host_calls == {"storage.get": 2}
    assert finished.accepted_at == accepted.at <= finished.at


def test_the_execution_token_allows_exactly_what_was_sent(door: Door) -> None:
    door.runner_answers(answer())
    door.call()
    (asked,) = door.server.asked
    token = asked.headers["authorization"].removeprefix("Bearer ")
    now_s = int(door.services.now().timestamp())

    authorised = verify_execution_token(
        TokenKeys([PublicKey.from_pem(SIGNER.public_pem)]), token, asked.body, now_s=now_s
    )
    authorised.require(door.envelope())

    assert authorised.version_state == "ready"


@pytest.mark.parametrize(
    ("inner", "status", "code", "outer"),
    [
        ("guest_timeout", 504, "gateway_timeout", 504),
        ("runner_unavailable", 503, "runner_unavailable", 503),
        ("guest_trapped", 502, "bad_gateway", 502),
        ("guest_out_of_memory", 502, "bad_gateway", 502),
        ("guest_out_of_fuel", 502, "bad_gateway", 502),
        ("guest_invalid_response", 502, "bad_gateway", 502),
        ("response_too_large", 502, "bad_gateway", 502),
        ("artifact_not_found", 502, "bad_gateway", 502),
        ("artifact_integrity", 502, "bad_gateway", 502),
        ("secret_unavailable", 502, "bad_gateway", 502),
    ],
)
def test_a_platform_error_of_the_runner_becomes_the_doors(
    door: Door, inner: str, status: int, code: str, outer: int
) -> None:
    door.runner_answers(error(inner, status))

    refused = door.refusal()

    assert (refused.code, refused.status) == (code, outer)
    assert door.records()[-1].error_code == inner


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(200, b"<html>"), "bad_gateway"),
        (Reply(200, b"{}"), "bad_gateway"),
        (Reply(401, b"{}"), "bad_gateway"),
        (Reply(503, b"{}"), "runner_unavailable"),
        (Reply(body=None), "runner_unavailable"),
        (Reply(200, b'{"status":200,"body_b64":"!!!"}'), "bad_gateway"),
        (Reply(200, b'{"status":200,"body_b64":"YQ"}'), "bad_gateway"),
        (Reply(200, b'{"status":0}'), "bad_gateway"),
        (Reply(200, b'{"status":101}'), "bad_gateway"),
        (Reply(200, b'{"status":600}'), "bad_gateway"),
        (Reply(200, b'{"status":99999999999999999999}'), "bad_gateway"),
    ],
)
def test_an_answer_that_is_none_still_finishes_the_record(door: Door, reply: Reply, code: str) -> None:
    door.runner_answers(reply)

    assert door.refusal().code == code
    accepted, finished = door.records()
    assert finished.execution_id == accepted.execution_id
    assert finished.error_code == code


def test_a_body_over_the_limit_is_a_bad_gateway_that_says_how_large(door: Door) -> None:
    large = base64.b64encode(bytes(call.RESPONSE_LIMIT_BYTES + 1)).decode()
    door.runner_answers(answer(body_b64=large))

    refused = door.refusal()

    assert refused.code == "bad_gateway"
    assert str(call.RESPONSE_LIMIT_BYTES + 1) in refused.detail


@pytest.mark.parametrize(
    "too_large",
    [
        answer(body_b64=base64.b64encode(bytes(4 * 1024 * 1024 + 1)).decode(), usage=Usage(duration_ms=7)),
        answer(headers={"x-ext-a": "a" * 33_000}, usage=Usage(duration_ms=7)),
        answer(headers={"x-ext-a": ["a" * 1_000] * 33}, usage=Usage(duration_ms=7)),
    ],
)
def test_an_answer_that_is_too_large_is_recorded_as_such_with_what_it_used(
    door: Door, too_large: ExecuteResponse
) -> None:
    door.runner_answers(too_large)

    assert door.refusal().code == "bad_gateway"
    finished = door.records()[-1]
    assert (finished.status, finished.error_code, finished.usage.duration_ms) == (502, "response_too_large", 7)


def test_an_envelope_that_is_too_large_is_recorded_as_such(door: Door) -> None:
    door.runner_answers(Reply(200, b" " * (8 * 1024 * 1024 + 1)))

    assert door.refusal().code == "response_too_large"
    assert door.records()[-1].error_code == "response_too_large"


def test_a_body_of_exactly_the_limit_passes(door: Door) -> None:
    door.runner_answers(answer(body_b64=base64.b64encode(bytes(call.RESPONSE_LIMIT_BYTES)).decode()))

    assert len(door.call()[2]) == call.RESPONSE_LIMIT_BYTES == 4 * 1024 * 1024


def test_nothing_runs_when_the_call_cannot_be_recorded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    door.services = dataclasses.replace(
        door.services, executions=SqsQueue("http://127.0.0.1:1/queue", AwsApi(os.environ))
    )

    assert door.refusal().code == "queue_unavailable"
    assert door.server.asked == []


def test_an_answer_goes_out_even_when_its_end_cannot_be_recorded(door: Door) -> None:
    def answer_and_lose_the_queue(_: Asked) -> Reply:
        door.services.executions._url = "http://127.0.0.1:1/gone"
        return Reply(200, encode(answer()))

    door.runner_answers(answer_and_lose_the_queue)

    assert door.call()[2] == b"hello"
    assert [type(record) for record in door.records()] == [ExecutionAccepted]


@pytest.mark.parametrize("status", [-1, 0, 99, 200, 404, 600, 2**31, 2**70])
@pytest.mark.parametrize(
    ("code", "answered"), [("guest_timeout", 504), ("runner_unavailable", 503), ("guest_trapped", 502), ("new", 502)]
)
def test_a_failure_is_recorded_with_the_status_that_the_caller_gets(
    door: Door, code: str, answered: int, status: int
) -> None:
    door.runner_answers(Reply(200, json.dumps({"status": status, "error": {"code": code, "message": "m"}}).encode()))

    assert door.refusal().status == answered
    finished = door.records()[-1]
    assert (finished.status, finished.error_code) == (answered, code)


def test_a_long_message_of_the_runner_is_cut_off(door: Door) -> None:
    error = {"code": "guest_trapped", "message": "\U0001f600" * 1_000_000}
    door.runner_answers(Reply(200, json.dumps({"status": 502, "error": error}, ensure_ascii=False).encode()))

    assert len(door.refusal().detail) < 5_000


class _Failing:
    """A client whose library raises what nobody expected."""

    def run(self, body: bytes, *, token: str, tenant_id: str, request_id: str, timeout_s: float) -> bytes:  # noqa: ARG002 - the names of RunnerClient
        raise OverflowError


def test_a_fault_of_the_platform_finishes_the_record_of_its_call(door: Door) -> None:
    door.services = dataclasses.replace(door.services, runner=_Failing())

    with pytest.raises(OverflowError):
        door.call()
    accepted, finished = door.records()
    assert finished.execution_id == accepted.execution_id
    assert (finished.status, finished.error_code) == (500, "internal")


def test_an_answer_that_is_too_large_is_recorded_with_the_status_that_the_caller_gets(door: Door) -> None:
    door.runner_answers(Reply(200, b" " * (8 * 1024 * 1024 + 1)))

    assert outward(door.refusal()).status == door.records()[-1].status == 502


@pytest.mark.parametrize("path", ["a\0b", "\uffff", "a\x1b[0m", "ü" * 3000, "a b"])
def test_a_path_is_recorded_in_a_form_that_any_store_keeps(door: Door, path: str) -> None:
    door.runner_answers(answer())
    door.call(path=f"/api/ext/acme.notes/notes/{path}")

    recorded = door.records()[0].path
    assert recorded.isascii()
    assert recorded.isprintable()
    assert len(recorded) <= 2048


def test_the_callers_trace_is_followed(door: Door) -> None:
    door.runner_answers(answer())
    door.call(headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})

    assert {record.trace_id for record in door.records()} == {"ab" * 16}
    assert str(door.envelope().http.headers["traceparent"]).startswith(f"00-{'ab' * 16}-")


def test_a_redirect_comes_back_below_the_name_the_caller_used(door: Door) -> None:
    door.runner_answers(answer(status=303, headers={"location": "/notes/1"}))

    assert door.call()[1]["location"] == "/api/ext/acme.notes/notes/1"


@pytest.mark.parametrize(
    ("location", "public"), [("1", "/api/ext/acme.notes/1"), ("?page=2", "/api/ext/acme.notes/notes?page=2")]
)
def test_a_relative_redirect_is_resolved_on_the_path_of_the_call(door: Door, location: str, public: str) -> None:
    door.runner_answers(answer(status=303, headers={"location": location}))

    assert door.call()[1]["location"] == public


def test_records_are_plain_json(door: Door) -> None:
    door.runner_answers(answer())
    door.call()

    assert json.dumps([record.principal for record in door.records()]) == '["user-1", "user-1"]'
