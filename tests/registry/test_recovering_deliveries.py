"""What the tick finds again, and what the sweeper deletes: events and deliveries that were forgotten or have ended."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.messages import DeliveryQueued, EventReceived, decode_message
from alga_ext.stores import delivery_slots
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from functions.registry.deliveries import deliveries, recovering
from functions.registry.deliveries.recovering import Recovered, recover
from functions.registry.records.audit import Actor
from functions.registry.tenant_sweeping import sweep_tenants
from tests.support.deliveries import delivery
from tests.support.lock_watch import lock_watch
from tests.support.registry import RegistryWorld

GRACE = timedelta(days=7)


@pytest.fixture
def install_id(published: RegistryWorld) -> str:
    made = str(published.install()["install_id"])
    published.rows("delete from app.extension_event")  # the platform's own, about this install
    published.sqs.purge_queue(QueueUrl=published.events_url)
    return made


@pytest.fixture
def events_url(published: RegistryWorld) -> str:
    return str(published.events_url)


def run(world: RegistryWorld, events_url: str, later: timedelta = timedelta(0)) -> Recovered:
    events = SqsQueue(events_url, AwsApi(world.environment()))
    return recover(world.services.database, events, world.services.deliveries_queue, datetime.now(UTC) + later)


def sent(world: RegistryWorld, url: str) -> list[Any]:
    found = world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [decode_message(message["Body"]) for message in found]


def due(world: RegistryWorld, delivery_id: str) -> None:
    world.rows(
        "update app.extension_delivery set recheck_at = now() - interval '1 s' where delivery_id = cast(:d as uuid)",
        d=delivery_id,
    )


def state(world: RegistryWorld, delivery_id: str) -> str:
    (row,) = world.rows("select state from app.extension_delivery where delivery_id = cast(:d as uuid)", d=delivery_id)
    return str(row["state"])


@pytest.mark.parametrize("found", ["queued", "running", "retrying"])
def test_a_delivery_whose_message_was_lost_gets_another(
    published: RegistryWorld, install_id: str, events_url: str, found: str
) -> None:
    made = delivery(published, install_id, found)
    due(published, made)

    assert run(published, events_url) == Recovered(0, 1)

    assert sent(published, published.deliveries_url) == [DeliveryQueued(tenant_id="tenant-a", delivery_id=made)]
    assert state(published, made) == found


def test_a_delivery_whose_message_is_not_late_yet_is_left_alone(
    published: RegistryWorld, install_id: str, events_url: str
) -> None:
    delivery(published, install_id, "queued")

    assert run(published, events_url) == Recovered(0, 0)


def test_a_message_is_sent_again_once_in_fifteen_minutes(
    published: RegistryWorld, install_id: str, events_url: str
) -> None:
    due(published, delivery(published, install_id, "queued"))
    run(published, events_url)

    assert run(published, events_url, timedelta(minutes=14)) == Recovered(0, 0)
    assert run(published, events_url, timedelta(minutes=16)) == Recovered(0, 1)


def test_deliveries_that_nobody_gave_slots_get_them(published: RegistryWorld, install_id: str, events_url: str) -> None:
    made = [delivery(published, install_id, "pending") for _ in range(6)]
    due(published, made[0])

    assert run(published, events_url) == Recovered(0, 4)

    assert [message.delivery_id for message in sent(published, published.deliveries_url)] == made[:4]


def test_a_delayed_run_is_looked_at_again_when_its_delay_is_over(
    published: RegistryWorld, install_id: str, events_url: str
) -> None:
    made = delivery(published, install_id, "pending")
    published.rows("update app.extension_delivery set delay_s = 900 returning 1")
    due(published, made)

    assert run(published, events_url) == Recovered(0, 0)

    [row] = published.rows("select recheck_at - created_at as later from app.extension_delivery")
    assert row["later"] == timedelta(seconds=960)


def test_a_delivery_that_waits_for_a_slot_is_looked_at_once(
    published: RegistryWorld, install_id: str, events_url: str
) -> None:
    for _ in range(6):
        due(published, delivery(published, install_id, "pending"))
    run(published, events_url)

    assert (
        published.rows("select 1 from app.extension_delivery where state = 'pending' and recheck_at is not null") == []
    )


def test_an_event_whose_deliveries_were_not_made_is_sent_again(
    published: RegistryWorld, install_id: str, events_url: str
) -> None:
    delivery(published, install_id, "delivered")
    published.rows("update app.extension_event set fanned_out_at = null, recheck_at = now() - interval '1 s'")
    (row,) = published.rows("select event_key::text as key from app.extension_event")

    assert run(published, events_url) == Recovered(1, 0)
    assert run(published, events_url) == Recovered(0, 0)

    assert sent(published, events_url) == [EventReceived(tenant_id="tenant-a", event_key=row["key"])]


def test_a_failure_in_one_tenant_does_not_stop_the_others(
    published: RegistryWorld, install_id: str, events_url: str
) -> None:
    """The queue of events is gone, so each tenant with an event fails; deliveries are sent all the same."""
    made = delivery(published, install_id, "queued")
    due(published, made)
    delivery(published, install_id, "delivered")
    published.rows("update app.extension_event set fanned_out_at = null, recheck_at = now() - interval '1 s'")
    published.sqs.delete_queue(QueueUrl=events_url)

    assert run(published, events_url) == Recovered(0, 0)

    assert [message.delivery_id for message in sent(published, published.deliveries_url)] == [made]


def test_one_run_looks_at_so_many_rows_and_the_next_goes_on(
    published: RegistryWorld, install_id: str, events_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovering, "ROWS", 2)
    for _ in range(3):
        due(published, delivery(published, install_id, "retrying"))

    assert [run(published, events_url).deliveries for _ in range(3)] == [2, 1, 0]


def sweep(world: RegistryWorld, later: timedelta) -> None:
    sweep_tenants(world.services.database, datetime.now(UTC) + later, GRACE)


@pytest.mark.parametrize("ended", ["delivered", "discarded"])
def test_a_delivery_that_ended_a_day_ago_is_deleted_with_its_event(
    published: RegistryWorld, install_id: str, ended: str
) -> None:
    delivery(published, install_id, ended)
    sweep(published, timedelta(hours=23))
    assert len(published.rows("select 1 from app.extension_delivery")) == 1

    sweep(published, timedelta(hours=25))

    assert published.rows("select 1 from app.extension_delivery") == []
    assert published.rows("select 1 from app.extension_event") == []


def test_a_dead_delivery_and_its_event_are_kept_for_two_weeks(published: RegistryWorld, install_id: str) -> None:
    delivery(published, install_id, "dead")
    sweep(published, timedelta(days=13, hours=23))
    assert len(published.rows("select 1 from app.extension_delivery join app.extension_event using (event_key)")) == 1

    sweep(published, timedelta(days=14, hours=1))
    assert published.rows("select 1 from app.extension_delivery") == []

    sweep(published, timedelta(days=16))
    assert published.rows("select 1 from app.extension_event") == []


@pytest.mark.parametrize("found", ["pending", "queued", "running", "retrying"])
def test_what_has_not_ended_is_kept_as_long_as_its_event(published: RegistryWorld, install_id: str, found: str) -> None:
    delivery(published, install_id, found)
    sweep(published, timedelta(days=13, hours=23))
    assert len(published.rows("select 1 from app.extension_delivery join app.extension_event using (event_key)")) == 1

    sweep(published, timedelta(days=14, hours=1))

    assert published.rows("select 1 from app.extension_delivery") == []
    assert published.rows("select 1 from app.extension_event") == []


def test_an_event_without_deliveries_is_kept_for_a_day(published: RegistryWorld, install_id: str) -> None:
    delivery(published, install_id, "dead")
    published.rows("delete from app.extension_delivery")
    sweep(published, timedelta(hours=23))
    assert len(published.rows("select 1 from app.extension_event")) == 1

    sweep(published, timedelta(hours=25))

    assert published.rows("select 1 from app.extension_event") == []


def test_an_uninstalled_extension_leaves_no_delivery(published: RegistryWorld, install_id: str) -> None:
    delivery(published, install_id, "dead")
    published.call("DELETE", f"/installs/{install_id}", published.tenant_admin())

    sweep(published, GRACE + timedelta(hours=1))

    assert published.rows("select 1 from app.extension_delivery") == []


@pytest.mark.parametrize("found", ["queued", "running", "retrying"])
def test_the_slot_of_a_delivery_that_is_deleted_with_its_event_is_given_away(
    published: RegistryWorld, install_id: str, events_url: str, found: str
) -> None:
    delivery(published, install_id, found)
    published.rows("update app.extension_event set received_at = now() - interval '14 days', sweep_at = now()")
    waiting = delivery(published, install_id, "pending")
    published.rows("update app.extension_delivery set recheck_at = null where state = 'pending'")

    sweep(published, timedelta(seconds=1))

    assert run(published, events_url, timedelta(seconds=1)) == Recovered(0, 1)
    assert [message.delivery_id for message in sent(published, published.deliveries_url)] == [waiting]


def test_a_dead_delivery_that_is_redriven_while_it_is_swept_is_not_deleted(
    published: RegistryWorld, install_id: str
) -> None:
    made = delivery(published, install_id, "dead")
    published.rows("update app.extension_delivery set ended_at = now() - interval '15 days'")
    admin = Database(published.databases.registry)

    with lock_watch(published.databases) as waits, ThreadPoolExecutor(1) as sweeper:
        with admin.tenant("tenant-a") as tx:
            delivery_slots.lock(tx, "tenant-a")
            deliveries.redrive(tx, "tenant-a", deliveries.load(tx, "tenant-a", made), Actor("admin", "r-1"))
            swept = sweeper.submit(sweep, published, timedelta(0))
            while not swept.done() and not waits():
                time.sleep(0.01)
        swept.result()
    admin.close()

    assert state(published, made) == "queued"
