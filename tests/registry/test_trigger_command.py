"""``alga-ext trigger`` against a real registry: what happens without a caller, made to happen by hand."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.registry.test_limits_command import served
from tests.support.answering import answering
from tests.support.events import publisher_of, received, register_topic, stored
from tests.support.registry import RegistryWorld
from tests.support.schedules import SYNC, add_schedule
from tests.support.server_extension import publish_server
from tools.cli.main import run

Command = Callable[..., int]
TICKET = ("event", "ticket.created", "--data", '{"ticket_id": "T-1"}')


@pytest.fixture
def command(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)

        def trigger(token: str, *arguments: str) -> int:
            monkeypatch.setenv("ALGA_TOKEN", token)
            return run(["trigger", *arguments])

        yield trigger


@pytest.fixture
def install_id(world: RegistryWorld) -> str:
    world.register()
    publish_server(world, api=SYNC)
    return str(world.install()["install_id"])


def test_an_event_is_published_for_the_tokens_tenant(
    command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    register_topic(world)

    assert command(publisher_of(world), *TICKET, "--source", "/shell", "--id", "4711") == 0

    assert capsys.readouterr().out.endswith("accepted: ticket.created 4711\n")
    [event] = stored(world)
    assert (event["tenant_id"], event["source"], event["event_id"]) == ("tenant-a", "/shell", "4711")
    assert event["body"]["data"] == {"ticket_id": "T-1"}
    assert len(received(world)) == 1


def test_an_event_with_a_used_id_is_said_to_be_a_duplicate(
    command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    register_topic(world)
    command(publisher_of(world), *TICKET, "--id", "4711")
    capsys.readouterr()

    assert command(publisher_of(world), *TICKET, "--id", "4711") == 0

    assert capsys.readouterr().out.endswith("duplicate: ticket.created 4711\n")


def test_events_without_an_id_are_different_events(command: Command, world: RegistryWorld) -> None:
    register_topic(world)

    assert command(publisher_of(world), *TICKET) == 0
    assert command(publisher_of(world), *TICKET) == 0

    assert len(stored(world)) == 2


def test_a_token_of_the_platform_names_the_tenant(command: Command, world: RegistryWorld) -> None:
    register_topic(world)

    assert command(publisher_of(world, None), *TICKET, "--tenant", "tenant-b") == 0

    assert [event["tenant_id"] for event in stored(world)] == ["tenant-b"]


def test_data_that_does_not_fit_the_topic_is_refused_with_the_reason(
    command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    register_topic(world)

    assert command(publisher_of(world), "event", "ticket.created", "--data", "{}") == 1

    shown = capsys.readouterr().err
    assert "event_data_invalid" in shown
    assert "ticket_id" in shown


def test_data_that_is_not_json_is_refused_before_anything_is_sent(
    command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(publisher_of(world), "event", "ticket.created", "--data", "{a}") == 1

    assert "the data is not JSON" in capsys.readouterr().err


def test_a_schedule_is_run_by_its_name(
    command: Command, world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add_schedule(world, install_id, due_at=None, name="other")
    schedule_id = add_schedule(world, install_id, due_at=None, name="nightly")

    assert command(world.tenant_admin(), "schedule", "nightly") == 0

    [delivery] = world.rows("select delivery_id, schedule_id from app.extension_delivery")
    assert str(delivery["schedule_id"]) == schedule_id
    assert capsys.readouterr().out.endswith(f"delivery {delivery['delivery_id']}\n")


def test_a_schedule_is_run_by_its_id(command: Command, world: RegistryWorld, install_id: str) -> None:
    schedule_id = add_schedule(world, install_id, due_at=None)

    assert command(world.tenant_admin(), "schedule", schedule_id) == 0

    assert len(world.rows("select from app.extension_delivery")) == 1


def test_a_name_of_two_schedules_runs_neither_and_shows_their_ids(
    command: Command, world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_server(world, name="com.acme.other", api=SYNC)
    other_id = str(world.install("com.acme.other")["install_id"])
    both = [add_schedule(world, made, due_at=None, name="nightly") for made in (install_id, other_id)]

    assert command(world.tenant_admin(), "schedule", "nightly") == 1

    shown = capsys.readouterr().err
    assert all(schedule_id in shown for schedule_id in both)
    assert world.rows("select from app.extension_delivery") == []


def test_an_unknown_name_says_where_names_are(
    command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(world.tenant_admin(), "schedule", "nightly") == 1

    assert "alga-ext schedules list" in capsys.readouterr().err


def test_a_tick_fires_what_is_due_and_says_how_much(
    command: Command, world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add_schedule(world, install_id, due_at=world.services.now())

    assert command(world.admin, "tick") == 0

    assert capsys.readouterr().out.endswith("claimed: 1\nfired: 1\nevents_sent_again: 0\ndeliveries_sent_again: 0\n")


def test_a_tick_by_hand_begins_no_batch_when_its_time_is_up(
    world: RegistryWorld, install_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        add_schedule(world, install_id, due_at=world.services.now())
    monkeypatch.setattr("functions.registry.scheduling.ticking.BATCH", 2)
    clock = count(0.0, 3.0)  # each look at it is 3 s later: the tick begins, a batch, and the time is up

    with world.replaced(monotonic_s=lambda: next(clock)):
        answer = world.call("POST", "/maintenance/tick", world.admin)

    assert (answer.status, answer.body["claimed"]) == (200, 2)


def test_a_tick_is_refused_to_a_tenants_admin(
    command: Command, world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add_schedule(world, install_id, due_at=world.services.now())

    assert command(world.tenant_admin(), "tick") == 1

    assert "platform_admin" in capsys.readouterr().err
    assert world.rows("select from app.extension_delivery") == []
