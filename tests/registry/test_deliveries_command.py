"""``alga-ext deliveries`` against a real registry."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.registry.test_limits_command import served
from tests.support.answering import answering
from tests.support.deliveries import REASON, delivery
from tests.support.registry import RegistryWorld
from tools.cli.main import run

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def install_id(published: RegistryWorld) -> str:
    return str(published.install()["install_id"])


@pytest.fixture
def command(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    with answering(served(published)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)
        monkeypatch.setenv("ALGA_TOKEN", published.tenant_admin())

        def deliveries(*arguments: str) -> tuple[int, str]:
            status = run(["deliveries", *arguments])
            shown = capsys.readouterr()
            return status, shown.out + shown.err

        yield deliveries


def test_dead_deliveries_are_listed_shown_and_tried_again(
    command: Command, published: RegistryWorld, install_id: str
) -> None:
    dead = delivery(published, install_id)
    waiting = delivery(published, install_id, "pending")

    status, listed = command("list", "--state", "dead")
    assert (status, dead in listed, waiting in listed) == (0, True, False)
    assert "8 tries" in listed

    _, shown = command("show", dead)
    assert f"reason: {REASON}" in shown
    assert '"n": 1' in shown

    status, done = command("redrive", dead)
    assert (status, "queued" in done) == (0, True)


def test_all_dead_deliveries_are_tried_again_together(
    command: Command, published: RegistryWorld, install_id: str
) -> None:
    for _ in range(3):
        delivery(published, install_id)

    assert command("redrive", "--all", "--install", install_id) == (0, "3 deliveries are tried again\n")
    assert command("redrive", "--all") == (0, "0 deliveries are tried again\n")


@pytest.mark.parametrize("arguments", [(), ("some-id", "--all")])
def test_one_or_all_must_be_named(command: Command, arguments: tuple[str, ...]) -> None:
    status, told = command("redrive", *arguments)

    assert (status, "--all" in told) == (1, True)


def test_a_delivery_is_discarded(command: Command, published: RegistryWorld, install_id: str) -> None:
    status, told = command("discard", delivery(published, install_id))

    assert (status, "discarded" in told) == (0, True)


def test_an_unknown_delivery_is_told_with_its_code(command: Command) -> None:
    status, told = command("show", "9b2d7a6e-0000-4000-8000-000000000001")

    assert (status, "delivery_not_found" in told) == (1, True)


def test_an_install_is_paused_and_resumed(command: Command, published: RegistryWorld, install_id: str) -> None:
    assert command("pause", install_id)[0] == 0
    install = f"/installs/{install_id}"
    assert published.call("GET", install, published.tenant_viewer()).body["deliveries_paused_at"] is not None

    assert command("resume", install_id)[0] == 0
    assert published.call("GET", install, published.tenant_viewer()).body["deliveries_paused_at"] is None


def test_the_list_is_machine_readable(command: Command, published: RegistryWorld, install_id: str) -> None:
    dead = delivery(published, install_id)

    _, listed = command("list", "--json")

    assert [item["delivery_id"] for item in json.loads(listed)] == [dead]


def test_what_an_extension_wrote_cannot_control_the_terminal(
    command: Command, published: RegistryWorld, install_id: str
) -> None:
    made = delivery(published, install_id)
    published.rows("update app.extension_delivery set subject = 'a' || chr(155) || '2J', reason = 'b' || chr(8238)")

    _, shown = command("show", made)

    assert ("a\ufffd2J" in shown, "reason: b\ufffd" in shown) == (True, True)
