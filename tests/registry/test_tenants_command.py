"""``alga-ext tenants`` against a real registry and a real object store."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.registry.test_limits_command import served
from tests.registry.test_tenant_export import write
from tests.support.answering import answering
from tests.support.registry import RegistryWorld
from tests.support.rows import fill_tenant
from tools.cli.main import run

Command = Callable[..., int]


@pytest.fixture
def command(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    fill_tenant(world.databases, "tenant-a")
    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)
        monkeypatch.setenv("ALGA_TOKEN", world.admin)
        yield lambda *arguments: run(["tenants", *arguments])


def test_an_export_is_one_file_for_each_table_and_the_manifest(
    command: Command, world: RegistryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.call("GET", "/tenants/tenant-a/export", world.admin).status == 200
    write(world)

    assert command("export", "tenant-a", str(tmp_path / "out")) == 0

    (row,) = gzip.decompress((tmp_path / "out" / "extension_storage_entry.jsonl.gz").read_bytes()).splitlines()
    assert json.loads(row)["value"] == "v"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["rows"]["audit_event"] == 2
    assert "audit_event: 2" in capsys.readouterr().out


def test_an_export_is_not_mixed_with_other_files(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()

    assert command("export", "tenant-a", str(tmp_path)) == 1


def test_an_erasure_is_begun_and_its_receipt_shown(
    command: Command, world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("erase", "tenant-a", "--yes-erase", "tenant-a") == 0
    assert command("erasure", "tenant-a") == 0

    assert capsys.readouterr().out.count("running: ") == 2
    assert world.rows("select state from app.tenant_extension_install") == [{"state": "uninstalled"}]


def test_a_tenant_that_is_named_once_only_is_not_erased(command: Command, world: RegistryWorld) -> None:
    assert command("erase", "tenant-a", "--yes-erase", "tenant-b") == 1

    assert world.rows("select state from app.tenant_extension_install") == [{"state": "enabled"}]
