"""Deadline, retries and circuit breaker of a call, with a real queue and a real runner server."""

import dataclasses
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteResponse, decode_request, encode
from alga_ext.calls.messages import BreakerState
from alga_ext.edge.http import problem
from alga_ext.errors import PlatformError
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from functions.gateway.breaker import FAILURES, OPEN_S
from functions.gateway.dispatch import make_runner_client
from tests.support.answering import AnsweringServer, Asked, Reply
from tests.support.call_door import Door, answer, call_door, error

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
THROTTLED = Reply(429, b"{}", {"x-amzn-errortype": "TooManyRequestsException"})
HANGS_UP = Reply(body=None)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def door(aws: str) -> Iterator[Door]:
    with call_door() as made:
        yield made


@pytest.fixture
def by_lambda(door: Door, monkeypatch: pytest.MonkeyPatch) -> Door:
    """The door with a runner that is a Lambda function."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", door.server.url)
    runner = make_runner_client("lambda://runner", AwsApi(os.environ))
    door.services = dataclasses.replace(door.services, runner=runner)
    return door


def save_up(door: Door) -> None:
    """Let the process have made so many calls that every retry is within its budget."""
    for _ in range(100):
        door.services.retries.count_call()


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    """Answers with one reply after the other; the last one is repeated."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def late(_: Asked) -> Reply:
    """Answers when no call waits any longer."""
    time.sleep(4)
    return Reply(200)


def invoked(response: ExecuteResponse) -> Reply:
    """What Lambda answers for a runner that answers."""
    event = {"statusCode": 200, "body": encode(response).decode(), "isBase64Encoded": False}
    return Reply(200, json.dumps(event).encode())


def finished(door: Door) -> Any:
    """The finished record of the last call."""
    return door.records()[-1]


def timeouts_ms(server: AnsweringServer) -> list[int]:
    """The time limits that the runner was given."""
    return [decode_request(asked.body).limits.timeout_ms or 0 for asked in server.asked]


def nowhere() -> str:
    """A URL at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


# The deadline


def with_slow_queue(door: Door, takes_s: float) -> None:
    """Let the queue's acknowledgement take so many seconds of the call's clock."""
    clock = Clock()

    class SlowQueue(SqsQueue):
        def send(self, body: bytes, group: str) -> None:
            super().send(body, group)
            clock.now_s += takes_s

    queue = SlowQueue(door.environment["EXECUTIONS_QUEUE_URL"], AwsApi(os.environ))
    door.services = dataclasses.replace(door.services, monotonic_s=clock, executions=queue)


def test_the_guest_gets_what_the_accepted_record_has_left_of_the_time(door: Door) -> None:
    with_slow_queue(door, takes_s=2)
    door.runner_answers(answer())
    door.call()

    assert timeouts_ms(door.server) == [3_000]


def test_a_call_whose_time_passed_before_it_was_sent_is_a_timeout_and_does_not_run(door: Door) -> None:
    with_slow_queue(door, takes_s=6)
    door.runner_answers(answer())

    refused = door.refusal()

    assert refused.code == "gateway_timeout"
    assert "5000 ms" in refused.detail
    assert door.server.asked == []
    done = finished(door)
    assert (done.attempts, done.error_code, done.breaker) == (0, "gateway_timeout", CLOSED)


def test_a_retry_gets_only_what_is_left_of_the_time(door: Door) -> None:
    save_up(door)
    clock = Clock()
    door.services = dataclasses.replace(door.services, monotonic_s=clock)

    def hang_up_after_a_second(_: Asked) -> Reply:
        clock.now_s += 1
        return HANGS_UP if len(door.server.asked) < 3 else Reply(200, encode(answer()))

    door.server.answer = hang_up_after_a_second
    assert door.call()[2] == b"hello"

    assert timeouts_ms(door.server) == [5_000, 4_000, 3_000]


def test_with_too_little_time_left_there_is_no_retry(door: Door) -> None:
    save_up(door)
    clock = Clock()
    door.services = dataclasses.replace(door.services, monotonic_s=clock)

    def hang_up_at_the_end(_: Asked) -> Reply:
        clock.now_s += 4.95
        return HANGS_UP

    door.server.answer = hang_up_at_the_end

    assert door.refusal().code == "runner_unavailable"
    assert len(door.server.asked) == 1


def test_a_runner_behind_lambda_is_waited_for_until_the_calls_own_deadline(by_lambda: Door) -> None:
    by_lambda.server.answer = late

    assert by_lambda.refusal(installed={"timeout_ms": 50}).code == "gateway_timeout"


# Retries


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_call_that_reads_is_sent_again_when_the_runner_hangs_up(door: Door, method: str) -> None:
    save_up(door)
    door.server.answer = in_turn(HANGS_UP, Reply(200, encode(answer())))

    assert door.call(method)[0] == 200
    accepted, done = door.records()
    assert (len(door.server.asked), done.attempts) == (2, 2)
    assert accepted.execution_id == done.execution_id


def test_a_call_is_sent_at_most_three_times(door: Door) -> None:
    save_up(door)
    door.server.answer = lambda _: HANGS_UP

    assert door.refusal().code == "runner_unavailable"
    assert (len(door.server.asked), finished(door).attempts) == (3, 3)


def test_each_attempt_has_a_token_of_its_own_because_a_runner_takes_one_only_once(door: Door) -> None:
    save_up(door)
    door.server.answer = in_turn(HANGS_UP, HANGS_UP, Reply(200, encode(answer())))
    door.call()

    assert len({asked.headers["authorization"] for asked in door.server.asked}) == 3


def test_a_throttled_call_that_reads_is_sent_again(by_lambda: Door) -> None:
    save_up(by_lambda)
    by_lambda.server.answer = in_turn(THROTTLED, invoked(answer()))

    assert by_lambda.call()[2] == b"hello"
    assert finished(by_lambda).attempts == 2


def test_a_throttled_call_is_not_sent_again_before_lambda_allows_it(by_lambda: Door) -> None:
    save_up(by_lambda)
    by_lambda.server.answer = lambda _: Reply(429, b"{}", {"retry-after": "7"})

    refused = by_lambda.refusal()

    assert (refused.code, refused.status, refused.retry_after_s) == ("runner_throttled", 503, 7)
    assert len(by_lambda.server.asked) == 1


def test_a_runner_that_is_not_there_is_tried_again(door: Door) -> None:
    save_up(door)
    door.services = dataclasses.replace(door.services, runner=make_runner_client(nowhere(), AwsApi(os.environ)))

    assert door.refusal().code == "runner_unavailable"
    assert finished(door).attempts == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_call_that_writes_without_a_key_is_sent_once(door: Door, method: str) -> None:
    save_up(door)
    door.server.answer = lambda _: HANGS_UP

    assert door.refusal(method=method).code == "runner_unavailable"
    assert len(door.server.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(503),
        Reply(401),
        Reply(200, b"no envelope"),
        Reply(200, encode(error("guest_trapped"))),
        Reply(200, encode(error("guest_timeout", 504))),
        Reply(200, encode(answer(status=500))),
        Reply(200, encode(answer(status=503))),
        Reply(200, b"{", {"content-length": "100", "connection": "close"}),
    ],
    ids=["500", "503", "401", "invalid", "trap", "timeout", "guest's 500", "guest's 503", "broken off"],
)
def test_an_answer_is_never_asked_for_again(door: Door, reply: Reply) -> None:
    save_up(door)
    door.server.answer = lambda _: reply
    with suppress(PlatformError):
        door.call()

    assert len(door.server.asked) == 1


def test_a_call_that_is_too_large_for_lambda_is_not_tried_again(by_lambda: Door) -> None:
    save_up(by_lambda)

    assert by_lambda.refusal(body=bytes(5 * 1024 * 1024)).code == "payload_too_large"
    assert (by_lambda.server.asked, finished(by_lambda).attempts) == ([], 1)


def test_a_function_that_failed_is_not_invoked_again(by_lambda: Door) -> None:
    save_up(by_lambda)
    by_lambda.server.answer = lambda _: Reply(200, b"{}", {"x-amz-function-error": "Unhandled"})

    assert by_lambda.refusal().code == "runner_unavailable"
    assert len(by_lambda.server.asked) == 1


def test_a_runner_that_does_not_answer_is_not_asked_again(door: Door) -> None:
    save_up(door)
    door.server.answer = late

    assert door.refusal(installed={"timeout_ms": 50}).code == "gateway_timeout"
    assert len(door.server.asked) == 1


def test_retries_stay_within_a_tenth_of_the_calls(door: Door) -> None:
    door.server.answer = lambda _: HANGS_UP
    door.services = dataclasses.replace(door.services, monotonic_s=lambda: 1_000.0)
    for number in range(40):
        with pytest.raises(PlatformError):
            door.call(installed={"install_id": f"9b2d7a6e-0000-4000-8000-0000000001{number:02}"})

    assert len(door.server.asked) == 44


# The breaker


def fail(door: Door, times: int = FAILURES) -> None:
    """Make calls that find no runner."""
    door.runner_answers(Reply(503))
    for _ in range(times):
        assert door.refusal().code == "runner_unavailable"


def with_clock(door: Door) -> Clock:
    """Give the door a clock that the test moves."""
    clock = Clock()
    door.services = dataclasses.replace(door.services, monotonic_s=clock)
    return clock


def drained(door: Door) -> list[Any]:
    """All records in the queue."""
    found: list[Any] = []
    while more := door.records():
        found += more
    return found


def test_five_failures_in_a_row_pause_the_installs_calls(door: Door) -> None:
    clock = with_clock(door)
    fail(door)
    assert [record.breaker for record in drained(door)[1::2]] == [CLOSED] * 4 + [OPEN]
    clock.now_s += 2.5
    door.runner_answers(answer())

    refused = door.refusal()

    shown = problem(refused, "r-1")
    assert (shown["statusCode"], shown["headers"]["retry-after"]) == (503, "8")
    assert json.loads(shown["body"])["code"] == "runner_unavailable"
    assert len(door.server.asked) == FAILURES, "it was not sent"
    assert drained(door) == [], "it was not accepted"


def test_another_install_of_the_tenant_is_not_paused(door: Door) -> None:
    fail(door)
    door.runner_answers(answer())

    assert door.call(installed={"install_id": "9b2d7a6e-0000-4000-8000-00000000000f"})[2] == b"hello"


def test_after_ten_seconds_one_call_tries_and_its_success_ends_the_pause(door: Door) -> None:
    clock = with_clock(door)
    fail(door)
    drained(door)
    clock.now_s += OPEN_S
    during: list[PlatformError] = []

    def answer_while_another_calls(_: Asked) -> Reply:
        during.append(door.refusal())
        return Reply(200, encode(answer()))

    door.server.answer = answer_while_another_calls
    assert door.call()[2] == b"hello"
    door.server.answer = lambda _: Reply(200, encode(answer()))
    assert door.call()[2] == b"hello"

    assert [(refused.code, refused.retry_after_s) for refused in during] == [("runner_unavailable", 1)]
    assert [record.breaker for record in drained(door)[1::2]] == [HALF_OPEN, CLOSED]


def test_a_try_that_fails_pauses_for_another_ten_seconds(door: Door) -> None:
    clock = with_clock(door)
    fail(door)
    clock.now_s += OPEN_S
    fail(door, times=1)
    assert drained(door)[-1].breaker == HALF_OPEN
    clock.now_s += OPEN_S - 1

    assert door.refusal().retry_after_s == 1
    assert len(door.server.asked) == FAILURES + 1


def test_a_try_that_could_not_be_recorded_leaves_the_next_call_the_try(door: Door) -> None:
    clock = with_clock(door)
    fail(door)
    clock.now_s += OPEN_S
    queue = door.services.executions
    gone = SqsQueue("http://127.0.0.1/queue", AwsApi({**os.environ, "AWS_ENDPOINT_URL": nowhere()}))
    door.services = dataclasses.replace(door.services, executions=gone)
    assert door.refusal().code == "queue_unavailable"

    door.services = dataclasses.replace(door.services, executions=queue)
    door.runner_answers(answer())
    assert door.call()[2] == b"hello"


@pytest.mark.parametrize(
    "given",
    [
        answer(status=500),
        answer(status=503),
        error("guest_trapped"),
        error("guest_out_of_memory"),
        error("artifact_integrity"),
        Reply(401),
        Reply(200, b"no envelope"),
    ],
    ids=["guest's 500", "guest's 503", "trap", "memory", "artifact", "runner refuses", "no envelope"],
)
def test_what_is_no_timeout_and_no_missing_runner_pauses_nothing(door: Door, given: ExecuteResponse | Reply) -> None:
    door.runner_answers(given)
    for _ in range(FAILURES + 1):
        with suppress(PlatformError):
            door.call()

    assert len(door.server.asked) == FAILURES + 1


def test_a_throttled_runner_pauses_no_install(by_lambda: Door) -> None:
    by_lambda.server.answer = lambda _: THROTTLED

    assert {by_lambda.refusal().code for _ in range(FAILURES + 1)} == {"runner_throttled"}
    assert len(by_lambda.server.asked) == FAILURES + 1


def test_timeouts_of_the_guest_pause_its_install(door: Door) -> None:
    door.runner_answers(error("guest_timeout", 504))
    assert [door.refusal().code for _ in range(FAILURES)] == ["gateway_timeout"] * FAILURES

    assert door.refusal().code == "runner_unavailable"
    assert len(door.server.asked) == FAILURES
