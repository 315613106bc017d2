"""``alga-ext egress`` against a real registry: a tenant reads its ledger, tries fewer hosts, and turns them on."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.registry.test_egress_ledger import TODAY, message, record, total
from tests.registry.test_limits_command import served
from tests.support.answering import answering
from tests.support.registry import RegistryWorld
from tests.support.server_extension import publish_server
from tools.cli.main import run

pytestmark = pytest.mark.one_day

Command = Callable[..., int]
GRANTS = {"capabilities": ["http.fetch"], "egress": ["*.example.com"]}


@pytest.fixture
def command(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)
        monkeypatch.setenv("ALGA_TOKEN", world.tenant_admin())
        yield lambda *arguments: run(["egress", *arguments])


@pytest.fixture
def install_id(world: RegistryWorld) -> str:
    world.register()
    publish_server(world, secrets=[])
    return str(world.install(grants=GRANTS)["install_id"])


def out(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of the answer, without those that the recorder logs."""
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith('{"_aws"')]


def requests(world: RegistryWorld, install_id: str, **counts: int) -> None:
    record(
        world,
        message(1, *(total(f"{name}.example.com", count) for name, count in counts.items()), install_id=install_id),
    )


def test_the_ledger_is_shown_by_destination(
    command: Command, world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record(
        world,
        message(1, total("api.example.com", 3, 1, 100, 200), install_id=install_id),
        message(2, total("x.org", 1)),
    )

    assert command("show", "--install", install_id, "--from", f"{TODAY}", "--to", f"{TODAY}") == 0
    assert out(capsys) == [f"{install_id} api.example.com: 3 requests, 100 bytes sent, 200 received, 1 refused"]
    assert command("show", "--to", "2020-01-01") == 0
    assert out(capsys) == []


def test_all_pages_of_the_ledger_are_shown_as_json(
    command: Command, world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        egress = [total(f"h{number}-{each}.example.com", 1) for each in range(50)]
        record(world, message(number, *egress, install_id=install_id))

    capsys.readouterr()
    assert command("show", "--json") == 0
    found: list[Any] = json.loads(capsys.readouterr().out)
    assert len(found) == 150


def test_a_list_is_tried_reported_and_turned_on(
    command: Command, world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    requests(world, install_id, api=3, cdn=2)
    assert command("try", install_id, "--host", "api.example.com", "--days", "1") == 0
    tried = out(capsys)
    assert tried[0] == "tried: api.example.com"
    assert tried[1].endswith("(running)")
    assert tried[2:4] == [
        "2 of 5 requests would have been refused", f"  cdn.example.com: 2, last on {TODAY}"
    ]  # fmt: skip
    assert command("report", install_id) == 0
    assert out(capsys) == tried
    assert command("apply", install_id, "--revision", tried[-1].removeprefix("revision ")) == 0
    assert out(capsys) == ["granted hosts: api.example.com"]


def test_a_revision_of_before_is_refused(command: Command, install_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    command("try", install_id, "--host", "api.example.com")
    assert command("apply", install_id, "--revision", "1") == 1
    assert "precondition_failed" in capsys.readouterr().err


def test_a_host_beyond_the_grants_is_told(
    command: Command, install_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("try", install_id, "--host", "other.org") == 1
    assert "other.org is not within what is granted now (*.example.com)" in capsys.readouterr().err


def test_a_trial_is_stopped(command: Command, install_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    command("try", install_id, "--host", "api.example.com", "--json")
    assert json.loads(capsys.readouterr().out)["hosts"] == ["api.example.com"]
    assert command("stop", install_id) == 0
    assert command("report", install_id) == 1
    assert "egress_trial_not_found" in capsys.readouterr().err
