"""Calls with an idempotency key: real PostgreSQL as the gateway's role, a real queue, a real runner server.

The tests of this module share a database; each has a key of its own.
"""

import base64
import dataclasses
import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteError, ExecuteResponse, encode
from alga_ext.calls.messages import ExecutionAccepted
from alga_ext.edge.http import problem
from alga_ext.errors import PlatformError
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from functions.gateway.dispatch import make_runner_client
from functions.gateway.idempotency import once
from functions.gateway.idempotency.claims import KEPT_BODY_LIMIT_BYTES
from functions.gateway.services import Services
from tests.conftest import Databases, fresh_databases
from tests.support.answering import Asked, Reply
from tests.support.call_door import Door, answer, call_door, error
from tests.support.dying_gateway import DyingGateway
from tests.support.gateway import admitted, principal, request

THROTTLED = Reply(429, b"{}", {"x-amzn-errortype": "TooManyRequestsException"})
HANGS_UP = Reply(body=None)


@pytest.fixture(scope="module")
def shared(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with fresh_databases(postgres_server, template_database) as made:
        yield made


@pytest.fixture
def door(shared: Databases, aws: str) -> Iterator[Door]:
    with call_door(shared.gateway) as made:
        made.runner_answers(answer())
        yield made


@pytest.fixture
def by_lambda(door: Door, monkeypatch: pytest.MonkeyPatch) -> Door:
    """The door with a runner that is a Lambda function."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", door.server.url)
    runner = make_runner_client("lambda://runner", AwsApi(os.environ))
    door.services = dataclasses.replace(door.services, runner=runner)
    return door


def post(door: Door, key: str, body: bytes = b"x", **members: Any) -> tuple[int, dict[str, str], bytes]:
    return door.call("POST", headers={"idempotency-key": key}, body=body, **members)


def refusal(door: Door, key: str, body: bytes = b"x", **members: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        post(door, key, body, **members)
    return caught.value


def outcome(door: Door, key: str, **members: Any) -> int | str:
    """The status of a call's answer, or the code of its refusal."""
    try:
        return post(door, key, **members)[0]
    except PlatformError as refused:
        return refused.code


def execute(shared: Databases, sql: str) -> None:
    """Change the tenant's rows as the superuser."""
    owner = Database(shared.owner)
    with owner.tenant("acme") as tx:
        tx.execute(sql)
    owner.close()


def nowhere() -> str:
    """A URL at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def queue_of(door: Door, endpoint: str | None = None) -> SqsQueue:
    environ = {**os.environ, **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {})}
    return SqsQueue(door.environment["EXECUTIONS_QUEUE_URL"], AwsApi(environ))


@contextmanager
def another_gateway(door: Door) -> Iterator[Services]:
    """The services of another process of the gateway."""
    services = Services.build(door.environment)
    yield services
    services.database.close()


# Replays


def test_a_repeated_call_gets_the_first_answer_and_does_not_run(door: Door) -> None:
    door.runner_answers(answer(status=201, headers={"content-type": "text/plain", "x-ext-a": "ü", "location": "/1"}))
    first = post(door, "replay")
    door.runner_answers(answer(status=500))

    again = post(door, "replay")

    assert again == (first[0], {**first[1], "idempotency-replayed": "true"}, first[2])
    assert again[0] == 201
    assert "idempotency-replayed" not in first[1]
    assert (len(door.server.asked), len(door.records())) == (1, 2)


@pytest.mark.parametrize("body", [b"", b"\0\xff\n", bytes(KEPT_BODY_LIMIT_BYTES)], ids=["empty", "bytes", "largest"])
def test_an_answer_is_kept_byte_for_byte(door: Door, body: bytes) -> None:
    door.runner_answers(answer(body_b64=base64.b64encode(body).decode()))
    key = f"bytes-{len(body)}"

    assert post(door, key)[2] == post(door, key)[2] == body
    assert len(door.server.asked) == 1


def test_an_answer_that_is_too_large_to_keep_is_told_to_be_done(door: Door) -> None:
    large = base64.b64encode(bytes(KEPT_BODY_LIMIT_BYTES + 1)).decode()
    door.runner_answers(answer(status=201, body_b64=large))
    assert len(post(door, "large", request_id="r-first")[2]) == KEPT_BODY_LIMIT_BYTES + 1

    refused = refusal(door, "large")

    assert (refused.status, refused.code) == (409, "idempotency_outcome_unknown")
    assert refused.members == {"first_status": 201, "first_request_id": "r-first"}
    assert "was done" in refused.detail
    assert len(door.server.asked) == 1


@pytest.mark.parametrize("status", [301, 400, 500, 503])
def test_a_guests_own_error_is_an_answer_too(door: Door, status: int) -> None:
    door.runner_answers(answer(status=status))
    key = f"status-{status}"

    assert (post(door, key)[0], post(door, key)[0]) == (status, status)
    assert len(door.server.asked) == 1


@pytest.mark.parametrize(
    ("code", "status", "shown"),
    [("guest_trapped", 502, "bad_gateway"), ("guest_timeout", 504, "gateway_timeout")],
)
def test_an_error_of_a_call_that_ran_is_given_again(door: Door, code: str, status: int, shown: str) -> None:
    door.runner_answers(error(code, status))
    first = refusal(door, code)

    again = refusal(door, code)

    assert (again.code, again.detail, again.status) == (shown, first.detail, status)
    assert problem(again, "r-2")["headers"]["idempotency-replayed"] == "true"
    assert json.loads(problem(again, "r-2")["body"])["request_id"] == "r-2"
    assert len(door.server.asked) == 1


def test_an_error_is_given_again_whatever_its_text_holds(door: Door) -> None:
    told = ExecuteResponse(status=502, error=ExecuteError(code="guest_trapped", message="a\0b \\ud800 \x1b"))
    door.runner_answers(told)

    assert refusal(door, "text").detail == refusal(door, "text").detail == "a\0b \\ud800 \x1b (guest_trapped)"


def test_a_runner_that_did_not_answer_in_time_is_a_timeout_again(door: Door) -> None:
    class Late:
        def run(self, *_: Any, **__: Any) -> bytes:
            raise PlatformError("gateway_timeout", "The extension did not respond in time.")

    door.services = dataclasses.replace(door.services, runner=Late())

    assert [outcome(door, "late"), outcome(door, "late")] == ["gateway_timeout"] * 2


def test_a_quoted_key_is_the_same_key(door: Door) -> None:
    post(door, "quoted")

    assert post(door, '"quoted"')[1]["idempotency-replayed"] == "true"


# What is not the same call


@pytest.mark.parametrize(
    "members",
    [{"body": b"y"}, {"raw_query": "a=1"}],
    ids=["body", "query"],
)
def test_another_request_with_the_key_is_a_conflict(door: Door, members: dict[str, Any]) -> None:
    key = f"conflict-{'-'.join(members)}"
    post(door, key)

    assert refusal(door, key, **members).code == "idempotency_conflict"
    assert len(door.server.asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": "globex"},
        {"principal": principal(subject="user-2")},
        {"install": admitted(request(), install_id="9b2d7a6e-0000-4000-8000-00000000000f").install},
        {"method": "PUT"},
        {"path": "/other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_key_belongs_to_tenant_principal_install_method_and_path(door: Door, change: dict[str, Any]) -> None:
    key = f"scope-{next(iter(change))}"
    post(door, key)
    other = admitted(request("POST", body=b"x"))._replace(**change)

    assert "idempotency-replayed" not in once.run(other, key, door.services)[1]
    assert len(door.server.asked) == 2


# Calls that are still running, and calls whose outcome is lost


def test_a_repetition_of_a_running_call_is_told_when_to_come_back(door: Door, shared: Databases) -> None:
    during: list[PlatformError] = []

    def answer_while_it_is_repeated(_: Asked) -> Reply:
        with another_gateway(door) as services:
            for body in (b"x", b"y"):
                with pytest.raises(PlatformError) as caught:
                    once.run(admitted(request("POST", body=body)), "running", services)
                during.append(caught.value)
        return Reply(200, encode(answer()))

    door.server.answer = answer_while_it_is_repeated
    assert post(door, "running")[0] == 200

    assert [refused.code for refused in during] == ["idempotency_in_progress", "idempotency_conflict"]
    shown = problem(during[0], "r-2")
    assert shown["statusCode"] == 409
    assert 1 <= int(shown["headers"]["retry-after"]) <= 9
    assert len(door.server.asked) == 1


@pytest.mark.parametrize("reply", [HANGS_UP, Reply(503), Reply(200, encode(error("runner_unavailable", 503)))])
def test_a_call_that_may_have_run_never_runs_again(door: Door, reply: Reply) -> None:
    for _ in range(100):
        door.services.retries.count_call()
    key = f"lost-{reply.status}-{len(reply.body or b'')}"
    door.server.answer = lambda _: reply
    assert refusal(door, key, request_id="r-first").code == "runner_unavailable"
    door.runner_answers(answer())

    refused = refusal(door, key)

    assert (refused.status, refused.code) == (409, "idempotency_outcome_unknown")
    assert refused.members == {"first_request_id": "r-first"}
    assert len(door.server.asked) == 1


@pytest.mark.parametrize(
    "reply", [Reply(200, b"{}", {"x-amz-function-error": "Unhandled"}), Reply(500, b"{}")], ids=["failed", "500"]
)
def test_a_function_that_failed_may_have_run(by_lambda: Door, reply: Reply) -> None:
    key = f"function-{reply.status}"
    by_lambda.server.answer = lambda _: reply

    assert outcome(by_lambda, key) == "runner_unavailable"
    assert outcome(by_lambda, key) == "idempotency_outcome_unknown"
    assert len(by_lambda.server.asked) == 1


def test_an_answer_that_cannot_be_kept_is_sent_and_then_unknown(door: Door, shared: Databases) -> None:
    kept = door.services.database

    def answer_and_lose_the_database(_: Asked) -> Reply:
        door.services = dataclasses.replace(door.services, database=Database("postgresql://fn_gateway@127.0.0.1:1/x"))
        # The frozen services of the running call keep their database, so its connection settings are replaced.
        kept.close()
        kept._login = door.services.database._login
        return Reply(200, encode(answer()))

    door.server.answer = answer_and_lose_the_database
    assert post(door, "unkept")[2] == b"hello"
    door.services = Services.build(door.environment)

    assert refusal(door, "unkept").code == "idempotency_in_progress"
    execute(shared, "update app.call_idempotency set deadline_at = clock_timestamp() where status is null")
    assert refusal(door, "unkept").code == "idempotency_outcome_unknown"
    assert len(door.server.asked) == 1


def test_an_answer_that_comes_after_its_time_still_counts(door: Door, shared: Databases) -> None:
    during: list[PlatformError] = []

    def answer_late(_: Asked) -> Reply:
        execute(shared, "update app.call_idempotency set deadline_at = clock_timestamp() where status is null")
        with another_gateway(door) as services, pytest.raises(PlatformError) as caught:
            once.run(admitted(request("POST", body=b"x")), "after", services)
        during.append(caught.value)
        return Reply(200, encode(answer()))

    door.server.answer = answer_late
    post(door, "after")

    assert [refused.code for refused in during] == ["idempotency_outcome_unknown"]
    assert post(door, "after")[1]["idempotency-replayed"] == "true"


# Calls that have certainly not run


def test_a_call_that_could_not_be_recorded_may_be_repeated(door: Door) -> None:
    door.services = dataclasses.replace(door.services, executions=queue_of(door, nowhere()))
    assert outcome(door, "queue") == "queue_unavailable"
    assert door.server.asked == []

    door.services = dataclasses.replace(door.services, executions=queue_of(door))
    assert outcome(door, "queue") == 200


def test_a_call_that_found_no_runner_may_be_repeated(door: Door) -> None:
    runner = door.services.runner
    door.services = dataclasses.replace(door.services, runner=make_runner_client(nowhere(), AwsApi(os.environ)))
    refused = refusal(door, "runner")
    assert (refused.status, refused.code) == (503, "runner_unavailable")
    assert door.server.asked == []

    door.services = dataclasses.replace(door.services, runner=runner)
    assert outcome(door, "runner") == 200


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (THROTTLED, "runner_throttled"),
        (Reply(404, b"{}"), "runner_unavailable"),
        (Reply(502, b"{}", {"x-amzn-errortype": "ResourceNotReadyException"}), "runner_unavailable"),
    ],
    ids=["throttled", "no function", "inactive"],
)
def test_a_call_that_lambda_refused_may_be_repeated(by_lambda: Door, reply: Reply, code: str) -> None:
    key = f"refused-{reply.status}"
    by_lambda.server.answer = lambda _: reply

    assert [outcome(by_lambda, key), outcome(by_lambda, key)] == [code, code]
    assert len(by_lambda.server.asked) == 2


def test_a_call_that_the_breaker_refused_may_be_repeated(door: Door) -> None:
    door.runner_answers(Reply(503))
    for number in range(5):
        outcome(door, f"breaker-{number}")
    door.runner_answers(answer())
    assert outcome(door, "breaker") == "runner_unavailable"
    assert len(door.server.asked) == 5

    with another_gateway(door) as services:
        assert once.run(admitted(request("POST", body=b"x")), "breaker", services)[0] == 200


def test_a_throttled_call_with_a_key_is_sent_again_and_runs_once(by_lambda: Door) -> None:
    for _ in range(100):
        by_lambda.services.retries.count_call()
    event = {"statusCode": 200, "body": encode(answer()).decode(), "isBase64Encoded": False}
    replies = [THROTTLED, THROTTLED, Reply(200, json.dumps(event).encode())]
    by_lambda.server.answer = lambda _: replies.pop(0)

    assert post(by_lambda, "throttled")[2] == b"hello"
    assert by_lambda.records()[-1].attempts == 3
    assert post(by_lambda, "throttled")[1]["idempotency-replayed"] == "true"


# What a key costs, and how long it lasts


class CountingDatabase(Database):
    """Counts its transactions."""

    transactions = 0

    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Any:
        """See ``Database.tenant``."""
        assert durable
        self.transactions += 1
        return super().tenant(tenant_id, timeout_ms)


def test_a_call_with_a_key_makes_two_trips_and_its_repetition_one(door: Door, shared: Databases) -> None:
    database = CountingDatabase(shared.gateway)
    door.services = dataclasses.replace(door.services, database=database)
    post(door, "trips")
    assert database.transactions == 2

    post(door, "trips")
    database.close()
    assert database.transactions == 3


@pytest.mark.parametrize(("method", "headers"), [("POST", {}), ("GET", {"idempotency-key": "k"})])
def test_no_other_call_makes_a_trip(door: Door, shared: Databases, method: str, headers: dict[str, str]) -> None:
    database = CountingDatabase(shared.gateway)
    door.services = dataclasses.replace(door.services, database=database)
    for _ in range(2):
        door.call(method, headers=headers)

    assert (database.transactions, len(door.server.asked)) == (0, 2)


def test_without_the_database_a_call_with_a_key_is_neither_recorded_nor_run(door: Door) -> None:
    gone = Database("postgresql://fn_gateway@127.0.0.1:1/gone")
    door.services = dataclasses.replace(door.services, database=gone)
    refused = refusal(door, "gone")

    assert (refused.status, refused.code) == (503, "database_unavailable")
    assert (door.server.asked, door.records()) == ([], [])


@pytest.mark.parametrize(("age", "is_replayed"), [("23 hours 59 minutes", True), ("24 hours", False)])
def test_a_key_lasts_a_day(door: Door, shared: Databases, age: str, is_replayed: bool) -> None:
    key = f"day-{age.partition(' ')[0]}"
    post(door, key, request_id=key)
    execute(
        shared,
        f"update app.call_idempotency set created_at = clock_timestamp() - interval '{age}' where request_id = '{key}'",
    )

    assert ("idempotency-replayed" in post(door, key)[1]) is is_replayed
    assert "idempotency-replayed" in post(door, key)[1]


def test_a_call_whose_key_was_taken_over_leaves_the_new_call_alone(door: Door, shared: Databases) -> None:
    def answer_after_a_day(_: Asked) -> Reply:
        door.server.answer = lambda _: Reply(200, encode(answer(status=202)))
        execute(
            shared,
            "update app.call_idempotency set created_at = clock_timestamp() - interval '1 day' where status is null",
        )
        with another_gateway(door) as services:
            assert once.run(admitted(request("POST", body=b"x")), "taken-over", services)[0] == 202
        return Reply(200, encode(answer(status=201)))

    door.server.answer = answer_after_a_day

    assert post(door, "taken-over")[0] == 201
    assert post(door, "taken-over")[0] == 202


# At the same instant


def test_of_many_gateways_that_get_a_key_at_the_same_instant_one_runs_the_call(door: Door) -> None:
    gateways, rounds = 8, 10
    together = Barrier(gateways)
    services = [Services.build(door.environment) for _ in range(gateways)]

    def calls(number: int) -> list[int | str]:
        found: list[int | str] = []
        for turn in range(rounds):
            together.wait()
            try:
                status, headers, _ = once.run(admitted(request("POST", body=b"x")), f"at-once-{turn}", services[number])
                found.append("replayed" if "idempotency-replayed" in headers else status)
            except PlatformError as refused:
                found.append(refused.code)
        services[number].database.close()
        return found

    with ThreadPoolExecutor(gateways) as threads:
        outcomes = [outcome for found in threads.map(calls, range(gateways)) for outcome in found]

    assert len(door.server.asked) == outcomes.count(200) == rounds
    assert set(outcomes) <= {200, "replayed", "idempotency_in_progress"}
    assert len(outcomes) == gateways * rounds


def test_a_repetition_leaves_no_record(door: Door) -> None:
    post(door, "records")
    post(door, "records")
    refusal(door, "records", b"y")

    assert [type(record) for record in door.records()].count(ExecutionAccepted) == 1


# A process that dies


def test_a_call_whose_gateway_died_at_any_step_never_runs_twice(door: Door, shared: Databases) -> None:
    """Until the claim is committed nothing has run, so the repetition runs. From then on it never does."""
    for _ in range(100):
        door.services.retries.count_call()
    found: list[tuple[int | str, int | str, int]] = []
    with DyingGateway(door.environment) as dying:
        for step in range(1, 30):
            before, key = len(door.server.asked), f"dies-at-{step}"
            status = dying.status(key, step)
            repeated = outcome(door, key)
            execute(shared, "update app.call_idempotency set deadline_at = clock_timestamp() where status is null")
            found.append((repeated, outcome(door, key), len(door.server.asked) - before))
            if status is not None:
                break

    assert status == 200
    lost = ("idempotency_in_progress", "idempotency_outcome_unknown")
    claim, record, runner, end = [(200, 200, 1)], [(*lost, 0)], [(*lost, 0)], [(*lost, 1)]
    # Begin, insert, commit; accepted record; runner; finished record, begin, update, commit; nothing.
    assert found == claim * 3 + record + runner + end * 4 + [(200, 200, 1)]
