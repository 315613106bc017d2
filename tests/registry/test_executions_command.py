"""``alga-ext executions`` and ``alga-ext usage`` against a real registry."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alga_ext.calls.envelope import RefusedCall, Usage
from alga_ext.calls.limits import TENANT_AS_INSTALL
from tests.registry.test_call_logs import AT, OTHER_INSTALL, execution_id, record, recorded
from tests.registry.test_limits_command import served
from tests.registry.test_recorder import IDENTITY, accepted, make_march
from tests.registry.test_usage import MONTH, NOW, limit
from tests.support.answering import answering
from tests.support.registry import RegistryWorld
from tools.cli import executions_commands
from tools.cli.main import run

Command = Callable[..., list[str]]
MARCH = ("--from", "2026-03-01", "--to", "2026-03-31")


@pytest.fixture(autouse=True)
def march(world: RegistryWorld) -> None:
    make_march(world.databases)


@pytest.fixture
def command(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs a command that must succeed, and returns the lines of its answer."""

    def lines(*arguments: str) -> list[str]:
        capsys.readouterr()
        assert run(arguments) == 0
        # The registry writes its own log to the same output.
        return [line for line in capsys.readouterr().out.splitlines() if not line.startswith('{"_aws"')]

    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)
        monkeypatch.setenv("ALGA_TOKEN", world.tenant_admin())
        monkeypatch.setenv("TZ", "UTC")
        yield lines


def test_calls_are_listed_as_a_table_newest_first(world: RegistryWorld, command: Command) -> None:
    first = record(world, accepted_at="2026-03-01T10:00:00+00:00")
    second = record(
        world, accepted_at="2026-03-01T10:00:01+00:00", status=502, error_code="guest_trapped", path="/\x1b[31m\n"
    )

    titles, newest, oldest = command("executions")

    assert titles.split() == ["accepted", "method", "path", "status", "ms", "outcome", "error", "caller", "execution"]
    assert newest.split()[2:] == [
        "GET", "/\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}", "502", "12", "trapped", "guest_trapped",
        "user", second,
    ]  # fmt: skip
    assert oldest.split()[2:] == ["GET", "/notes/7", "200", "12", "ok", "-", "user", first]
    assert newest.index(second) == oldest.index(first)


def test_every_filter_is_sent(world: RegistryWorld, command: Command) -> None:
    wanted: dict[str, Any] = {
        "install_id": OTHER_INSTALL,
        "principal": "p q",
        "status": 504,
        "error_code": "guest_timeout",
    }
    found = record(world, **wanted)
    for name, value in {"install_id": IDENTITY["install_id"], "principal": "p", "error_code": "guest_trapped"}.items():
        record(world, **{**wanted, name: value})
    record(world, **wanted, accepted_at="2026-03-02T10:00:00+00:00")

    filters = ("--install", OTHER_INSTALL, "--outcome", "timeout", "--status", "5xx", "--principal", "p q")
    listed = command("executions", *filters, "--from", AT, "--to", "2026-03-02T00:00:00Z", "--json")

    assert [json.loads(line)["execution_id"] for line in listed] == [found]


def test_only_so_many_calls_are_listed_over_pages(
    world: RegistryWorld, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [record(world, accepted_at=f"2026-03-01T10:00:0{second}+00:00") for second in range(6)]
    monkeypatch.setattr(executions_commands, "PAGE_SIZE", 2)

    listed = command("executions", "--last", "5", "--json")

    assert [json.loads(line)["execution_id"] for line in listed] == made[:0:-1]


def test_a_running_call_is_called_so(world: RegistryWorld, command: Command) -> None:
    recorded(world, accepted(execution_id=execution_id(AT)))

    assert command("executions")[1].split()[4:7] == ["-", "-", "running"]


def test_a_record_is_shown_with_what_the_guest_left(world: RegistryWorld, command: Command) -> None:
    call = record(
        world,
        status=502,
        error_code="guest_trapped",
        usage=Usage(duration_ms=5, cpu_ms=1, host_calls={"storage.get": 2, "http.fetch": 1}),
        guest_error="no \x1b orders",
        guest_stack="at total\nat main",
        last_refusal=RefusedCall(capability="cap:http.fetch", reason="host a.example is not granted"),
    )

    lines = command("executions", call)

    shown = dict(line.split(maxsplit=1) for line in lines if not line.startswith(" "))
    assert (shown["execution_id"], shown["outcome"], shown["log_lines"]) == (call, "trapped", "0")
    assert shown["host_calls"] == "http.fetch 1, storage.get 2"
    assert shown["last_refusal"] == "cap:http.fetch: host a.example is not granted"
    assert shown["guest_error"] == "no \N{REPLACEMENT CHARACTER} orders"
    assert [line.strip() for line in lines[-2:]] == ["guest_stack        at total", "at main"]
    assert json.loads("\n".join(command("executions", call, "--json")))["execution_id"] == call


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["executions", "--status", "teapot"], "status"),
        (["executions", "x"], "execution_not_found"),
        (["executions", "x", "--status", "404"], "do not go together"),
        (["usage", "--period", "week"], "period"),
        (["usage", "--install", "x"], "install_not_found"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    command: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(arguments) == 1
    assert says in " ".join(capsys.readouterr().err.split())


def test_usage_is_a_table_of_the_tenant_and_its_installs_beside_the_quotas(
    world: RegistryWorld, command: Command
) -> None:
    limit(world, TENANT_AS_INSTALL, '{"quotas": {"month": {"calls": {"hard": 8}}}}')
    at = NOW.isoformat()
    for _ in range(2):
        record(world, accepted_at=at, at=at, usage=Usage(cpu_ms=700, memory_peak_bytes=5_000))

    titles, tenant, install = command("usage", "--period", "month")

    assert titles.split()[:3] == ["period", "install", "calls"]
    assert tenant.split()[:7] == [MONTH, "(tenant)", "2", "0", "0", "1,400", "5,000"]
    assert "calls 25% of 8" in tenant
    assert install.split()[:3] == [MONTH, str(IDENTITY["install_id"]), "2"]


def test_usage_of_a_time_is_given_by_day_install_and_endpoint(world: RegistryWorld, command: Command) -> None:
    record(world)
    record(world, accepted_at="2026-03-02T10:00:00+00:00")

    days = command("usage", "--period", "day", "--install", "tenant", *MARCH, "--json")
    (_, endpoint) = command("usage", "--endpoints", *MARCH)

    assert [json.loads(line)["period"] for line in days] == ["2026-03-01", "2026-03-02"]
    assert endpoint.split()[:5] == ["2026-03", str(IDENTITY["install_id"]), "GET", "/notes/:id", "2"]
    assert command("usage", "--endpoints", "--from", "2025-01-01", "--to", "2025-01-31") == []
