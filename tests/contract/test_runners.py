"""One set of cases for both ways to a runner: Lambda Invoke and plain HTTP, each against a real server."""

import base64
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from alga_ext.errors import PlatformError, Progress
from alga_ext.stores.aws_api import AwsApi
from functions.gateway.dispatch import RunnerClient, make_runner_client
from tests.support.answering import AnsweringServer, Asked, Reply, answering
from tests.support.refusals import code_of

BODY = b'{"context":{},"http":{"path":"/\xc3\xbc"}}'


class Way:
    """A way to a runner: how to make it, and how its server wraps what the runner answers."""

    def __init__(self, server: AnsweringServer, *, is_lambda: bool) -> None:
        self.server = server
        self.is_lambda = is_lambda
        self.runner: RunnerClient = make_runner_client(
            "lambda://runner" if is_lambda else server.url, AwsApi(os.environ)
        )

    def answers(self, status: int, body: bytes) -> None:
        if not self.is_lambda:
            self.server.answer = lambda _: Reply(status, body)
            return
        event = {"statusCode": status, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        self.server.answer = lambda _: Reply(200, json.dumps(event).encode())

    def run(self, timeout_s: float = 0.5) -> bytes:
        return self.runner.run(BODY, token="t-1", tenant_id="acme", request_id="r-1", timeout_s=timeout_s)


@pytest.fixture(params=["lambda", "http"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, aws: str) -> Iterator[Way]:
    with answering(lambda _: Reply(500)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        yield Way(server, is_lambda=request.param == "lambda")


def failure_of(way: Way) -> tuple[str, object]:
    """The code of a failed attempt, and how far it came."""
    with pytest.raises(PlatformError) as caught:
        way.run()
    return caught.value.code, caught.value.context.get("progress")


def test_the_runners_answer_comes_back_as_it_is(way: Way) -> None:
    way.answers(200, b'{"status":200,"x":"\xc3\xbc"}')

    assert way.run() == b'{"status":200,"x":"\xc3\xbc"}'


def test_the_runner_gets_envelope_token_and_request_id(way: Way) -> None:
    way.answers(200, b"{}")
    way.run()
    (asked,) = way.server.asked

    event: dict[str, Any] = json.loads(asked.body) if way.is_lambda else {}
    headers = event["headers"] if way.is_lambda else asked.headers
    assert (event["rawPath"] if way.is_lambda else asked.path) == "/v1/execute"
    assert (event["body"].encode() if way.is_lambda else asked.body) == BODY
    assert headers["authorization"] == "Bearer t-1"
    assert headers["x-request-id"] == "r-1"
    if way.is_lambda:
        assert asked.headers["x-amz-tenant-id"] == "acme"
        assert asked.path == "/2015-03-31/functions/runner/invocations"


def test_a_call_that_lambda_would_not_carry_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, aws: str
) -> None:
    with answering(lambda _: Reply(500)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        runner = make_runner_client("lambda://runner", AwsApi(os.environ))
        body = b"a" * (6 * 1024 * 1024)

        with pytest.raises(PlatformError) as caught:
            runner.run(body, token="t", tenant_id="acme", request_id="r", timeout_s=5)
        assert (caught.value.code, caught.value.context["progress"]) == ("payload_too_large", Progress.REFUSED)
        assert server.asked == []


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502, 204, 301])
def test_a_runner_that_refuses_is_a_bad_gateway(way: Way, status: int) -> None:
    way.answers(status, b'{"code":"unauthorized","detail":"secret of ours"}' if status != 204 else b"")

    with pytest.raises(PlatformError) as caught:
        way.run()
    assert caught.value.code == "bad_gateway"
    assert "secret of ours" not in caught.value.detail


def test_a_runner_that_is_busy_is_unavailable(way: Way) -> None:
    way.answers(503, b"")

    assert failure_of(way) == ("runner_unavailable", None)


def test_a_runner_that_does_not_answer_in_time_is_a_timeout_and_not_asked_again(way: Way) -> None:
    def slow(_: Asked) -> Reply:
        time.sleep(4)
        return Reply(200, b"{}")

    way.server.answer = slow
    started = time.monotonic()

    assert code_of(way.run) == "gateway_timeout"
    assert time.monotonic() - started < 3
    assert len(way.server.asked) == 1


def test_a_runner_that_hangs_up_is_unavailable_and_not_asked_again(way: Way) -> None:
    way.server.answer = lambda _: Reply(body=None)

    assert failure_of(way) == ("runner_unavailable", Progress.NO_ANSWER)
    assert len(way.server.asked) == 1


def test_a_runner_that_is_not_there_is_unavailable(way: Way) -> None:
    way.server.close()

    assert failure_of(way) == ("runner_unavailable", Progress.NOT_SENT)


def test_an_answer_that_breaks_off_is_unavailable(way: Way) -> None:
    way.server.answer = lambda _: Reply(200, b"{", {"content-length": "100", "connection": "close"})

    assert failure_of(way) == ("runner_unavailable", None)


# Lambda alone


@pytest.fixture
def lambda_server(monkeypatch: pytest.MonkeyPatch, aws: str) -> Iterator[AnsweringServer]:
    with answering(lambda _: Reply(500)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        yield server


def _run() -> bytes:
    return make_runner_client("lambda://runner", AwsApi(os.environ)).run(
        BODY, token="t", tenant_id="acme", request_id="r", timeout_s=0.5
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}",
        b'{"statusCode":"x"}',
        b'{"statusCode":null}',
        b'{"statusCode":200,"body":5}',
        b'{"statusCode":200,"body":"!","isBase64Encoded":true}',
        b'{"body":"x"}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_function_that_answers_no_response_is_a_bad_gateway(lambda_server: AnsweringServer, payload: bytes) -> None:
    lambda_server.answer = lambda _: Reply(200, payload)

    assert code_of(_run) == "bad_gateway"


def test_a_function_that_failed_as_a_whole_is_unavailable(lambda_server: AnsweringServer) -> None:
    lambda_server.answer = lambda _: Reply(200, b'{"errorMessage":"x"}', {"x-amz-function-error": "Unhandled"})

    assert code_of(_run) == "runner_unavailable"


@pytest.mark.parametrize(
    ("status", "progress"),
    [(403, Progress.REFUSED), (404, Progress.REFUSED), (413, Progress.REFUSED), (500, None), (503, None)],
)
def test_a_function_that_cannot_be_invoked_is_unavailable(
    lambda_server: AnsweringServer, status: int, progress: Progress | None
) -> None:
    lambda_server.answer = lambda _: Reply(status, b'{"Message":"x"}', {"x-amzn-errortype": "Refused"})

    with pytest.raises(PlatformError) as caught:
        _run()
    assert (caught.value.code, caught.value.context.get("progress")) == ("runner_unavailable", progress)
    assert len(lambda_server.asked) == 1


def test_a_call_without_credentials_was_not_sent(lambda_server: AnsweringServer) -> None:
    keyless = {name: value for name, value in os.environ.items() if "ACCESS_KEY" not in name}
    elsewhere = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://other.example/"}
    runner = make_runner_client("lambda://runner", AwsApi({**keyless, **elsewhere}))

    with pytest.raises(PlatformError) as caught:
        runner.run(BODY, token="t", tenant_id="acme", request_id="r", timeout_s=0.5)
    assert (caught.value.code, caught.value.context["progress"]) == ("runner_unavailable", Progress.NOT_SENT)
    assert lambda_server.asked == []


@pytest.mark.parametrize(("told", "at_least_s"), [(None, 0), ("soon", 0), ("7", 7), ("0", 1), ("61", 60)])
def test_a_throttled_call_says_how_long_lambda_itself_asks_to_wait(
    lambda_server: AnsweringServer, told: str | None, at_least_s: int
) -> None:
    lambda_server.answer = lambda _: Reply(429, b"{}", {} if told is None else {"retry-after": told})

    with pytest.raises(PlatformError) as caught:
        _run()
    assert (caught.value.context["progress"], caught.value.context["at_least_s"]) == (Progress.REFUSED, at_least_s)


def _refused(server: AnsweringServer, status: int, headers: dict[str, str]) -> tuple[str, object]:
    """The code of a call that Lambda refuses, and the seconds after which the caller may try again."""
    server.answer = lambda _: Reply(status, b'{"Type":"User","Message":"Rate exceeded for tenant acme"}', headers)
    with pytest.raises(PlatformError) as caught:
        _run()
    assert "acme" not in caught.value.detail
    assert len(server.asked) == 1
    return caught.value.code, caught.value.context.get("retry_after_s")


@pytest.mark.parametrize(
    ("asked", "wait_s"),
    [(None, 2), ("7", 7), ("60", 60), ("61", 60), ("99999", 2), ("0", 1), ("-1", 2), ("soon", 2), ("1.5", 2), ("", 2)],
)
def test_a_throttled_call_may_be_tried_again_when_lambda_says(
    lambda_server: AnsweringServer, asked: str | None, wait_s: int
) -> None:
    headers = {"x-amzn-errortype": "TooManyRequestsException"} | ({"retry-after": asked} if asked is not None else {})

    assert _refused(lambda_server, 429, headers) == ("runner_throttled", wait_s)


def test_a_throttled_call_is_told_by_its_status_alone(lambda_server: AnsweringServer) -> None:
    assert _refused(lambda_server, 429, {}) == ("runner_throttled", 2)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (502, "ResourceNotReadyException"),
        (502, "ResourceNotReadyException:http://internal.amazon.com/coral/com.amazonaws.awsgirapi/"),
        (502, "ENILimitReachedException"),
        (502, "EC2ThrottledException"),
        (502, "EC2UnexpectedException"),
        (502, "SubnetIPAddressLimitReachedException"),
        (409, "ResourceConflictException"),
    ],
)
def test_a_runner_that_lambda_restores_is_unavailable_for_ten_seconds(
    lambda_server: AnsweringServer, status: int, kind: str
) -> None:
    assert _refused(lambda_server, status, {"x-amzn-errortype": kind}) == ("runner_unavailable", 10)


@pytest.mark.parametrize("kind", ["EC2AccessDeniedException", "InvalidRuntimeException", ""])
def test_a_runner_that_stays_broken_promises_nothing(lambda_server: AnsweringServer, kind: str) -> None:
    assert _refused(lambda_server, 502, {"x-amzn-errortype": kind}) == ("runner_unavailable", None)


# HTTP alone


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    with answering(lambda _: Reply(200, bytes(9 * 1024 * 1024))) as server:
        runner = make_runner_client(server.url, AwsApi(os.environ))

        assert (
            code_of(lambda: runner.run(b"{}", token="t", tenant_id="a", request_id="r", timeout_s=5))
            == "response_too_large"
        )


def test_connections_are_kept_between_calls() -> None:
    with answering(lambda _: Reply(200, b"{}")) as server:
        runner = make_runner_client(server.url, AwsApi(os.environ))
        for _ in range(3):
            runner.run(b"{}", token="t", tenant_id="a", request_id="r", timeout_s=5)

        assert (len(server.asked), server.connections) == (3, 1)


@pytest.mark.parametrize("url", ["", "runner", "ftp://runner", "lambda://", "file:///etc/passwd"])
def test_a_base_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="RUNNER_BASE_URL"):
        make_runner_client(url, AwsApi(os.environ))
