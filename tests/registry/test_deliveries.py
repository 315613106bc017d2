"""A tenant's deliveries: what its admin sees of them, and what an admin can do about those that are dead."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alga_ext.calls.messages import DeliveryQueued, decode_message
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Database
from functions.registry.deliveries import deliveries
from functions.registry.records.audit import Actor
from functions.registry.whole_tick import run_tick
from tests.support.deliveries import REASON
from tests.support.deliveries import delivery as event
from tests.support.lock_watch import lock_watch
from tests.support.registry import Answer, RegistryWorld


def sent(world: RegistryWorld) -> list[Any]:
    found = world.sqs.receive_message(QueueUrl=world.deliveries_url, MaxNumberOfMessages=10).get("Messages", [])
    return [decode_message(message["Body"]) for message in found]


def listed(world: RegistryWorld, query: str = "", token: str | None = None) -> list[str]:
    answer = world.call("GET", "/deliveries", token or world.tenant_viewer(), query=query)
    assert answer.status == 200, answer
    return [item["delivery_id"] for item in answer.body["items"]]


def change(world: RegistryWorld, delivery_id: str, method: str = "POST", what: str = "/redrive") -> Answer:
    return world.call(method, f"/deliveries/{delivery_id}{what}", world.tenant_admin())


@pytest.fixture
def install_id(published: RegistryWorld) -> str:
    return str(published.install()["install_id"])


def test_a_tenant_lists_its_deliveries_newest_first_page_by_page(published: RegistryWorld, install_id: str) -> None:
    made = [event(published, install_id) for _ in range(5)]

    first = published.call("GET", "/deliveries", published.tenant_viewer(), query="page_size=3").body
    second = published.call(
        "GET", "/deliveries", published.tenant_viewer(), query=f"page_size=3&cursor={first['next_cursor']}"
    ).body

    assert [item["delivery_id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


def test_the_list_is_narrowed_by_state_install_and_trigger(published: RegistryWorld, install_id: str) -> None:
    dead, waiting = event(published, install_id), event(published, install_id, "pending")

    assert listed(published, "state=dead") == [dead]
    assert listed(published, "state=pending") == [waiting]
    assert listed(published, f"install={install_id}") == [waiting, dead]
    assert listed(published, f"install={uuid.uuid4()}") == []
    assert listed(published, "trigger=schedule") == []


@pytest.mark.parametrize("query", ["state=lost", "trigger=user", "cursor=x", "page_size=0"])
def test_a_query_that_means_nothing_is_refused(published: RegistryWorld, query: str) -> None:
    assert published.call("GET", "/deliveries", published.tenant_viewer(), query=query).code == "invalid_request"


def test_a_tenant_sees_no_delivery_of_another(published: RegistryWorld, install_id: str) -> None:
    made = event(published, install_id)
    other = published.tenant_admin("tenant-b")

    assert listed(published, token=other) == []
    assert published.call("GET", f"/deliveries/{made}", other).code == "delivery_not_found"


def test_an_admin_sees_what_a_delivery_delivers_and_why_it_is_dead(published: RegistryWorld, install_id: str) -> None:
    made = event(published, install_id)

    shown = published.call("GET", f"/deliveries/{made}", published.tenant_admin()).body

    assert (shown["state"], shown["tries"], shown["reason"]) == ("dead", 8, REASON)
    assert (shown["event"]["data"], shown["payload"]) == ({"n": 1}, None)


def test_a_viewer_does_not_see_the_payload(published: RegistryWorld, install_id: str) -> None:
    made = event(published, install_id)

    assert published.call("GET", f"/deliveries/{made}", published.tenant_viewer()).code == "forbidden"


def test_a_dead_delivery_is_tried_again_under_its_id(published: RegistryWorld, install_id: str) -> None:
    made = event(published, install_id)

    answer = change(published, made)

    assert (answer.status, answer.body["state"], answer.body["tries"], answer.body["reason"]) == (
        200,
        "queued",
        0,
        None,
    )
    assert sent(published) == [DeliveryQueued(tenant_id="tenant-a", delivery_id=made)]


def test_dead_deliveries_are_tried_again_together_within_the_slots(published: RegistryWorld, install_id: str) -> None:
    made = [event(published, install_id) for _ in range(6)]

    answer = published.call("POST", "/dead-deliveries/redrive", published.tenant_admin(), query=f"install={install_id}")

    assert answer.body == {"redriven": 6, "more": False}
    assert [message.delivery_id for message in sent(published)] == made[:4]
    assert sorted(listed(published, "state=pending")) == sorted(made[4:])


def test_dead_deliveries_of_another_install_stay_dead(published: RegistryWorld, install_id: str) -> None:
    made = event(published, install_id)

    query = f"install={uuid.uuid4()}"
    answer = published.call("POST", "/dead-deliveries/redrive", published.tenant_admin(), query=query)

    assert (answer.body["redriven"], listed(published, "state=dead")) == (0, [made])


@pytest.mark.parametrize("second", ["one", "all"])
def test_a_delivery_that_two_admins_redrive_at_the_same_instant_is_queued_once(
    published: RegistryWorld, install_id: str, second: str
) -> None:
    made = event(published, install_id)
    admin = Database(published.databases.registry)

    with lock_watch(published.databases) as waits, ThreadPoolExecutor(1) as other:
        with admin.tenant("tenant-a") as tx:
            delivery_slots.lock(tx, "tenant-a")
            row = deliveries.load(tx, "tenant-a", made)
            queued = deliveries.redrive(tx, "tenant-a", row, Actor("admin", "r-1"))
            if second == "one":
                again = other.submit(change, published, made)
            else:
                path = "/dead-deliveries/redrive"
                again = other.submit(published.call, "POST", path, published.tenant_admin())
            while not again.done() and not waits():
                time.sleep(0.01)
        answer = again.result()
    admin.close()

    assert [one.delivery_id for one in queued] == [made]
    assert answer.body["redriven" if second == "all" else "code"] == (0 if second == "all" else "delivery_state")
    assert sent(published) == []  # the message of the first is sent after its transaction
    rows = published.rows("select state from app.extension_delivery")
    assert [row["state"] for row in rows] == ["queued"]
    assert len(published.rows("select from app.audit_event where action like 'delivery.redrive%'")) == 1


@pytest.mark.parametrize("state", ["pending", "queued", "running", "retrying", "delivered", "discarded"])
def test_only_a_dead_delivery_is_tried_again(published: RegistryWorld, install_id: str, state: str) -> None:
    made = event(published, install_id, state)

    assert change(published, made).code == "delivery_state"

    assert published.call("GET", f"/deliveries/{made}", published.tenant_admin()).body["state"] == state


@pytest.mark.parametrize("state", ["pending", "queued", "retrying", "dead"])
def test_a_delivery_that_waits_or_is_dead_can_be_discarded(
    published: RegistryWorld, install_id: str, state: str
) -> None:
    made = event(published, install_id, state)

    answer = change(published, made, "DELETE", "")

    assert (answer.body["state"], answer.body["reason"]) == ("discarded", "A tenant admin has discarded it.")


@pytest.mark.parametrize("state", ["running", "delivered", "discarded"])
def test_a_delivery_that_runs_or_has_ended_cannot_be_discarded(
    published: RegistryWorld, install_id: str, state: str
) -> None:
    assert change(published, event(published, install_id, state), "DELETE", "").code == "delivery_state"


def test_a_discarded_delivery_gives_its_slot_to_the_next(published: RegistryWorld, install_id: str) -> None:
    held = [event(published, install_id, "queued") for _ in range(4)]
    waiting = event(published, install_id, "pending")

    change(published, held[0], "DELETE", "")

    assert [message.delivery_id for message in sent(published)] == [waiting]


def test_while_extensions_are_switched_off_nothing_is_tried_again(published: RegistryWorld, install_id: str) -> None:
    made = event(published, install_id)
    published.rewire(EXTENSIONS_ENABLED="false")

    assert change(published, made).code == "extensions_disabled"
    assert published.call("POST", "/dead-deliveries/redrive", published.tenant_admin()).code == "extensions_disabled"
    assert change(published, made, "DELETE", "").status == 200


def pause(world: RegistryWorld, install_id: str, what: str) -> Answer:
    return world.call("POST", f"/installs/{install_id}/deliveries/{what}", world.tenant_admin())


def test_deliveries_of_a_paused_install_wait_until_the_pause_ends(published: RegistryWorld, install_id: str) -> None:
    assert pause(published, install_id, "pause").body["deliveries_paused_at"] is not None
    made = event(published, install_id)
    change(published, made)
    assert sent(published) == []

    assert pause(published, install_id, "resume").body["deliveries_paused_at"] is None

    assert [message.delivery_id for message in sent(published)] == [made]


def test_a_second_pause_changes_nothing(published: RegistryWorld, install_id: str) -> None:
    first = pause(published, install_id, "pause").body

    again = pause(published, install_id, "pause").body

    assert (again["deliveries_paused_at"], again["revision"]) == (first["deliveries_paused_at"], first["revision"])


def test_an_install_that_is_installed_again_is_not_paused(published: RegistryWorld, install_id: str) -> None:
    pause(published, install_id, "pause")
    published.call("DELETE", f"/installs/{install_id}", published.tenant_admin())

    again = published.install()

    assert (again["install_id"], again["deliveries_paused_at"]) == (install_id, None)


def test_what_waited_for_the_end_of_a_pause_goes_on_after_a_new_installation(
    published: RegistryWorld, install_id: str
) -> None:
    pause(published, install_id, "pause")
    made = event(published, install_id)
    change(published, made)
    published.call("DELETE", f"/installs/{install_id}", published.tenant_admin())

    published.install()
    run_tick(published.ticker())

    assert [message.delivery_id for message in sent(published)] == [made]
