"""How long events are kept: a day, or 14 days when a delivery did not end well."""

from datetime import timedelta

import pytest

from functions.registry.tenant_sweeping import sweep_tenants
from tests.support.events import (
    as_owner,
    deliveries,
    event_of,
    fan_out,
    post,
    received,
    register_topic,
    stored,
    subscriber,
)
from tests.support.registry import RegistryWorld


@pytest.fixture
def delivered(world: RegistryWorld) -> RegistryWorld:
    """A registry with one event and its delivery."""
    world.register()
    register_topic(world)
    subscriber(world, {"topic": "ticket.created", "handler": "/on"})
    world.install()
    received(world)
    as_owner(world, "delete from app.extension_event")
    post(world, event_of())
    fan_out(world)
    return world


def ends(world: RegistryWorld, state: str) -> None:
    ended = "now()" if state in ("delivered", "dead", "discarded") else "null"
    as_owner(world, f"update app.extension_delivery set state = '{state}', ended_at = {ended}")


def left(world: RegistryWorld, days: float) -> tuple[int, int]:
    """Sweep so many days from now; return how many events and deliveries are left."""
    sweep_tenants(world.services.database, world.services.now() + timedelta(days=days), timedelta(days=7))
    return len(stored(world)), len(deliveries(world))


@pytest.mark.parametrize("state", ["delivered", "discarded"])
def test_an_event_whose_deliveries_ended_well_is_kept_for_a_day(delivered: RegistryWorld, state: str) -> None:
    ends(delivered, state)

    assert left(delivered, 0.99) == (1, 1)
    assert left(delivered, 1.01) == (0, 0)


@pytest.mark.parametrize("state", ["dead", "pending", "queued", "running", "retrying"])
def test_an_event_with_another_delivery_is_kept_for_14_days(delivered: RegistryWorld, state: str) -> None:
    ends(delivered, state)

    assert left(delivered, 1.01) == (1, 1)
    assert left(delivered, 13.99) == (1, 1)
    assert left(delivered, 14.01) == (0, 0)


def test_an_event_that_was_not_fanned_out_is_kept_for_14_days(world: RegistryWorld) -> None:
    register_topic(world)
    post(world, event_of())

    assert left(world, 1.01) == (1, 0)
    assert left(world, 14.01) == (0, 0)


def test_an_event_that_is_kept_is_looked_at_once(delivered: RegistryWorld) -> None:
    ends(delivered, "dead")
    left(delivered, 1.01)

    with delivered.services.database.system() as tx:
        now = delivered.services.now() + timedelta(days=2)
        assert tx.rows("select * from app.tenants_with_due(:now, :now, 10) as t(id)", now=now) == []


def test_many_events_are_deleted_in_batches(world: RegistryWorld) -> None:
    register_topic(world)
    for first in range(0, 300, 100):
        assert post(world, [event_of(number) for number in range(first, first + 100)]).status == 202
    fan_out(world)

    assert left(world, 1.01) == (0, 0)


def test_the_same_event_is_new_again_after_it_was_deleted(delivered: RegistryWorld) -> None:
    ends(delivered, "delivered")
    left(delivered, 1.01)

    assert post(delivered, event_of()).body["events"][0]["result"] == "accepted"
