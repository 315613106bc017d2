"""A process that receives or fans out events is killed before each of its steps: nothing is lost or delivered twice.

After the kill, only a repeated request, a message that comes again, and the next tick go on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from alga_ext.calls.deliveries import event_delivery_id, event_key
from functions.registry.whole_tick import run_tick
from tests.conftest import fresh_databases
from tests.registry.conftest import registry
from tests.support.events import (
    BATCH,
    as_owner,
    bus_body,
    deliveries,
    event_of,
    fan_out,
    publisher_of,
    queued,
    received,
    register_topic,
    stored,
    subscriber,
)
from tests.support.registry import RegistryWorld, sqs_event
from tests.support.registry_process import RegistryProcess

EVENTS: Final = [event_of(1), event_of(2, algahops=1)]
MOST_STEPS: Final = 60
RECEIVING: Final = (5, 6, 7)
"""Before the events are inserted, before that is committed, and before the messages are sent."""
FANNING_OUT: Final = (5, 7, 8)
"""Before the event is marked as done, before that is committed, and before the messages are sent."""


@contextmanager
def scene(postgres_server: str, template_database: str, moto_url: str) -> Iterator[RegistryWorld]:
    """A fresh registry with a topic and an install of which two handlers subscribe to it."""
    with fresh_databases(postgres_server, template_database) as databases, registry(databases, moto_url) as made:
        made.register()
        register_topic(made)
        subscriber(made, {"topic": "ticket.created", "handler": "/on"}, {"topic": "ticket.*", "handler": "/other"})
        made.install()
        received(made)
        as_owner(made, "update app.extension_event set fanned_out_at = now()")
        yield made


@pytest.fixture
def world(postgres_server: str, template_database: str, moto_url: str) -> Iterator[RegistryWorld]:
    with scene(postgres_server, template_database, moto_url) as made:
        yield made


def expected(world: RegistryWorld) -> list[str]:
    """The ids of every delivery that there is to be."""
    (install,) = world.rows("select install_id from app.tenant_extension_install")
    keys = [event_key(event["source"], event["id"]) for event in EVENTS]
    paths = ("/on", "/other")
    return sorted(event_delivery_id(key, str(install["install_id"]), path) for key in keys for path in paths)


def check(world: RegistryWorld) -> None:
    """Let the platform go on, and check that everything is there once, and known to the dispatcher or to the tick."""
    as_owner(world, "update app.extension_event set recheck_at = now()")
    run_tick(world.ticker())
    assert fan_out(world) == {}
    found = deliveries(world)
    assert sorted(str(row["delivery_id"]) for row in found) == expected(world)
    assert all(row["fanned_out_at"] is not None for row in stored(world))
    waiting = {str(row["delivery_id"]) for row in found if row["recheck_at"] is not None}
    assert waiting | set(queued(world)) == set(expected(world))


def request(world: RegistryWorld) -> dict[str, Any]:
    return world.event("POST", "/api/events", publisher_of(world), EVENTS, headers={"content-type": BATCH})


def killed_while_receiving(world: RegistryWorld, process: RegistryProcess, step: int) -> bool:
    """Kill the process before a step of the request, and repeat the request; return whether there was such a step."""
    answer = process.answer(request(world), step=step)
    if answer is None:
        answer = process.answer(request(world))
        was_killed = True
    else:
        was_killed = False
    assert answer is not None
    assert answer["statusCode"] == 202, answer
    return was_killed


def killed_while_fanning_out(world: RegistryWorld, process: RegistryProcess, event: dict[str, Any], step: int) -> bool:
    answer = process.answer(event, "fanout", step)
    if answer is not None:
        assert answer == {"batchItemFailures": []}
        return False
    assert process.answer(event, "fanout") == {"batchItemFailures": []}
    return True


@pytest.mark.parametrize("step", RECEIVING)
def test_a_publisher_that_repeats_a_killed_request_loses_and_doubles_nothing(world: RegistryWorld, step: int) -> None:
    with RegistryProcess(world) as process:
        assert killed_while_receiving(world, process, step)
    check(world)


@pytest.mark.parametrize("step", FANNING_OUT)
def test_a_message_that_comes_again_after_a_kill_loses_and_doubles_nothing(world: RegistryWorld, step: int) -> None:
    with RegistryProcess(world) as process:
        killed_while_receiving(world, process, 0)
        assert killed_while_fanning_out(world, process, sqs_event(*received(world)), step)
    check(world)


@pytest.mark.kills
def test_a_kill_before_any_step_of_receiving_loses_and_doubles_nothing(
    postgres_server: str, template_database: str, moto_url: str
) -> None:
    _try_each_step(postgres_server, template_database, moto_url, killed_while_receiving)


@pytest.mark.kills
def test_a_kill_before_any_step_of_fan_out_loses_and_doubles_nothing(
    postgres_server: str, template_database: str, moto_url: str
) -> None:
    def kill(world: RegistryWorld, process: RegistryProcess, step: int) -> bool:
        killed_while_receiving(world, process, 0)
        return killed_while_fanning_out(world, process, sqs_event(*received(world)), step)

    _try_each_step(postgres_server, template_database, moto_url, kill)


@pytest.mark.kills
def test_a_kill_before_any_step_of_an_event_from_the_bus_loses_and_doubles_nothing(
    postgres_server: str, template_database: str, moto_url: str
) -> None:
    def kill(world: RegistryWorld, process: RegistryProcess, step: int) -> bool:
        bodies = [bus_body({**event, "algatenant": "tenant-a"}) for event in EVENTS]
        return killed_while_fanning_out(world, process, sqs_event(*bodies), step)

    _try_each_step(postgres_server, template_database, moto_url, kill)


def _try_each_step(postgres_server: str, template_database: str, moto_url: str, kill: Any) -> None:
    """Kill before each step in a fresh registry, until a step is not reached."""
    for step in range(1, MOST_STEPS):
        with scene(postgres_server, template_database, moto_url) as made:
            with RegistryProcess(made) as process:
                was_killed = kill(made, process, step)
            check(made)
            if not was_killed:
                assert step > max(RECEIVING)
                return
    pytest.fail(f"more than {MOST_STEPS} steps")
