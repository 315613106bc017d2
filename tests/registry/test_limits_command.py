"""``alga-ext limits`` against a real registry: a platform admin and a tenant set limits, and read what results."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.answering import Asked, Reply, answering
from tests.support.registry import RegistryWorld
from tools.cli.main import run

PREFIX = "/api/registry/v1"
Command = Callable[..., int]


def served(world: RegistryWorld) -> Callable[[Asked], Reply]:
    """Answer HTTP requests by the registry."""

    def answer(asked: Asked) -> Reply:
        path, _, query = asked.path.removeprefix(PREFIX).partition("?")
        token = asked.headers["authorization"].removeprefix("Bearer ")
        named = {name: asked.headers[name] for name in ("if-match", "content-type") if name in asked.headers}
        body = json.loads(asked.body) if asked.body else None
        found = world.call(asked.method, path, token, body, query=query, headers=named)
        body_of_answer = b"" if found.body is None else json.dumps(found.body).encode()
        return Reply(found.status, body_of_answer, {"content-type": found.headers.get("content-type", "")})

    return answer


@pytest.fixture
def command(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)

        def limits(token: str, *arguments: str) -> int:
            monkeypatch.setenv("ALGA_TOKEN", token)
            return run(["limits", *arguments])

        yield limits


def document(folder: Path, limits: Any) -> str:
    path = folder / "limits.json"
    path.write_text(json.dumps(limits))
    return str(path)


def test_what_the_platform_sets_is_shown_to_the_tenant(
    command: Command, world: RegistryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = {
        "user": {"burst": 5, "per_second": 0.5},
        "users": {"bot": {"burst": 500, "per_second": 50}},
        "quotas": {"day": {"calls": {"warning": 80, "hard": 100}}, "storage_bytes": {"hard": 1_000}},
    }
    assert command(world.admin, "set", document(tmp_path, limits), "--tenant", "tenant-a") == 0
    capsys.readouterr()
    assert command(world.tenant_viewer(), "show", "--tenant", "tenant-a") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:3] == [
        "user: 5 at once, 0.5 a second",
        "tenant: 1200 at once, 100 a second",
        "user bot: 500 at once, 50 a second",
    ]
    assert shown[3].endswith(" calls: 0 used, warning 80, hard 100")
    assert shown[-2:] == ["storage_bytes: 0 used, hard 1000", "revision 2"]


def test_limits_of_an_install_are_set_for_the_tenant_that_is_named(
    command: Command, published: RegistryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install = published.install()["install_id"]
    path = document(tmp_path, {"rate": {"burst": 9, "per_second": 2}})
    assert command(published.admin, "set", path, "--install", install, "--tenant", "tenant-a", "--json") == 0
    assert json.loads(capsys.readouterr().out)["set_by_platform"]["rate"]["burst"] == 9


def test_another_revision_is_refused(
    command: Command, world: RegistryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = document(tmp_path, {})
    assert command(world.admin, "set", path, "--tenant", "tenant-a", "--revision", "1") == 0
    assert command(world.admin, "set", path, "--tenant", "tenant-a", "--revision", "1") == 1
    assert "precondition_failed" in capsys.readouterr().err


def test_a_tenant_that_asks_for_more_is_told_what_is_allowed(
    command: Command, world: RegistryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = document(tmp_path, {"user": {"burst": 61, "per_second": 1}})
    assert command(world.tenant_admin(), "set", path, "--tenant", "tenant-a") == 1
    assert "tenant.user.burst is 61, the platform allows 60" in capsys.readouterr().err


def test_whose_limits_must_be_said(command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(world.admin, "show") == 1
    assert "--tenant or an install with --install" in capsys.readouterr().err


def test_a_file_that_is_not_json_is_refused(
    command: Command, world: RegistryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "limits.json").write_text("{")
    assert command(world.admin, "set", str(tmp_path / "limits.json"), "--tenant", "tenant-a") == 1
    assert "is not JSON" in capsys.readouterr().err
