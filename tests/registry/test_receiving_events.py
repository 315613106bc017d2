"""Events that a publisher sends: what is taken, what is refused and why, and that each is stored once."""

import base64
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.calls.deliveries import EVENT_LIMIT_BYTES, event_key
from alga_ext.calls.messages import EventReceived
from alga_ext.errors import PlatformError
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from functions.registry.api.registry import Registry
from functions.registry.deliveries.recovering import recover
from functions.registry.evaluation import messages
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.evaluation.messages import ANSWERS, Ready
from tests.support.emitted import totals
from tests.support.events import (
    BATCH,
    as_owner,
    event_of,
    from_bus,
    post,
    publisher_of,
    received,
    register_topic,
    stored,
)
from tests.support.registry import Answer, Context, RegistryWorld


@pytest.fixture
def open_world(world: RegistryWorld) -> RegistryWorld:
    """A registry with a topic."""
    register_topic(world)
    return world


def reasons(answer: Answer) -> list[tuple[int, str]]:
    return [(fault["index"], fault["code"]) for fault in answer.body["faults"]]


def post_raw(world: RegistryWorld, body: bytes, **headers: str) -> Answer:
    event = world.event("POST", "/api/events", publisher_of(world), headers=headers)
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    answer = Registry(world.services).answer(event, Context())
    return Answer(answer["statusCode"], json.loads(answer["body"]), answer["headers"])


# What is taken


def test_a_structured_event_is_stored_and_wakes_fan_out(open_world: RegistryWorld) -> None:
    answer = post(open_world, event_of(subject="T-1", ownattribute="x"))

    assert answer.status == 202, answer
    assert answer.body == {"events": [{"id": "e-1", "source": "/host/tickets", "result": "accepted"}]}
    (row,) = stored(open_world)
    assert row["body"] == {**event_of(subject="T-1", ownattribute="x"), "algahops": 0}
    assert (row["tenant_id"], row["origin"], row["topic"]) == ("tenant-a", "api", "ticket.created")
    assert received(open_world) == [EventReceived(tenant_id="tenant-a", event_key=event_key("/host/tickets", "e-1"))]


def test_a_binary_event_is_stored_in_the_json_format(open_world: RegistryWorld) -> None:
    headers = {
        "content-type": "application/json; charset=utf-8",
        "ce-specversion": "1.0",
        "ce-id": "e%201",
        "ce-source": "/host",
        "ce-type": "ticket.created",
        "ce-subject": '"Euro%20%E2%82%AC"',
        "ce-algahops": "3",
    }

    answer = post_raw(open_world, b'{"ticket_id": "T-1"}', **headers)

    assert answer.status == 202, answer
    assert stored(open_world)[0]["body"] == {
        "specversion": "1.0",
        "id": "e 1",
        "source": "/host",
        "type": "ticket.created",
        "subject": "Euro €",
        "datacontenttype": "application/json; charset=utf-8",
        "data": {"ticket_id": "T-1"},
        "algahops": 3,
    }


def test_a_batch_is_answered_event_by_event(open_world: RegistryWorld) -> None:
    post(open_world, event_of(2))

    answer = post(open_world, [event_of(1), event_of(2), event_of(1)])

    assert [event["result"] for event in answer.body["events"]] == ["accepted", "duplicate", "duplicate"]
    assert len(stored(open_world)) == 2


def test_a_batch_without_events_is_taken(open_world: RegistryWorld) -> None:
    assert post(open_world, []).body == {"events": []}


def test_an_event_is_the_same_one_whatever_else_it_says(open_world: RegistryWorld) -> None:
    post(open_world, event_of())

    again = post(open_world, event_of(data={"ticket_id": "another"}, subject="x"))

    assert again.body["events"][0]["result"] == "duplicate"
    assert stored(open_world)[0]["body"]["data"] == {"ticket_id": "T-1"}


@pytest.mark.parametrize("members", [{"source": "/other"}, {"id": "e-2"}], ids=["source", "id"])
def test_an_event_of_another_source_or_id_is_another_one(open_world: RegistryWorld, members: dict[str, Any]) -> None:
    post(open_world, event_of())

    assert post(open_world, event_of(**members)).body["events"][0]["result"] == "accepted"


def test_two_tenants_may_have_events_of_one_source_and_id(open_world: RegistryWorld) -> None:
    for tenant_id in ("tenant-a", "tenant-b"):
        answer = post(open_world, event_of(), publisher_of(open_world, tenant_id))
        assert answer.body["events"][0]["result"] == "accepted"


def test_stored_events_are_counted(open_world: RegistryWorld, capsys: pytest.CaptureFixture[str]) -> None:
    post(open_world, [event_of(1), event_of(2), event_of(1)])

    assert totals(capsys.readouterr().out)["EventsReceived"] == 2


def test_an_event_whose_message_was_lost_is_woken_by_the_tick(open_world: RegistryWorld) -> None:
    gone = SqsQueue(f"{open_world.events_url}-gone", AwsApi(open_world.environment()))
    with open_world.replaced(events_queue=gone):
        assert post(open_world, event_of()).status == 202
    as_owner(open_world, "update app.extension_event set recheck_at = now()")
    ticker = open_world.ticker()

    found = recover(ticker.database, ticker.events_queue, ticker.deliveries_queue, datetime.now(UTC))

    assert found.events == 1
    assert received(open_world) == [EventReceived(tenant_id="tenant-a", event_key=event_key("/host/tickets", "e-1"))]


# Who may publish, and for whom


def test_a_token_with_a_tenant_may_name_it(open_world: RegistryWorld) -> None:
    assert post(open_world, event_of(algatenant="tenant-a")).status == 202
    assert "algatenant" not in stored(open_world)[0]["body"]


def test_a_token_with_a_tenant_posts_for_no_other(open_world: RegistryWorld) -> None:
    refused = post(open_world, [event_of(1), event_of(2, algatenant="tenant-b")])

    assert (refused.status, refused.code, reasons(refused)) == (403, "tenant_mismatch", [(1, "tenant_mismatch")])
    assert stored(open_world) == []


def test_a_platform_token_names_the_tenant_and_leaves_an_audit_row(open_world: RegistryWorld) -> None:
    answer = post(open_world, event_of(algatenant="tenant-b"), publisher_of(open_world, None))

    assert answer.status == 202, answer
    assert stored(open_world)[0]["tenant_id"] == "tenant-b"
    (row,) = open_world.rows("select * from app.audit_event where action = 'event.publish'")
    assert (row["tenant_id"], row["actor"], row["subject"]) == ("tenant-b", "host", "tenant-b")
    assert row["after"] == {"events": [{"id": "e-1", "type": "ticket.created"}]}


def test_a_token_with_a_tenant_leaves_no_audit_row(open_world: RegistryWorld) -> None:
    post(open_world, event_of())

    assert open_world.rows("select 1 from app.audit_event where action = 'event.publish'") == []


def test_a_duplicate_from_a_platform_token_leaves_no_second_audit_row(open_world: RegistryWorld) -> None:
    for _ in range(2):
        post(open_world, event_of(algatenant="tenant-b"), publisher_of(open_world, None))

    assert len(open_world.rows("select 1 from app.audit_event where action = 'event.publish'")) == 1


def test_a_platform_token_must_name_a_tenant(open_world: RegistryWorld) -> None:
    refused = post(open_world, event_of(), publisher_of(open_world, None))

    assert refused.code == "event_invalid"
    assert "algatenant" in refused.body["faults"][0]["detail"]


def test_a_request_is_of_one_tenant(open_world: RegistryWorld) -> None:
    batch = [event_of(1, algatenant="tenant-a"), event_of(2, algatenant="tenant-b")]

    refused = post(open_world, batch, publisher_of(open_world, None))

    assert reasons(refused) == [(1, "tenant_mismatch")]
    assert stored(open_world) == []


@pytest.mark.parametrize("roles", [[], ["platform_admin"], ["tenant_admin"], ["publisher"], ["event:publisher"]])
def test_another_role_may_not_publish(open_world: RegistryWorld, roles: list[str]) -> None:
    token = open_world.token(roles=roles, tenant_id="tenant-a", publishers=["acme"])

    assert post(open_world, event_of(), token).code == "forbidden"


@pytest.mark.parametrize("path", ["/installs", "/publishers", "/topics", "/quota-events", "/audit"])
def test_the_role_grants_nothing_else(open_world: RegistryWorld, path: str) -> None:
    assert open_world.call("GET", path, publisher_of(open_world)).code == "forbidden"


def test_nothing_is_taken_while_extensions_are_switched_off(open_world: RegistryWorld) -> None:
    open_world.rewire(EXTENSIONS_ENABLED="false")

    assert post(open_world, event_of()).code == "extensions_disabled"


# What is refused, and that nothing of a refused request is stored


def test_an_unknown_topic_is_refused(open_world: RegistryWorld) -> None:
    refused = post(open_world, [event_of(1), event_of(2, "no.such")])

    assert (refused.status, reasons(refused)) == (400, [(1, "topic_unknown")])
    assert stored(open_world) == []


def test_a_topic_of_the_platform_is_refused(open_world: RegistryWorld) -> None:
    assert reasons(post(open_world, event_of(topic="install.created"))) == [(0, "topic_unknown")]


@pytest.mark.parametrize("data", [{"ticket_id": 1}, {}, [], None, "x"])
def test_data_that_does_not_fit_is_refused_with_the_reason(open_world: RegistryWorld, data: Any) -> None:
    refused = post(open_world, event_of(data=data))

    assert reasons(refused) == [(0, "event_data_invalid")]
    assert "schema of ticket.created at" in refused.body["faults"][0]["detail"]


def test_data_that_is_absent_is_checked_as_null(open_world: RegistryWorld) -> None:
    register_topic(open_world, "nothing.said", {"type": "null"})
    event = event_of(topic="nothing.said")
    del event["data"]

    assert post(open_world, event).status == 202


def test_every_fault_of_a_batch_is_told(open_world: RegistryWorld) -> None:
    batch = [event_of(0), event_of(1, data=1), event_of(2, specversion="0.3"), event_of(3, "x.y"), event_of(4)]

    refused = post(open_world, batch)

    assert reasons(refused) == [(1, "event_data_invalid"), (2, "event_invalid"), (3, "topic_unknown")]
    assert refused.code == "event_data_invalid"
    assert "3 of 5" in refused.body["detail"]


def test_what_a_tenant_wrote_is_not_logged(open_world: RegistryWorld, capsys: pytest.CaptureFixture[str]) -> None:
    post(open_world, event_of(data={"ticket_id": ["confidential"]}))

    assert "confidential" not in capsys.readouterr().out


def test_refused_events_are_counted_by_code(open_world: RegistryWorld, capsys: pytest.CaptureFixture[str]) -> None:
    post(open_world, [event_of(1, "x.y"), event_of(2, "x.z"), event_of(3, data=1)])

    assert totals(capsys.readouterr().out)["EventsRefused"] == 3


@pytest.mark.parametrize(("hops", "status"), [(8, 202), (9, 400)])
def test_more_than_eight_hops_are_refused(open_world: RegistryWorld, hops: int, status: int) -> None:
    answer = post(open_world, event_of(algahops=hops))

    assert answer.status == status
    assert answer.status == 202 or reasons(answer) == [(0, "too_many_hops")]


@pytest.mark.parametrize(("more_bytes", "status"), [(0, 202), (1, 413)])
def test_an_event_has_200_kib_at_most(open_world: RegistryWorld, more_bytes: int, status: int) -> None:
    size = len(json.dumps({**event_of(), "algahops": 0}, separators=(",", ":")))
    filling = "x" * (EVENT_LIMIT_BYTES - size - len(',"filling":""') + more_bytes)
    answer = post(open_world, event_of(data={"ticket_id": "T-1", "filling": filling}))

    assert answer.status == status, answer.body
    assert len(stored(open_world)) == (status == 202)


@pytest.mark.parametrize(("count", "status"), [(100, 202), (101, 400)])
def test_a_batch_has_100_events_at_most(open_world: RegistryWorld, count: int, status: int) -> None:
    assert post(open_world, [event_of(number) for number in range(count)]).status == status


@pytest.mark.parametrize(("size_bytes", "status"), [(4 * 1024 * 1024, 202), (4 * 1024 * 1024 + 1, 413)])
def test_a_request_has_4_mib_at_most(open_world: RegistryWorld, size_bytes: int, status: int) -> None:
    body = json.dumps(event_of()).encode()
    padded = body + b" " * (size_bytes - len(body))

    assert post_raw(open_world, padded, **{"content-type": "application/cloudevents+json"}).status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/cloudevents+avro"},
        {"content-type": "application/cloudevents-batch"},
        {"content-type": "application/cloudevents+json; charset=latin-1"},
        {"content-type": "application/json"},
        {"content-type": "text/plain", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "a.b"},
    ],
    ids=["format", "batch format", "charset", "no attributes", "no json"],
)
def test_a_request_in_another_form_is_refused(open_world: RegistryWorld, headers: dict[str, str]) -> None:
    answer = post_raw(open_world, b'{"ticket_id": "T-1"}', **headers)

    assert (answer.status, answer.code) == (400, "event_invalid")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"id": 1, "id": 2}', b"[" * 5_000])
@pytest.mark.parametrize("kind", ["application/cloudevents+json", BATCH])
def test_a_body_that_is_not_strict_json_is_refused(open_world: RegistryWorld, kind: str, body: bytes) -> None:
    assert post_raw(open_world, body, **{"content-type": kind}).code == "event_invalid"


def test_a_request_that_cannot_be_checked_in_time_is_to_be_sent_again(open_world: RegistryWorld) -> None:
    impatient = Evaluator(lambda: False, budget_s=0)
    with open_world.replaced(evaluator=impatient):
        refused = post(open_world, [event_of(1), event_of(2)])
    impatient.close()

    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "policy_unavailable", "5")
    assert stored(open_world) == []


# From EventBridge


def test_an_event_from_the_bus_is_stored_and_fanned_out(open_world: RegistryWorld) -> None:
    assert from_bus(open_world, event_of(algatenant="tenant-b")) == {}

    (row,) = stored(open_world)
    assert (row["tenant_id"], row["origin"], row["body"]) == ("tenant-b", "bus", {**event_of(), "algahops": 0})
    assert row["fanned_out_at"] is not None


def test_an_event_from_the_bus_that_comes_twice_is_stored_once(open_world: RegistryWorld) -> None:
    for _ in range(2):
        assert from_bus(open_world, event_of(algatenant="tenant-b"), event_of(algatenant="tenant-b")) == {}

    assert len(stored(open_world)) == 1


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        (event_of(), "event_invalid"),
        ({"tenant": "tenant-a", "ticket_id": "T-17"}, "event_invalid"),
        (None, "event_invalid"),
        (event_of(topic="no.such", algatenant="tenant-a"), "topic_unknown"),
        (event_of(data=1, algatenant="tenant-a"), "event_data_invalid"),
        (event_of(algahops=9, algatenant="tenant-a"), "too_many_hops"),
        (event_of(source="urn:alga:platform", algatenant="tenant-a"), "event_invalid"),
    ],
    ids=["no tenant", "no event", "nothing", "topic", "data", "hops", "source"],
)
def test_an_event_from_the_bus_that_cannot_be_taken_is_counted_and_does_not_come_again(
    open_world: RegistryWorld, capsys: pytest.CaptureFixture[str], detail: Any, code: str
) -> None:
    capsys.readouterr()

    assert from_bus(open_world, detail) == {}

    output = capsys.readouterr().out
    assert f'"code": "{code}"' in output
    assert totals(output)["EventsRefused"] == 1
    assert "T-1" not in output
    assert stored(open_world) == []


def test_a_refused_event_from_the_bus_does_not_hold_back_another(open_world: RegistryWorld) -> None:
    assert from_bus(open_world, {"bad": 1}, event_of(algatenant="tenant-a")) == {}

    assert len(stored(open_world)) == 1


@pytest.mark.parametrize("budget_s", [0, 10], ids=["time", "killed"])
def test_an_event_from_the_bus_comes_again_when_the_worker_that_checks_it_fails(
    open_world: RegistryWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, budget_s: int
) -> None:
    evaluator = Evaluator(lambda: False, budget_s)
    with open_world.replaced(evaluator=evaluator), monkeypatch.context() as patched:
        if budget_s:
            patched.setattr(messages, "receive", killing(evaluator, messages.receive))
        failed = from_bus(open_world, event_of(1, algatenant="tenant-a"), event_of(2, algatenant="tenant-b"))

        assert [code_of_error(error) for error in failed.values()] == ["policy_unavailable"] * 2
        assert "EventsRefused" not in totals(capsys.readouterr().out)
        assert stored(open_world) == []
    evaluator.close()


def killing(evaluator: Evaluator, receive: Callable[..., bytes]) -> Callable[..., bytes]:
    """A worker that has started is killed before it can answer."""

    def received_from(connection: socket.socket, until_s: float) -> bytes:
        payload = receive(connection, until_s)
        if ANSWERS.decode(payload) == Ready():
            assert evaluator._process is not None
            evaluator._process.kill()
            evaluator._process.wait()
        return payload

    return received_from


def code_of_error(error: Exception) -> str:
    assert isinstance(error, PlatformError)
    return error.code
