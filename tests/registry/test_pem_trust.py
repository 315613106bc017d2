"""A PEM trust bundle runs the platform: publish, prepare, install and execute, each signature by either kind of key."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alga_ext.calls.messages import decode_message
from alga_ext.trust.signing import LocalSigner, Signer
from alga_ext.trust.trust_source import TrustSource
from functions.registry.publishing import finishing
from functions.runner.artifacts import ArtifactCache
from functions.runner.preparing.compile_worker import Compiler
from functions.runner.preparing.preparation import Prepare
from tests.security.attacks import GREETING
from tests.support.keys import P256Signer
from tests.support.registry import UI_FILES, RegistryWorld, manifest_of
from tests.support.runner_fixture import MIB, Outbox, RunnerFixture, body_of, call, code_of


class Platform:
    """Registry, prepare and runner, over one store and one PEM trust bundle."""

    def __init__(
        self, world: RegistryWorld, house: RunnerFixture, trust: Path, publisher: Signer, artifact: Signer
    ) -> None:
        self.world, self.house, self.trust, self.publisher = world, house, trust, publisher
        self.outbox = Outbox()
        source = TrustSource(str(trust))
        self.prepare = Prepare(
            store=world.objects,
            queue=self.outbox,
            trust=source.current,
            signer=artifact,
            engine=house.engine,
            compiler=Compiler(240, 3_072 * MIB),
            max_component_bytes=64 * MIB,
            now=world.services.now,
        )
        artifacts = ArtifactCache(
            store=world.objects,
            trust=source.current,
            engine=house.engine,
            folder=house.folder,
            budget_bytes=64 * MIB,
            now=world.services.now,
            monotonic_s=lambda: 0.0,
        )
        house.replace(artifacts=artifacts)

    def publish(self) -> str:
        """Publish a program through registry and prepare; return the bundle's hash."""
        manifest = manifest_of(runtime="wasm-component@1")
        sent = self.world.signed(manifest, {**UI_FILES, "dist/main.wasm": GREETING}, self.publisher)
        accepted = self.world.send(sent, self.world.admin)
        assert accepted.status == 202, accepted
        for message in self.world.queued():
            self.prepare.handle(message)
        messages = [body.decode() for body in self.outbox.sent]
        for body in messages:
            finishing.finish_prepared(decode_message(body), self.world.assets())
        return sent.content_hash

    def revoke(self, signer: Signer) -> None:
        """Revoke a key in the trust bundle from now on."""
        line = f"Key-Id: {signer.key_id}"
        text = self.trust.read_text()
        assert line in text
        self.trust.write_text(text.replace(line, f"{line}\nRevoked-From: {datetime.now(UTC).isoformat()}"))


def block(signer: Signer, *attributes: str) -> str:
    return "\n".join((f"Key-Id: {signer.key_id}", *attributes, signer.public_pem))


@pytest.fixture(params=["Ed25519", "ECDSA P-256"])
def keys(request: pytest.FixtureRequest, world: RegistryWorld) -> dict[str, Signer]:
    """The release key (in KMS when it is P-256), prepare's key and the publisher's."""
    if request.param == "Ed25519":
        artifact: Signer = LocalSigner.generate()
    else:
        world.use_p256_keys()
        artifact = P256Signer()
    return {"release": world.release, "artifact": artifact, "publisher": world.publisher_key}


@pytest.fixture
def platform(world: RegistryWorld, keys: dict[str, Signer], tmp_path: Path) -> Iterator[Platform]:
    trust = tmp_path / "trust.pem"
    trust.write_text(
        "# Who runs what here\n"
        + block(keys["release"], "Use: release")
        + block(keys["artifact"], "Use: artifact", "Valid-From: 2026-01-01T00:00:00Z")
        + block(world.log, "Use: log")
        + block(keys["publisher"], "Use: publisher", "Publishers: acme")
    )
    world.rewire(SIGNING_TRUST_BUNDLE=str(trust))
    made = world.call("POST", "/publishers", world.admin, {"publisher": "acme", "display_name": "Acme"})
    assert made.status == 201, made
    house = RunnerFixture(tmp_path / f"artifacts-{uuid.uuid4().hex[:8]}")
    yield Platform(world, house, trust, keys["publisher"], keys["artifact"])
    house.close()


def test_what_pinned_keys_signed_is_published_installed_and_run(platform: Platform) -> None:
    content_hash = platform.publish()
    platform.world.install()

    assert body_of(platform.house.execute(call(content_hash))) == b"hello"


@pytest.mark.parametrize("use", ["release", "artifact"])
def test_a_program_that_ran_stops_when_its_key_is_revoked_in_pem(
    platform: Platform, keys: dict[str, Signer], use: str
) -> None:
    content_hash = platform.publish()
    assert code_of(platform.house.execute(call(content_hash))) is None
    platform.revoke(keys[use])

    assert code_of(platform.house.execute(call(content_hash))) == "artifact_integrity"


def test_a_publisher_whose_key_is_revoked_in_pem_publishes_nothing(platform: Platform) -> None:
    platform.revoke(platform.publisher)
    sent = platform.world.signed(manifest_of(), key=platform.publisher)

    assert platform.world.send(sent, platform.world.admin).code == "key_revoked"


def test_a_key_pinned_for_one_publisher_does_not_publish_for_another(platform: Platform) -> None:
    platform.world.call("POST", "/publishers", platform.world.admin, {"publisher": "globex", "display_name": "Globex"})
    sent = platform.world.signed(manifest_of(publisher="globex"), key=platform.publisher)

    assert platform.world.send(sent, platform.world.admin).code == "key_not_allowed"
