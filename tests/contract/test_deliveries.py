"""The dispatcher: what an extension gets, and what becomes of the delivery."""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alga_ext.calls.deliveries import event_key
from alga_ext.calls.envelope import ExecuteError, ExecuteRequest, Usage
from alga_ext.calls.messages import DeliveryQueued, ExecutionAccepted, ExecutionFinished
from functions.gateway.execution import Execution
from tests.conftest import Databases
from tests.support.call_door import call_door
from tests.support.dispatcher import ENDPOINT, HANDLER, TOPIC, Dispatching, dispatching, record
from tests.support.gateway import admitted, request


@pytest.fixture
def made(databases: Databases, aws: str) -> Iterator[Dispatching]:
    with dispatching(databases) as found:
        yield found


def body_of(made: Dispatching) -> Any:
    return json.loads(base64.b64decode(made.calls[-1].http.body_b64 or ""))


def test_an_event_reaches_its_handler_as_a_structured_cloud_event(made: Dispatching) -> None:
    delivery = made.event(made.install(), event_id="e-1", attributes={"subject": "T-1"}, hops=2)

    assert made.deliver(delivery) == "delivered"

    call = made.calls[-1]
    assert (call.http.method, call.http.path) == ("POST", HANDLER)
    assert call.http.headers["content-type"] == "application/cloudevents+json"
    event = body_of(made)
    assert event.pop("time")
    assert event.pop("traceparent") == f"00-{delivery.replace('-', '')}-{delivery.replace('-', '')[16:]}-01"
    assert event == {
        "specversion": "1.0",
        "type": TOPIC,
        "source": "/tickets",
        "id": delivery,
        "algaeventid": "e-1",
        "algahops": 2,
        "subject": "T-1",
        "data": {"n": 1},
    }


def test_time_and_trace_of_an_event_are_kept(made: Dispatching) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    own = {"time": "2026-03-01T00:00:00Z", "traceparent": trace}

    made.deliver(made.event(made.install(), attributes=own))

    assert {name: body_of(made)[name] for name in own} == own
    assert str(made.calls[-1].http.headers["traceparent"])[3:35] == trace[3:35]


def test_the_envelope_says_what_triggered_the_call_and_names_no_user(made: Dispatching) -> None:
    delivery = made.event(made.install(), hops=3)

    made.deliver(delivery)

    call = made.calls[-1]
    assert call.user is None
    assert call.http.headers["idempotency-key"] == delivery
    trigger = call.context.trigger
    assert trigger is not None
    assert (trigger.type, trigger.id, trigger.name, trigger.hops, trigger.try_number) == (
        "event",
        delivery,
        TOPIC,
        3,
        1,
    )


def test_in_json_the_number_of_the_try_is_called_try(made: Dispatching) -> None:
    made.deliver(made.event(made.install()))

    assert json.loads(made.server.asked[-1].body)["context"]["trigger"]["try"] == 1


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [('{"a": 1}', "application/json"), ("not json", "text/plain; charset=utf-8"), (None, None)],
)
def test_a_schedule_reaches_its_endpoint_with_its_payload(
    made: Dispatching, payload: str | None, content_type: str | None
) -> None:
    run = made.run(made.install(), payload=payload, missed=2)

    assert made.deliver(run) == "delivered"

    call = made.calls[-1]
    assert (call.http.method, call.http.path, call.http.headers.get("content-type")) == ("POST", ENDPOINT, content_type)
    assert base64.b64decode(call.http.body_b64 or "").decode() == (payload or "")
    trigger = call.context.trigger
    assert trigger is not None
    assert (trigger.type, trigger.due_at, trigger.missed) == ("schedule", "2026-03-01T02:30:00Z", 2)


@pytest.mark.parametrize(("trigger", "principal"), [("event", "system:event"), ("run", "system:schedule")])
def test_a_delivery_is_recorded_as_every_call(made: Dispatching, trigger: str, principal: str) -> None:
    made.answers({"usage": Usage(duration_ms=5, cpu_ms=4)})
    delivery = getattr(made, trigger)(made.install(), hops=4)

    made.deliver(delivery)

    accepted, finished = sorted(made.sent("executions"), key=lambda one: type(one).__name__)
    assert isinstance(accepted, ExecutionAccepted)
    assert isinstance(finished, ExecutionFinished)
    assert (accepted.principal, finished.principal, finished.status, finished.hops) == (principal, principal, 204, 4)
    assert finished.usage.cpu_ms == 4
    assert [str(one) for one in made.row(delivery)["execution_ids"]] == [accepted.execution_id]


def test_a_delivery_may_take_as_long_as_its_manifest_says_and_a_minute_at_most(made: Dispatching) -> None:
    made.deliver(made.event(made.install(), timeout_ms=60_000))

    left_ms = made.calls[-1].limits.timeout_ms
    assert left_ms is not None
    assert 50_000 < left_ms <= 60_000


def test_a_delivery_without_a_time_limit_has_that_of_a_call(made: Dispatching) -> None:
    made.deliver(made.event(made.install()))

    left_ms = made.calls[-1].limits.timeout_ms
    assert left_ms is not None
    assert left_ms <= 5_000


def test_a_call_by_http_never_gets_the_time_of_a_delivery(aws: str) -> None:
    with call_door(EXT_GATEWAY_TIMEOUT_MS="29000") as door:
        execution = Execution.begin(admitted(request(), timeout_ms=60_000), door.services)

    assert (execution.limit_ms, execution.answer_by_s) == (29_000, 29.5)


def test_a_server_error_is_tried_again(made: Dispatching) -> None:
    made.answers({"status": 500})
    delivery = made.event(made.install())
    made.queue()

    assert made.dispatch(delivery) == [delivery]

    row = made.row(delivery)
    assert (row["state"], row["tries"], row["last_status"], row["last_error"]) == ("retrying", 1, 500, None)
    assert row["next_attempt_at"] < row["recheck_at"]


def test_an_error_of_the_platform_is_tried_again(made: Dispatching) -> None:
    made.answers({"status": 502, "error": ExecuteError(code="guest_trapped", message="It trapped.")})
    delivery = made.event(made.install())

    assert made.deliver(delivery) == "retrying"

    assert (made.row(delivery)["last_status"], made.row(delivery)["last_error"]) == (502, "bad_gateway")


@pytest.mark.parametrize("status", [400, 404, 410, 422, 302])
def test_another_answer_than_a_success_or_a_server_error_ends_a_delivery(made: Dispatching, status: int) -> None:
    made.answers({"status": status})
    delivery = made.event(made.install())
    made.queue()

    assert made.dispatch(delivery) == []

    row = made.row(delivery)
    assert (row["state"], row["tries"], row["last_status"]) == ("dead", 1, status)
    assert row["reason"] == f"The handler answered with the status {status}. It is not tried again."
    assert row["ended_at"] is not None


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_client_error_that_asks_for_another_try_gets_one(made: Dispatching, status: int) -> None:
    made.answers({"status": status})

    assert made.deliver(made.event(made.install())) == "retrying"


def test_after_eight_tries_a_delivery_is_dead_with_all_its_records(made: Dispatching) -> None:
    made.answers({"status": 503})
    delivery = made.event(made.install())
    made.queue()
    for _ in range(7):
        assert made.dispatch(delivery) == [delivery]
        made.change("update app.extension_delivery set next_attempt_at = now()")

    assert made.dispatch(delivery) == []

    row = made.row(delivery)
    assert (row["state"], row["tries"], len(set(row["execution_ids"]))) == ("dead", 8, 8)
    assert row["reason"] == "The handler answered with the status 503. That was try 8, the last one."
    assert [call.context.trigger and call.context.trigger.try_number for call in made.calls] == list(range(1, 9))
    assert len({call.http.headers["idempotency-key"] for call in made.calls}) == 1


def test_retry_after_of_the_handler_is_honoured(made: Dispatching) -> None:
    made.answers({"status": 503, "headers": {"retry-after": "120"}})
    delivery = made.event(made.install())

    made.deliver(delivery)

    (row,) = made.sql("select extract(epoch from next_attempt_at - now())::int as s from app.extension_delivery")
    assert 100 < row["s"] <= 120


@pytest.mark.parametrize(("status", "state"), [(204, "delivered"), (503, "retrying")])
def test_a_retry_after_that_no_calendar_has_changes_nothing(made: Dispatching, status: int, state: str) -> None:
    made.answers({"status": status, "headers": {"retry-after": f"Sun, 01 Mar {'9' * 30} 12:00:00 GMT"}})

    assert made.deliver(made.event(made.install())) == state


def test_the_message_is_hidden_for_as_long_as_the_delivery_waits(made: Dispatching) -> None:
    made.answers({"status": 503, "headers": {"retry-after": "120"}})
    delivery = made.event(made.install())
    made.queue()
    made.sqs.set_queue_attributes(QueueUrl=made.urls["deliveries"], Attributes={"VisibilityTimeout": "0"})
    body = json.dumps({"type": "delivery.queued", "tenant_id": "acme", "delivery_id": delivery})
    made.sqs.send_message(QueueUrl=made.urls["deliveries"], MessageBody=body)
    (received,) = made.received()

    assert made.batch(received) == [received["messageId"]]

    assert made.received() == []


def test_a_message_that_cannot_be_hidden_leaves_the_row_right(made: Dispatching) -> None:
    made.answers({"status": 503})
    delivery = made.event(made.install())
    made.queue()

    assert made.dispatch(delivery) == [delivery]  # the queue does not know its receipt handle

    assert made.state(delivery) == "retrying"
    made.answers({})
    made.change("update app.extension_delivery set next_attempt_at = now()")
    assert made.dispatch(delivery) == []
    assert made.state(delivery) == "delivered"


def test_a_message_that_comes_early_comes_again(made: Dispatching) -> None:
    made.answers({"status": 503, "headers": {"retry-after": "60"}})
    delivery = made.event(made.install())
    made.deliver(delivery)

    assert made.dispatch(delivery) == [delivery]

    assert (made.row(delivery)["tries"], len(made.calls)) == (1, 1)


def test_a_duplicate_message_of_a_running_or_ended_delivery_is_dropped(made: Dispatching) -> None:
    delivery = made.event(made.install())
    made.queue()
    again: list[list[str]] = []

    def during(_: Any) -> dict[str, Any]:
        again.append(made.dispatch(delivery))
        return {}

    made.answers(during)
    made.dispatch(delivery)

    assert again == [[]]
    assert made.dispatch(delivery) == []
    assert (made.row(delivery)["tries"], len(made.calls)) == (1, 1)


def test_a_message_of_a_delivery_that_does_not_exist_is_dropped(made: Dispatching) -> None:
    assert made.dispatch("9b2d7a6e-0000-4000-8000-000000000001") == []


@pytest.mark.parametrize("body", ["{", '{"type": "event.received", "tenant_id": "acme", "event_key": "k"}'])
def test_poison_comes_again_and_stops_no_other_message_of_its_batch(made: Dispatching, body: str) -> None:
    delivery = made.event(made.install())
    made.queue()
    good = json.dumps({"type": "delivery.queued", "tenant_id": "acme", "delivery_id": delivery})

    assert made.batch(record(body, "poison"), record(good, "good")) == ["poison"]

    assert made.state(delivery) == "delivered"


def test_an_install_that_is_disabled_gets_nothing(made: Dispatching) -> None:
    install = made.install()
    delivery = made.event(install)
    made.change(
        "insert into app.extension_install_disabling (tenant_id, install_id) values ('acme', cast(:i as uuid))",
        i=install,
    )

    assert made.deliver(delivery) == "discarded"

    assert made.calls == []
    assert made.row(delivery)["reason"] == "The extension is not installed and enabled any more. (not_installed)"


def test_a_schedule_whose_endpoint_is_gone_is_discarded(made: Dispatching) -> None:
    run = made.run(made.install(), path="/gone")

    assert made.deliver(run) == "discarded"

    assert made.calls == []


def test_an_event_whose_subscription_is_gone_is_discarded(made: Dispatching) -> None:
    delivery = made.event(made.install())
    made.change("delete from app.extension_event_subscription")

    assert made.deliver(delivery) == "discarded"

    assert made.calls == []


def test_a_delivery_after_an_update_reaches_the_new_version(made: Dispatching, databases: Databases) -> None:
    """It would otherwise be the old one's for as long as the dispatcher keeps an install in its memory."""
    install = made.install()
    with dispatching(databases, INSTALL_CACHE_MS="60000") as other:
        other.deliver(made.event(install))
        version = made.update(install)

        assert other.deliver(made.event(install)) == "delivered"

        assert [call.context.version_id == version for call in other.calls] == [False, True]


@pytest.mark.parametrize(
    ("subscribed", "state"), [("ticket.*", "delivered"), ("tick.*", "discarded"), ("*", "discarded")]
)
def test_a_subscription_to_all_topics_below_still_gets_the_event(
    made: Dispatching, subscribed: str, state: str
) -> None:
    delivery = made.event(made.install())
    made.change("update app.extension_event_subscription set topic = :topic", topic=subscribed)

    assert made.deliver(delivery) == state


@pytest.mark.parametrize(
    ("status", "state", "noted", "failures"),
    [(204, "delivered", "succeeded", 0), (404, "dead", "failed", 3), (503, "retrying", None, 2)],
)
def test_the_end_of_a_run_is_noted_in_its_schedule(
    made: Dispatching, status: int, state: str, noted: str | None, failures: int
) -> None:
    install = made.install()
    run = made.run(install)
    made.change(
        "insert into app.extension_schedule (tenant_id, schedule_id, install_id, endpoint_method, endpoint_path, cron, "
        "consecutive_failures) select tenant_id, schedule_id, install_id, method, path, '* * * * *', 2 "
        "from app.extension_delivery where delivery_id = cast(:delivery as uuid)",
        delivery=run,
    )
    made.answers({"status": status})

    assert made.deliver(run) == state

    (schedule,) = made.sql("select last_run_status, consecutive_failures from app.extension_schedule")
    assert (schedule["last_run_status"], schedule["consecutive_failures"]) == (noted, failures)


def test_a_used_up_quota_is_a_failed_try_without_a_record(made: Dispatching, databases: Databases) -> None:
    limits = json.dumps({"install": {"quotas": {"day": {"calls": {"hard": 0}}}}})
    with dispatching(databases, DEFAULT_LIMITS=limits) as strict:
        delivery = made.event(made.install())
        made.queue()
        assert strict.dispatch(delivery) == [delivery]
        assert (strict.calls, strict.sent("executions")) == ([], [])

    row = made.row(delivery)
    assert (row["state"], row["last_status"], row["last_error"], row["execution_ids"]) == (
        "retrying",
        429,
        "quota_exceeded",
        [],
    )


def test_an_open_breaker_is_a_failed_try_that_waits_until_it_closes(made: Dispatching) -> None:
    made.answers({"status": 504, "error": ExecuteError(code="guest_timeout", message="Too slow.")})
    install = made.install()
    for _ in range(5):
        made.deliver(made.event(install))
    delivery = made.event(install)

    assert made.deliver(delivery) == "retrying"

    row = made.row(delivery)
    assert (row["last_error"], row["execution_ids"], len(made.calls)) == ("runner_unavailable", [], 5)
    waits_s = "select extract(epoch from next_attempt_at - now()) as s from app.extension_delivery"
    (waits,) = made.sql(f"{waits_s} where delivery_id = cast(:d as uuid)", d=delivery)
    assert waits["s"] > 5


def test_deliveries_of_one_batch_run_at_the_same_time(made: Dispatching) -> None:
    together = threading.Barrier(4)

    def meet(_: Any) -> dict[str, Any]:
        together.wait(30)
        return {}

    made.answers(meet)
    install = made.install()
    deliveries = [made.event(install) for _ in range(4)]
    made.queue()

    assert made.dispatch(*deliveries) == []

    assert {made.state(one) for one in deliveries} == {"delivered"}


def test_an_install_that_hangs_delays_no_other_install_of_its_tenant(made: Dispatching) -> None:
    hanging, sound = made.install(), made.install()
    goes_on = threading.Event()

    def answer(call: ExecuteRequest) -> dict[str, Any]:
        if call.context.install_id == hanging:
            goes_on.wait(60)
        return {}

    made.answers(answer)
    stuck = [made.event(hanging, timeout_ms=60_000) for _ in range(10)]
    others = [made.event(sound) for _ in range(10)]
    queued = made.queue()
    assert sorted(queued) == sorted([*stuck[:4], *others[:4]])
    with ThreadPoolExecutor(1) as another_invocation:
        hung = another_invocation.submit(made.dispatch, *stuck[:4])
        ready = [one for one in queued if one in others]
        while ready:  # each end of the sound one's deliveries gives its slot to the next of them
            made.dispatch(ready.pop(0))
            ready += [message.delivery_id for message in made.sent()]

        assert [made.state(one) for one in others] == ["delivered"] * 10
        assert [made.state(one) for one in stuck] == ["running"] * 4 + ["pending"] * 6
        goes_on.set()
        assert hung.result() == []


def test_the_end_of_a_delivery_gives_its_slot_to_the_next_and_sends_its_message(made: Dispatching) -> None:
    install = made.install()
    deliveries = [made.event(install) for _ in range(5)]
    assert made.queue() == deliveries[:4]

    made.dispatch(deliveries[0])

    assert made.sent() == [DeliveryQueued(tenant_id="acme", delivery_id=deliveries[4])]
    assert made.state(deliveries[4]) == "queued"


def test_a_retry_that_finds_no_free_slot_waits_for_one(made: Dispatching) -> None:
    install = made.install()
    made.answers({"status": 503})
    failed = made.event(install)
    made.deliver(failed)
    others = [made.event(install) for _ in range(4)]
    assert made.queue() == others
    made.change("update app.extension_delivery set next_attempt_at = now() where state = 'retrying'")

    assert made.dispatch(failed) == []

    assert (made.state(failed), made.row(failed)["tries"]) == ("pending", 1)
    made.answers({})
    made.dispatch(others[0])
    assert made.sent() == [DeliveryQueued(tenant_id="acme", delivery_id=failed)]


def test_a_paused_install_gets_nothing_and_its_delivery_waits(made: Dispatching) -> None:
    paused, other = made.install(), made.install()
    delivery = made.event(paused)
    made.queue()
    made.change(
        "update app.tenant_extension_install set deliveries_paused_at = now() where install_id = cast(:i as uuid)",
        i=paused,
    )

    assert made.dispatch(delivery) == []

    row = made.row(delivery)
    assert (row["state"], row["tries"], row["recheck_at"], made.calls) == ("pending", 0, None, [])
    next_one = made.event(other)
    assert made.queue() == [next_one]


def test_while_extensions_are_switched_off_deliveries_wait(made: Dispatching, databases: Databases) -> None:
    delivery = made.event(made.install())
    made.queue()

    with dispatching(databases, EXTENSIONS_ENABLED="false") as off:
        assert off.dispatch(delivery) == []
        assert off.calls == []

    row = made.row(delivery)
    assert (row["state"], row["tries"]) == ("pending", 0)
    assert row["recheck_at"] is not None


def test_a_try_that_was_lost_is_made_again_when_its_lease_has_ended_and_counts(made: Dispatching) -> None:
    delivery = made.event(made.install())
    made.queue()
    made.change("update app.extension_delivery set state = 'running', tries = 1, lease_until = now() - interval '1 s'")

    assert made.dispatch(delivery) == []

    assert (made.state(delivery), made.row(delivery)["tries"]) == ("delivered", 2)


def test_a_delivery_whose_last_try_was_lost_is_dead(made: Dispatching) -> None:
    delivery = made.event(made.install())
    made.queue()
    made.change("update app.extension_delivery set state = 'running', tries = 8, lease_until = now() - interval '1 s'")

    assert made.dispatch(delivery) == []

    assert (made.state(delivery), made.row(delivery)["tries"], made.calls) == ("dead", 8, [])


def test_a_try_whose_lease_was_taken_over_notes_nothing(made: Dispatching) -> None:
    delivery = made.event(made.install())
    made.queue()

    def overtaken(_: Any) -> dict[str, Any]:
        made.change("update app.extension_delivery set tries = 2, execution_ids = execution_ids || gen_random_uuid()")
        return {"status": 503}

    made.answers(overtaken)

    assert made.dispatch(delivery) == []

    row = made.row(delivery)
    assert (row["state"], row["tries"], row["last_status"]) == ("running", 2, None)


def test_a_try_from_before_a_redrive_notes_nothing(made: Dispatching) -> None:
    """Its process stood still for so long that its delivery was claimed again, died and was redriven meanwhile."""
    delivery = made.event(made.install())
    made.queue()

    def overtaken(_: Any) -> dict[str, Any]:
        made.answers({"status": 404})
        made.change("update app.extension_delivery set lease_until = now()")
        made.dispatch(delivery)
        assert made.state(delivery) == "dead"
        made.change(REDRIVE)
        made.change(
            "update app.extension_delivery set state = 'running', tries = 1, lease_until = now() + interval '90 s', "
            "execution_ids = execution_ids || gen_random_uuid()"
        )
        return {"status": 204}

    made.answers(overtaken)

    assert made.dispatch(delivery) == []

    assert made.state(delivery) == "running"


REDRIVE = """
update app.extension_delivery set state = 'pending', tries = 0, reason = null, recheck_at = null, ended_at = null
"""
"""As the registry redrives a dead delivery."""


def first_tries(made: Dispatching) -> int:
    """How many deliveries count toward the objective for events and due schedules."""
    (total,) = made.sql("select coalesce(sum(tried), 0)::integer as tried from app.platform_delivery_total")
    return int(total["tried"])


def test_the_time_until_the_first_try_is_counted_once(made: Dispatching) -> None:
    before = first_tries(made)
    made.answers({"status": 503})
    delivery = made.event(made.install())

    made.deliver(delivery)
    made.change("update app.extension_delivery set next_attempt_at = now()")
    made.dispatch(delivery)

    assert (made.row(delivery)["tries"], first_tries(made) - before) == (2, 1)


def test_a_redriven_delivery_does_not_count_as_late(made: Dispatching) -> None:
    made.answers({"status": 404})
    delivery = made.event(made.install())
    made.deliver(delivery)
    before = first_tries(made)

    made.change(REDRIVE)
    made.deliver(delivery)

    assert (len(made.calls), first_tries(made) - before) == (2, 0)


def test_an_event_key_is_not_that_of_another_tenant(made: Dispatching) -> None:
    """The same event for two tenants has two rows, and a message names one of them only."""
    one, other = made.install("acme"), made.install("other")
    made.event(one, "acme", event_id="same")
    theirs = made.event(other, "other", event_id="same")
    made.queue("other")

    assert made.dispatch(theirs, tenant_id="acme") == []

    assert made.state(theirs, "other") == "queued"
    assert event_key("/tickets", "same")
