"""``alga-ext logs`` against a real registry: calls with their lines, followed, and written for a publisher."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.envelope import RefusedCall
from alga_ext.calls.log_lines import CallLog, KeptLine, pack
from functions.registry.tenant_sweeping import sweep_tenants
from tests.registry.test_call_logs import AT, OTHER_INSTALL, execution_id, record, recorded
from tests.registry.test_limits_command import served
from tests.registry.test_recorder import accepted, make_march
from tests.support.answering import answering
from tests.support.registry import RegistryWorld
from tools.cli.main import run

Command = Callable[..., int]
LOST_AT = datetime.fromisoformat(AT) + timedelta(minutes=17)
LOG = CallLog(first=[KeptLine(3, "info", "guest", "one\ntwo"), KeptLine(7, "error", "stderr", "\x1b[31mred\x9b\0")])


@pytest.fixture(autouse=True)
def march(world: RegistryWorld) -> None:
    make_march(world.databases)


@pytest.fixture
def command(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)
        monkeypatch.setenv("ALGA_TOKEN", world.tenant_admin())
        yield lambda *arguments: run(["logs", *arguments])


def failed(world: RegistryWorld, **changes: Any) -> str:
    return record(
        world,
        status=502,
        error_code="guest_trapped",
        logs_b64z=pack(LOG),
        guest_error="no orders",
        guest_stack="at total (component.js:1:2)",
        last_refusal=RefusedCall(capability="cap:http.fetch", reason="host a.example is not granted"),
        **changes,
    )


def lose(world: RegistryWorld, **changes: Any) -> None:
    """Record the beginning of a call, and let the sweeper find its end unknown."""
    recorded(world, accepted(execution_id=execution_id(AT), at=AT, **changes))
    sweep_tenants(world.services.database, LOST_AT, timedelta(days=7))


def paths(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The paths of the calls that were shown. The registry writes its own log to the same output."""
    lines = capsys.readouterr().out.splitlines()
    return [line.split()[2] for line in lines if re.match(r"\d\d:\d\d:\d\d  ", line)]


def test_a_call_is_shown_with_its_lines_error_and_refusal(
    world: RegistryWorld, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(world)

    assert command() == 0

    lines = capsys.readouterr().out.splitlines()
    first, *rest = (line for line in lines if not line.startswith("{"))
    assert first.split()[1:] == ["GET", "/notes/7", "502", "12", "ms", "guest_trapped"]
    assert rest == [
        "    +3 ms guest info: one",
        "      two",
        "    +7 ms stderr error: \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}",
        "    error: no orders",
        "    at total (component.js:1:2)",
        "    last refusal: host a.example is not granted",
    ]


def test_calls_are_shown_oldest_first_and_only_so_many(
    world: RegistryWorld, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    for second in range(5):
        record(world, accepted_at=f"2026-03-01T10:00:0{second}+00:00", path=f"/{second}")

    assert command("--last", "3") == 0

    assert paths(capsys) == ["/2", "/3", "/4"]


def test_calls_are_filtered_by_install_and_outcome(
    world: RegistryWorld, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    record(world, path="/good")
    failed(world, path="/failed")
    record(world, path="/other", install_id=OTHER_INSTALL)

    assert command("--outcome", "error", "--json") == 0
    assert command("--install", OTHER_INSTALL, "--json") == 0

    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"execution_id"' in line]
    assert [(call["path"], call["logs"] is None) for call in shown] == [("/failed", False), ("/other", True)]


def test_a_call_whose_end_is_unknown_is_shown_and_exported(
    world: RegistryWorld, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lose(world, path="/lost")
    recorded(world, accepted(execution_id=execution_id(AT), at=AT, path="/running"))
    file = tmp_path / "calls.json"

    assert command("--outcome", "error") == 0
    assert command("--export", str(file)) == 0

    (shown,) = (line for line in capsys.readouterr().out.splitlines() if "/lost" in line)
    assert shown.split()[2:] == ["/lost", "-", "-", "its", "end", "is", "unknown"]
    (call,) = json.loads(file.read_text())["calls"]
    assert (call["outcome"], call["status"], call["logs"]) == ("unknown", None, None)


def test_an_extension_is_found_by_its_name(
    published: RegistryWorld, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    install = published.install()
    record(published, path="/mine", install_id=install["install_id"])
    record(published, path="/other")

    assert command("--extension", install["name"]) == 0

    assert paths(capsys) == ["/mine"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--extension", "com.acme.nothing"], "com.acme.nothing is not installed"),
        (["--outcome", "bad"], "outcome"),
        (["--install", "x"], "install_not_found"),
        (["--export", "{folder}/new", "--follow"], "do not go together"),
        (["--export", "{folder}"], "exists already"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], says: str
) -> None:
    assert command(*(argument.format(folder=tmp_path) for argument in arguments)) == 1
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_file_for_the_publisher_has_no_caller_and_no_path(
    world: RegistryWorld, command: Command, tmp_path: Path
) -> None:
    failed(world, path="/users/lovelace", principal="lovelace@example.com")
    file = tmp_path / "calls.json"

    assert command("--export", str(file)) == 0

    text = file.read_text()
    (call,) = json.loads(text)["calls"]
    assert "lovelace" not in text
    assert (call["status"], call["logs"]["guest_error"]) == (502, "no orders")
    assert call["logs"]["lines"][0]["text"] == "one\ntwo"
    assert file.stat().st_mode & 0o777 == 0o600


def test_lines_beyond_the_limit_of_a_day_are_said_to_be_missing_and_why(
    world: RegistryWorld, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(world, limit_bytes=2, logs_b64z=pack(LOG))
    file = tmp_path / "calls.json"

    assert command() == 0
    assert command("--export", str(file)) == 0

    assert "… 2 lines are not kept: the install wrote more than is kept of it for a day" in capsys.readouterr().out
    (call,) = json.loads(file.read_text())["calls"]
    assert (call["logs"]["dropped"], call["logs"]["dropped_for"]) == (2, "day_limit")


def test_new_calls_are_followed_once_each_when_they_are_finished(
    world: RegistryWorld, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(world, path="/before")
    running = accepted(execution_id=execution_id(AT), path="/running", at=AT)
    recorded(world, running)
    rounds = iter(range(4))

    def pause(_: float) -> None:
        match next(rounds):
            case 0:
                record(world, path="/new", accepted_at="2026-03-01T10:00:05+00:00")
            case 1:
                record(world, execution_id=running.execution_id, path="/running", accepted_at=AT)
            case 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)

    assert command("--follow") == 0

    assert paths(capsys) == ["/before", "/new", "/running"]


@pytest.mark.parametrize(("outcome", "shown"), [(None, ["/new", "/lost"]), ("error", ["/lost"]), ("ok", ["/new"])])
def test_calls_whose_end_becomes_unknown_are_followed_once(
    world: RegistryWorld,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    outcome: str | None,
    shown: list[str],
) -> None:
    lose(world, path="/lost-before")
    recorded(world, accepted(execution_id=execution_id(AT), path="/lost", at=AT))
    rounds = iter(range(40))

    def pause(_: float) -> None:
        match next(rounds):
            case 0:  # a later call, so that the lost one is no recent one any more
                record(world, path="/new", accepted_at="2026-03-01T10:10:00+00:00")
            case 1:
                sweep_tenants(world.services.database, LOST_AT, timedelta(days=7))
            case 39:
                raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)

    assert command("--last", "0", "--follow", *(("--outcome", outcome) if outcome else ())) == 0

    assert paths(capsys) == shown
