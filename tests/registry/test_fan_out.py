"""Fan-out: who gets an event, that each handler gets it once, and what is sent to the dispatcher."""

import threading
from typing import Any

import pytest

from alga_ext.calls.deliveries import event_delivery_id, event_key
from alga_ext.calls.messages import EventReceived, PrepareMessage
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from functions.registry.events.consuming import Consumer
from functions.registry.events.fan_out import fan_out as fan_out_in
from tests.support.emitted import totals
from tests.support.events import (
    as_owner,
    consumer_of,
    deliveries,
    event_of,
    fan_out,
    post,
    publisher_of,
    queued,
    received,
    register_topic,
    stored,
    subscriber,
)
from tests.support.registry import RegistryWorld
from tests.support.server_extension import change

ON = {"topic": "ticket.created", "handler": "/on"}
OTHER = {"topic": "ticket.created", "handler": "/other"}


@pytest.fixture
def open_world(world: RegistryWorld) -> RegistryWorld:
    """A registry with a topic and a publisher of extensions."""
    world.register()
    register_topic(world)
    return world


def installed(world: RegistryWorld, *subscriptions: dict[str, Any], name: str = "com.acme.notes") -> dict[str, Any]:
    """Install an extension with subscriptions, and forget what the platform itself tells of it."""
    subscriber(world, *subscriptions, name=name)
    install = world.install(name)
    forget(world)
    return install


def forget(world: RegistryWorld) -> None:
    received(world)
    as_owner(world, "update app.extension_event set fanned_out_at = now() where origin = 'platform'")


def sent(world: RegistryWorld, **members: Any) -> list[str]:
    """Publish an event, fan it out, and return the paths that it is delivered to."""
    assert post(world, event_of(**members)).status == 202
    assert fan_out(world) == {}
    return sorted(row["path"] for row in deliveries(world))


def test_each_handler_gets_a_delivery_that_is_queued(open_world: RegistryWorld) -> None:
    install = installed(open_world, {**ON, "timeout_ms": 45_000}, OTHER)

    assert sent(open_world, algahops=2) == ["/on", "/other"]

    on, other = sorted(deliveries(open_world), key=lambda row: str(row["path"]))
    key = event_key("/host/tickets", "e-1")
    assert str(on["delivery_id"]) == event_delivery_id(key, install["install_id"], "/on")
    assert (on["trigger"], on["subject"], on["method"], on["hops"]) == ("event", "ticket.created", "POST", 2)
    assert (on["timeout_ms"], other["timeout_ms"]) == (45_000, None)
    assert {on["state"], other["state"]} == {"queued"}
    assert sorted(queued(open_world)) == sorted([str(on["delivery_id"]), str(other["delivery_id"])])


def test_an_event_without_a_subscriber_is_done(open_world: RegistryWorld) -> None:
    assert sent(open_world) == []
    assert stored(open_world)[0]["fanned_out_at"] is not None


def test_other_tenants_get_nothing(open_world: RegistryWorld) -> None:
    installed(open_world, ON)
    post(open_world, event_of(), publisher_of(open_world, "tenant-b"))
    fan_out(open_world)

    assert deliveries(open_world) == []


def test_a_message_that_comes_twice_makes_nothing_twice(open_world: RegistryWorld) -> None:
    installed(open_world, ON)
    post(open_world, event_of())
    (message,) = received(open_world)

    for _ in range(2):
        assert consumer_of(open_world).handle([message, message]) == {}

    assert len(deliveries(open_world)) == len(queued(open_world)) == 1


@pytest.mark.parametrize(
    ("subscribed", "reached"),
    [
        ("ticket.created", True),
        ("ticket.*", True),
        ("ticket", False),
        ("ticket.created.*", False),
        ("tick*", False),
        ("ticket*created", False),
        ("other.*", False),
    ],
)
def test_a_wildcard_at_the_end_reaches_all_topics_below(
    open_world: RegistryWorld, subscribed: str, reached: bool
) -> None:
    installed(open_world, {"topic": subscribed, "handler": "/on"})

    assert sent(open_world) == (["/on"] if reached else [])


def test_a_handler_that_is_reached_by_two_topics_gets_the_event_once_by_the_narrower_one(
    open_world: RegistryWorld,
) -> None:
    installed(open_world, {"topic": "ticket.*", "handler": "/on", "timeout_ms": 1}, {**ON, "timeout_ms": 2})

    sent(open_world)

    assert [row["timeout_ms"] for row in deliveries(open_world)] == [2]


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ({"attributes": {"subject": "T-1"}}, True),
        ({"attributes": {"subject": "T-2"}}, False),
        ({"attributes": {"own": 7, "flag": True}}, True),
        ({"attributes": {"absent": ""}}, False),
        ({"attributes": {"data": "x"}}, False),
        ({"data": {"ticket_id": "T-1", "price": 2}}, True),
        ({"data": {"price": "2"}}, False),
        ({"data": {"price": True}}, False),
        ({"data": {"absent": None}}, False),
        ({"attributes": {"subject": "T-1"}, "data": {"price": 3}}, False),
        ({}, True),
    ],
)
def test_a_filter_is_applied_before_a_delivery_is_made(
    open_world: RegistryWorld, wanted: dict[str, Any], reached: bool
) -> None:
    installed(open_world, {**ON, "filter": wanted})

    found = sent(open_world, subject="T-1", own=7, flag=True, data={"ticket_id": "T-1", "price": 2.0})

    assert found == (["/on"] if reached else [])


@pytest.mark.parametrize("ends", ["disable", "uninstall"])
def test_an_install_that_is_not_active_gets_nothing(open_world: RegistryWorld, ends: str) -> None:
    install = installed(open_world, ON)
    if ends == "disable":
        change(open_world, install, "disable")
    else:
        open_world.call("DELETE", f"/installs/{install['install_id']}", open_world.tenant_admin())
    forget(open_world)

    assert sent(open_world) == []


def test_every_extension_that_subscribes_gets_the_event(open_world: RegistryWorld) -> None:
    installed(open_world, ON)
    subscriber(open_world, OTHER, name="com.acme.more")
    open_world.install("com.acme.more")
    forget(open_world)

    assert sent(open_world) == ["/on", "/other"]


def test_no_more_than_a_tenants_slots_are_queued(open_world: RegistryWorld) -> None:
    installed(open_world, ON)
    post(open_world, [event_of(number) for number in range(10)])

    assert fan_out(open_world) == {}

    states = [row["state"] for row in deliveries(open_world)]
    assert (states.count("queued"), states.count("pending")) == (4, 6)
    assert len(queued(open_world)) == 4


def test_events_at_once_are_fanned_out_once_each(open_world: RegistryWorld) -> None:
    installed(open_world, ON, OTHER)
    post(open_world, [event_of(number) for number in range(20)])
    keys = [message.event_key for message in received(open_world) if isinstance(message, EventReceived)]
    barrier, made = threading.Barrier(4), []

    def work() -> None:
        database = Database(open_world.databases.registry)
        barrier.wait(10)
        for key in keys:
            with database.tenant("tenant-a") as tx:
                made.extend(fan_out_in(tx, "tenant-a", [key]).queued)
        database.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(deliveries(open_world)) == 40
    assert len(made) == len(set(made)) == 4


def test_one_that_cannot_be_handled_fails_alone(open_world: RegistryWorld) -> None:
    installed(open_world, ON)
    post(open_world, event_of())
    (good,) = received(open_world)
    bad = EventReceived(tenant_id="tenant-a", event_key="no uuid")

    failed = consumer_of(open_world).handle([bad, good])

    assert list(failed) == [0]
    assert len(deliveries(open_world)) == 1


def test_a_message_of_another_kind_fails_alone(open_world: RegistryWorld) -> None:
    installed(open_world, ON)
    post(open_world, event_of())

    failed = consumer_of(open_world).handle([PrepareMessage(version_id="v", content_hash="h"), *received(open_world)])

    assert list(failed) == [0]
    assert len(deliveries(open_world)) == 1


def test_a_queue_that_cannot_be_reached_loses_no_delivery(open_world: RegistryWorld) -> None:
    installed(open_world, ON)
    post(open_world, event_of())
    gone = SqsQueue(f"{open_world.deliveries_url}-gone", AwsApi(open_world.environment()))
    consumer = Consumer(open_world.services.database, gone, open_world.services.evaluator)

    assert consumer.handle(received(open_world)) == {}

    (row,) = deliveries(open_world)
    assert row["state"] == "queued"
    assert row["recheck_at"] is not None


def test_the_lag_is_that_of_the_oldest_event(open_world: RegistryWorld, capsys: pytest.CaptureFixture[str]) -> None:
    post(open_world, [event_of(1), event_of(2)])
    as_owner(
        open_world, "update app.extension_event set received_at = now() - interval '1 hour' where event_id = 'e-2'"
    )
    capsys.readouterr()

    fan_out(open_world)

    assert totals(capsys.readouterr().out)["FanoutLag"] >= 3_600_000
