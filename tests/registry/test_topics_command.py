"""``alga-ext topics`` against a real registry."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.registry.test_limits_command import served
from tests.support.answering import answering
from tests.support.events import SCHEMA, register_topic
from tests.support.registry import RegistryWorld
from tools.cli.main import run

Command = Callable[..., int]


@pytest.fixture
def command(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)
        monkeypatch.setenv("ALGA_TOKEN", world.admin)
        yield lambda *arguments: run(["topics", *arguments])


@pytest.fixture
def schema(tmp_path: Path) -> str:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    return str(path)


def test_a_topic_is_registered_shown_and_deleted(
    command: Command, schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("set", "ticket.created", schema, "--description", "A ticket is new.") == 0
    capsys.readouterr()

    assert command("show", "ticket.created") == 0
    assert capsys.readouterr().out.startswith("ticket.created\nA ticket is new.\n{")
    assert command("show", "ticket.created", "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == SCHEMA
    assert command("delete", "ticket.created") == 0
    assert command("show", "ticket.created") == 1


def test_all_pages_of_topics_are_listed(
    command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"t.{number:03}" for number in range(101)]
    for name in names:
        register_topic(world, name, {})
    capsys.readouterr()

    assert command("list") == 0

    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("t.")] == names


def test_a_schema_that_is_not_json_is_refused(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text("{")

    assert command("set", "a.b", str(path)) == 1


def test_a_topic_of_the_platform_is_refused(command: Command, schema: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("set", "install.created", schema) == 1
    assert "platform's own" in capsys.readouterr().err
