"""The drill of docs/how-to/back-up-and-restore.md: database and bucket of different instants say what is missing.

At instant A, tenants run 1.0.0 and 1.1.0. Then 1.2.0 is published and installed, 1.1.0 is withdrawn, a key is added,
data is written, and a tenant uninstalls. That is instant B.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alga_ext.trust.signing import LocalSigner
from alga_ext.trust.trust_document import parse_trust_bundle
from functions.registry import sweeping
from tests.support.answering import Asked, Reply, answering
from tests.support.registry import RegistryWorld
from tests.support.restoring import Backups, Instant
from tests.support.small_platform import NAME, SmallPlatform, small_platform
from tools.cli.main import run
from tools.local.postgres import drop_database
from tools.restoring.check import Report, check


class Drill(NamedTuple):
    """A platform at instant B, and its backups of both instants."""

    platform: SmallPlatform
    backups: Backups
    databases: dict[str, str]
    buckets: dict[str, Instant]
    versions: dict[str, dict[str, Any]]
    installs: dict[str, dict[str, Any]]

    @property
    def world(self) -> RegistryWorld:
        return self.platform.world

    def restore(self, database: str, bucket: str) -> None:
        """Restore both to instants, then do what a deployment does first."""
        self.backups.restore_bucket(self.buckets[bucket])
        self.backups.restore_database(self.databases[database])
        sweeping.sweep(self.world.sweeper())
        self.platform.connect()

    def ask(self, path: str) -> Any:
        path, _, query = path.partition("?")
        answer = self.world.call("GET", path, self.world.admin, query=query)
        assert answer.status == 200, answer
        return answer.body

    def check(self, *, hash_contents: bool = True) -> Report:
        trust = parse_trust_bundle(self.platform.trust)
        return check(self.ask, self.world.objects, trust, lambda: datetime.now(UTC), hash_contents=hash_contents)

    def problems(self) -> list[str]:
        return [f"{finding.subject}: {finding.problem}" for finding in self.check().findings]


@pytest.fixture
def drill(world: RegistryWorld, postgres_server: str, tmp_path: Path) -> Iterator[Drill]:
    backups = Backups(world, postgres_server)
    with small_platform(world, tmp_path / "runner") as platform:
        world.register()
        versions = {number: platform.publish(number) for number in ("1.0.0", "1.1.0")}
        installs = {
            tenant: world.install(NAME, tenant, version=number)
            for tenant, number in (("keeps", "1.0.0"), ("leaves", "1.0.0"), ("runs-1-1", "1.1.0"))
        }
        with platform.storage(installs["keeps"], "keeps") as storage:
            assert storage.put(("notes", "before", b"a", None))[0]
        sweeping.sweep(world.sweeper())
        databases, buckets = {"A": backups.take_database()}, {"A": backups.take_bucket()}
        platform.connect()

        versions["1.2.0"] = platform.publish("1.2.0")
        installs["runs-1-2"] = world.install(NAME, "runs-1-2")
        withdrawn = f"/versions/{versions['1.1.0']['version_id']}/withdraw"
        assert world.call("POST", withdrawn, world.publisher, {"reason": "malware"}).status == 200
        assert world.add_key("acme", LocalSigner.generate()).status == 201
        with platform.storage(installs["keeps"], "keeps") as storage:
            assert storage.put(("notes", "after", b"b", None))[0]
        left = world.call("DELETE", f"/installs/{installs['leaves']['install_id']}", world.tenant_admin("leaves"))
        assert left.status in (200, 204), left
        sweeping.sweep(world.sweeper())
        databases["B"], buckets["B"] = backups.take_database(), backups.take_bucket()
        platform.connect()
        yield Drill(platform, backups, databases, buckets, versions, installs)
        world.close()
        for name in backups.made:
            drop_database(postgres_server, name)


def test_at_one_instant_nothing_is_missing_and_everything_runs(drill: Drill) -> None:
    drill.restore("B", "B")

    assert drill.problems() == []
    assert [drill.platform.call(tenant) for tenant in ("keeps", "runs-1-1", "runs-1-2")] == [
        (200, "1.0.0"),
        (404, "not_installed"),
        (200, "1.2.0"),
    ]
    assert [drill.platform.page(version) for version in drill.versions.values()] == [200, 404, 200]


# Database A, bucket B


def test_an_older_database_runs_what_it_knows_and_nothing_that_was_withdrawn_since(drill: Drill) -> None:
    drill.restore("A", "B")

    assert [drill.platform.call(tenant) for tenant in ("keeps", "runs-1-1", "runs-1-2")] == [
        (200, "1.0.0"),
        (404, "not_installed"),
        (404, "not_installed"),
    ]
    assert drill.platform.page(drill.versions["1.1.0"]) == 404


def test_an_older_database_says_what_it_has_lost_until_it_is_repeated(drill: Drill) -> None:
    drill.restore("A", "B")

    lost = [problem.split(" (")[0].split(" of ")[0] for problem in drill.problems()]
    assert [text if text.startswith("version") else text.split(" ")[0] for text in lost] == [
        "key",
        f"version {NAME} 1.2.0",
    ]
    assert drill.platform.publish("1.2.0")["state"] == "ready"
    assert [problem.split(" ")[0] for problem in drill.problems()] == ["key"]


def test_an_older_database_takes_tenants_back_to_its_instant(drill: Drill) -> None:
    drill.restore("A", "B")

    with drill.platform.storage(drill.installs["keeps"], "keeps") as storage:
        found = storage.get("notes", "before")[0], storage.get("notes", "after")[0]
    assert found == (True, False)
    assert drill.platform.call("leaves") == (200, "1.0.0")


# Database B, bucket A


def test_an_older_bucket_fails_what_it_lacks_and_the_rest_runs(drill: Drill) -> None:
    drill.restore("B", "A")

    assert [drill.platform.call(tenant) for tenant in ("keeps", "runs-1-1", "runs-1-2")] == [
        (200, "1.0.0"),
        (404, "not_installed"),
        (502, "bad_gateway"),
    ]
    assert [drill.platform.page(version) for version in drill.versions.values()] == [200, 404, 404]
    refused = drill.world.call("POST", "/installs", drill.world.tenant_admin("new"), {"extension": NAME})
    assert refused.code == "signature_invalid"


def test_an_older_bucket_says_which_objects_are_missing(drill: Drill) -> None:
    drill.restore("B", "A")

    version = drill.versions["1.2.0"]
    digits, component = version["content_hash"].removeprefix("sha256:"), version["component_sha256"]
    key = version["signing_key_id"].removeprefix("sha256:")
    assert drill.problems() == [
        f"{NAME} 1.2.0: bundles/{digits}/bundle.tar.zst: missing",
        f"{NAME} 1.2.0: bundles/{digits}/{key}.dsse.json: missing",
        f"{NAME} 1.2.0: components/{component}.wasm: missing",
        f"{NAME} 1.2.0: releases/{digits}.dsse.json: missing",
    ]


def test_an_older_bucket_is_whole_again_when_the_versions_of_its_objects_are_restored(drill: Drill) -> None:
    drill.restore("B", "A")
    drill.backups.restore_bucket(drill.buckets["B"])
    drill.platform.connect()

    assert drill.problems() == []
    assert drill.platform.call("runs-1-2") == (200, "1.2.0")


# What the check sees


@pytest.mark.parametrize(
    "prefix", ["bundles/", "components/", "cwasm/", "ui/", "releases/", "withdrawn/", "log/entries/"]
)
def test_a_lost_object_below_each_prefix_is_found(drill: Drill, prefix: str) -> None:
    kept, version = drill.buckets["B"], drill.versions["1.2.0"]
    own = (version["content_hash"].removeprefix("sha256:"), version["component_sha256"], "list.dsse", "entries/")
    lost = min(key for key in kept if key.startswith(prefix) and any(part in key for part in own))
    drill.backups.restore_bucket({key: version for key, version in kept.items() if key != lost})

    assert [problem for problem in drill.problems() if lost in problem or "program" in problem] != []


@pytest.mark.parametrize("suffix", ["bundle.tar.zst", ".wasm", ".cwasm", "index.html", "index.json", ".dsse.json"])
def test_a_changed_object_is_found(drill: Drill, suffix: str) -> None:
    for key in drill.buckets["B"]:
        if key.endswith(suffix) and not key.startswith(("staging/", "log/")):
            drill.world.overwrite(key, b"changed")

    assert drill.problems() != []


def test_without_hashing_a_changed_file_is_not_read(drill: Drill) -> None:
    (key,) = (
        key
        for key in drill.buckets["B"]
        if key.endswith(".wasm") and drill.versions["1.2.0"]["component_sha256"] in key
    )
    drill.world.overwrite(key, b"changed")

    assert drill.check(hash_contents=False).findings == []


def command(drill: Drill, folder: Path, *options: str) -> int:
    """Run `alga-ext check-restore` against the registry, and return its exit code."""
    trust = folder / "trust.json"
    trust.write_text(drill.platform.trust)

    def answer(asked: Asked) -> Reply:
        return Reply(body=json.dumps(drill.ask(asked.path.removeprefix("/api/registry/v1"))).encode())

    with answering(answer) as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("ALGA_TOKEN", drill.world.admin)
        store = f"s3://{drill.world.bucket}"
        return run(["check-restore", "--store", store, "--trust", str(trust), "--url", server.url, *options])


def test_the_command_says_that_everything_agrees(
    drill: Drill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(drill, tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 versions, ")


def test_the_command_lists_each_finding_with_what_to_do_and_fails(
    drill: Drill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drill.restore("A", "B")

    assert command(drill, tmp_path) == 1
    printed = capsys.readouterr()  # the registry of this process logs to the same place
    assert [line.partition(" → ")[2] for line in printed.out.splitlines() if " → " in line] == [
        "add it again: alga-ext publisher add-key",
        "its publisher publishes the same bundle again: alga-ext publish",
    ]
    assert "do not agree in 2 places" in printed.err


def test_the_command_can_print_json(drill: Drill, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(drill, tmp_path, "--json")

    assert '"findings": []' in capsys.readouterr().out
