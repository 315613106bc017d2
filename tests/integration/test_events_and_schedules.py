"""Events and schedules through the whole local platform: posted by HTTP, queued, and delivered to real guests."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from alga_ext.calls.messages import DeliveryQueued, encode_message
from tests.support.site import Site
from tests.support.wat import guest
from tools.cli.client import ApiError, Client, problem_of
from tools.local.cloud import aws_client

PATIENCE_S = 90
SLOTS = 4
PUBLISHED, COPIES = 100, 100
"""How many events of a flood are published, and how often each of them is delivered."""
WORKS = guest("(call $respond (i32.const 204) (i32.const 0) (i32.const 0))")
FAILS = guest("(call $respond (i32.const 500) (i32.const 0) (i32.const 0))")
HANGS = guest("(call $wasi.block (call $wasi.subscribe (i64.const 3600000000000))) (unreachable)", wasi=["sleep"])
# The first letter of the body says what to do: "c" makes a schedule that sends "t", "l" answers the heap with the list.
KEEPS_A_SCHEDULE = guest(
    """
      (local $asked i32)
      (call $body (local.get $request))
      (drop)
      (local.set $asked (i32.load8_u))
      (if (i32.eq (local.get $asked) (i32.const 99))
        (then
          (call $scheduler.create-schedule
            (i32.const 0) (i32.const 9)                  ;; endpoint
            (i32.const 16) (i32.const 9)                 ;; cron
            (i32.const 0) (i32.const 0) (i32.const 0)    ;; no time zone
            (i32.const 0) (i32.const 0)                  ;; enabled by default
            (i32.const 1) (i32.const 32) (i32.const 7)   ;; name
            (i32.const 1) (i32.const 40) (i32.const 1)   ;; payload
            (i32.const 256))
          (return (call $respond (i32.sub (i32.const 500) (i32.mul (i32.const 299) (i32.load8_u (i32.const 256))))
            (i32.const 0) (i32.const 0)))))
      (if (i32.eq (local.get $asked) (i32.const 108))
        (then
          (call $scheduler.list-schedules (i32.const 256))
          (return (call $respond (i32.const 200) (i32.const 65536) (i32.const 8192)))))
      (call $respond (i32.const 200) (i32.const 40) (i32.const 1))
    """,
    imports=["scheduler.create-schedule", "scheduler.list-schedules"],
    data='(data (i32.const 0) "POST /run") (data (i32.const 16) "0 0 1 1 *") (data (i32.const 32) "nightly") '
    '(data (i32.const 40) "t")',
)


def new_topic(site: Site) -> str:
    """Register a topic for one test."""
    topic = f"t{uuid.uuid4().hex[:12]}.made"
    site.client("operator").json("PUT", f"/topics/{topic}", {"schema": {"type": "object"}})
    return topic


def install(site: Site, tenant: str, component: bytes, **manifest: Any) -> str:
    """Publish a component and install it for a tenant."""
    version = site.publish(component, **manifest)
    assert version["state"] == "ready", version["state_reasons"]
    grants: dict[str, Any] = {"capabilities": [], "egress": [], "secrets": {}, "limits": {}}
    with admin_of(site, tenant) as admin:
        return str(admin.install(version["name"], None, grants, {})["install_id"])


class admin_of:  # noqa: N801 - used as a function
    """A client of a tenant's admin, closed at the end of the block."""

    def __init__(self, site: Site, tenant: str) -> None:
        self._client = site.client_of({"tenant_id": tenant, "roles": ["tenant_admin"]})

    def __enter__(self) -> Client:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()


def publish(site: Site, tenant: str, topic: str, *data: Any, **attributes: Any) -> list[str]:
    """Publish events of a tenant by HTTP, and return their ids."""
    events = [
        {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/tests", "type": topic, "data": one, **attributes}
        for one in data
    ]
    client = site.client_of({"tenant_id": tenant, "roles": ["event:publish"]})
    headers = {"content-type": "application/cloudevents-batch+json"}
    reply = client.request("POST", "/api/events", json.dumps(events).encode(), headers)
    client.close()
    if reply.status != 202:
        raise problem_of(reply)
    return [str(event["id"]) for event in events]


def deliveries(site: Site, tenant: str, install_id: str) -> list[dict[str, Any]]:
    sql = "select * from app.extension_delivery where tenant_id = :tenant and install_id = cast(:id as uuid)"
    return site.rows(tenant, sql, tenant=tenant, id=install_id)


def wait_for(holds: Callable[[], Any], what: str) -> Any:
    """Wait until a function returns something, and return that."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def delivery_in(site: Site, tenant: str, install_id: str, *states: str) -> dict[str, Any]:
    """Wait until the only delivery of an install is in one of the states, and return it."""

    def reached() -> dict[str, Any] | None:
        found = deliveries(site, tenant, install_id)
        assert len(found) <= 1
        return found[0] if found and found[0]["state"] in states else None

    found: dict[str, Any] = wait_for(reached, f"no delivery became {states}: {deliveries(site, tenant, install_id)}")
    return found


def test_an_event_by_http_reaches_the_guest_and_is_recorded_without_a_user(site: Site) -> None:
    topic = new_topic(site)
    install_id = install(site, "acme", WORKS, events=[{"topic": topic, "handler": "/on-event"}])

    publish(site, "acme", topic, {"n": 1})

    done = delivery_in(site, "acme", install_id, "delivered")
    sql = "select * from app.extension_execution_log where execution_id = cast(:id as uuid) and state = 'finished'"
    [execution_id] = done["execution_ids"]
    [record] = wait_for(lambda: site.rows("acme", sql, id=str(execution_id)), "the call was not recorded")
    assert (record["method"], record["path"], record["status"]) == ("POST", "/on-event", 204)
    assert record["principal"] == "system:event"


def test_a_filter_keeps_other_events_away(site: Site) -> None:
    topic = new_topic(site)
    subscription = {"topic": topic, "handler": "/on-event", "filter": {"data": {"status": "paid"}}}
    install_id = install(site, "acme", WORKS, events=[subscription])

    _, paid = publish(site, "acme", topic, {"status": "new"}, {"status": "paid"})

    waiting = "select from app.extension_event where topic = :topic and fanned_out_at is null"
    wait_for(lambda: not site.rows("acme", waiting, topic=topic), "the events were not fanned out")
    done = delivery_in(site, "acme", install_id, "delivered")
    [event] = site.rows("acme", "select * from app.extension_event where event_id = :id", id=paid)
    assert done["event_key"] == event["event_key"]


def test_a_schedule_that_a_guest_made_fires_in_a_tick_and_guest_and_admin_see_its_run(site: Site) -> None:
    install_id = site.install(KEEPS_A_SCHEDULE, capabilities=["cap:scheduler.manage"])
    with admin_of(site, "acme") as admin:
        grants = {"capabilities": ["cap:scheduler.manage"], "egress": [], "secrets": {}}
        admin.json("PUT", f"/installs/{install_id}/grants", grants)
        assert site.call(install_id, method="POST", body=b"c").status == 201
        [made] = admin.json("GET", f"/schedules?install={install_id}")["items"]
        assert (made["name"], made["last_run_status"]) == ("nightly", None)
        sql = "update app.extension_schedule set next_run_at = now() where schedule_id = cast(:id as uuid) returning 1"
        site.rows("acme", sql, id=made["schedule_id"])

        ticked = site.client("operator").json("POST", "/maintenance/tick")

        assert ticked["fired"] >= 1
        [fired] = deliveries(site, "acme", install_id)
        send_at_once(site, "acme", str(fired["delivery_id"]))
        delivery_in(site, "acme", install_id, "delivered")
        [shown] = admin.json("GET", f"/schedules?install={install_id}")["items"]
        assert shown["last_run_status"] == "succeeded"
        assert shown["last_run_at"] is not None
        assert shown["next_run_at"] > made["created_at"]
    listed = site.call(install_id, method="POST", body=b"l")
    assert b"succeeded" in listed.body


def send_at_once(site: Site, tenant: str, delivery_id: str) -> None:
    """Send the message of a delivery again: its own is hidden for the part of the minute that the install has."""
    cloud = site.platform.cloud
    sqs = aws_client("sqs", cloud.endpoint_url)
    message = DeliveryQueued(tenant_id=tenant, delivery_id=delivery_id)
    sqs.send_message(QueueUrl=cloud.queue_urls["deliveries"], MessageBody=encode_message(message).decode())
    sqs.close()


def test_a_handler_that_fails_is_tried_again_then_dead_and_can_be_redriven(site: Site) -> None:
    topic = new_topic(site)
    install_id = install(site, "acme", FAILS, events=[{"topic": topic, "handler": "/on-event"}])
    publish(site, "acme", topic, {})
    wait_for(lambda: any(row["tries"] >= 2 for row in deliveries(site, "acme", install_id)), "no second try")
    delivery_id = str(delivery_in(site, "acme", install_id, "retrying")["delivery_id"])
    sql = "update app.extension_delivery set tries = 7 where delivery_id = cast(:id as uuid) returning tries"
    site.rows("acme", sql, id=delivery_id)  # the tries between take half an hour

    delivery_in(site, "acme", install_id, "dead")

    with admin_of(site, "acme") as admin:
        [dead] = admin.json("GET", f"/deliveries?state=dead&install={install_id}")["items"]
        assert (dead["delivery_id"], dead["tries"], dead["last_status"]) == (delivery_id, 8, 500)
        assert "500" in dead["reason"]
        admin.json("POST", f"/deliveries/{delivery_id}/redrive")
        again = delivery_in(site, "acme", install_id, "retrying")
        assert str(again["delivery_id"]) == delivery_id
        assert len(again["execution_ids"]) > len(dead["execution_ids"])
        admin.json("POST", f"/installs/{install_id}/disable", {"reason": "the test is over"})


def test_an_event_that_too_many_events_caused_is_refused(site: Site) -> None:
    topic = new_topic(site)

    with pytest.raises(ApiError, match="too_many_hops"):
        publish(site, "acme", topic, {}, algahops=9)

    assert len(publish(site, "acme", topic, {}, algahops=8)) == 1


class Flood(NamedTuple):
    """A tenant whose handler hangs, with ten thousand deliveries of events before it."""

    tenant: str
    topic: str
    install_id: str

    def states(self, site: Site) -> dict[str, int]:
        """Return how many deliveries are in each state."""
        sql = """select state, count(*) as n from app.extension_delivery
                 where tenant_id = :tenant and install_id = cast(:id as uuid) group by state"""
        return {row["state"]: row["n"] for row in site.rows(self.tenant, sql, tenant=self.tenant, id=self.install_id)}


@pytest.fixture(scope="module")
def flood(site: Site) -> Iterator[Flood]:
    """Events that were published, and copies of their deliveries: the emulated queue takes minutes for ten thousand."""
    topic, tenant = new_topic(site), f"flood-{uuid.uuid4().hex[:8]}"
    subscription = {"topic": topic, "handler": "/on-event", "timeout_ms": 60_000}
    made = Flood(tenant, topic, install(site, tenant, HANGS, events=[subscription]))
    publish(site, tenant, topic, *({} for _ in range(PUBLISHED)))
    wait_for(lambda: sum(made.states(site).values()) == PUBLISHED, "not every event was fanned out")
    sql = """insert into app.extension_delivery
               (tenant_id, delivery_id, install_id, trigger, subject, event_key, method, path, timeout_ms)
             select tenant_id, gen_random_uuid(), install_id, trigger, subject, event_key, method, path, timeout_ms
             from app.extension_delivery, generate_series(2, :copies)
             where tenant_id = :tenant and install_id = cast(:id as uuid)
             returning delivery_id"""
    copies = site.rows(tenant, sql, tenant=tenant, id=made.install_id, copies=COPIES)
    assert len(copies) == PUBLISHED * (COPIES - 1)
    yield made
    # Otherwise each of them would be discarded by the dispatcher, beside the tests that follow.
    sql = """delete from app.extension_delivery where tenant_id = :tenant and install_id = cast(:id as uuid)
             and state = 'pending' returning delivery_id"""
    site.rows(tenant, sql, tenant=tenant, id=made.install_id)
    with admin_of(site, tenant) as admin:
        admin.json("POST", f"/installs/{made.install_id}/disable", {"reason": "the test is over"})


def assert_the_flood_stands_behind(site: Site, flood: Flood) -> None:
    """None of the flood's events has ended, and no more than an install's slots are on their way."""
    states = flood.states(site)
    assert sum(states.values()) == PUBLISHED * COPIES
    assert states.keys() <= {"pending", "queued", "running", "retrying"}
    assert states.get("queued", 0) + states.get("running", 0) == SLOTS


@pytest.mark.parametrize("tenant", ["flood", "other"])
def test_ten_thousand_events_of_a_handler_that_hangs_stand_before_no_other_install(
    site: Site, flood: Flood, tenant: str
) -> None:
    of = flood.tenant if tenant == "flood" else "globex"
    topic = new_topic(site)
    install_id = install(site, of, WORKS, events=[{"topic": topic, "handler": "/on-event"}])

    publish(site, of, topic, {})

    delivery_in(site, of, install_id, "delivered")
    assert_the_flood_stands_behind(site, flood)
