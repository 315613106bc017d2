"""Native code that is not what the platform compiled and signed is never loaded, wherever it was changed."""

import base64
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from alga_ext.stores import object_keys
from alga_ext.trust.policy import Revocation, TrustBundle, TrustedKey, Use
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, ReleaseRecord, statement
from functions.runner.artifacts import ArtifactCache
from tests.security.attacks import GREETING
from tests.support.runner_fixture import RunnerFixture, call, code_of
from tests.support.wat import guest

MARK: Final = "artifact_integrity"
_CODE_FLIPS: Final = 24
_RECORD_FLIPS: Final = 24


class Vault:
    """A house with two published programs, and the keys of their objects."""

    def __init__(self, folder: Path) -> None:
        self.house = RunnerFixture(folder)
        self.content_hash = self.house.publish(GREETING)
        self.other_hash = self.house.publish(guest("(unreachable)"))
        self.places = self.house.places(self._component(self.content_hash))
        self.other_places = self.house.places(self._component(self.other_hash))
        self.release = object_keys.release(self.content_hash.removeprefix("sha256:"))
        self.other_release = object_keys.release(self.other_hash.removeprefix("sha256:"))
        self._objects, self._trust = dict(self.house.store.objects), self.house.trust

    def reset(self) -> None:
        """Put every object back, and forget what was fetched and verified."""
        self.house.store.objects = dict(self._objects)
        self.house.trust = self._trust
        shutil.rmtree(self.house.folder, ignore_errors=True)
        self.house.folder.mkdir()
        artifacts = ArtifactCache(
            store=self.house.store,
            trust=lambda: self.house.trust,
            engine=self.house.engine,
            folder=self.house.folder,
            budget_bytes=1 << 28,
            now=lambda: datetime.now(UTC),
            monotonic_s=time.monotonic,
        )
        self.house.replace(artifacts=artifacts)

    def outcome(self) -> str | None:
        """Call the program; return the platform's error code, or None."""
        return code_of(self.house.execute(call(self.content_hash)))

    def file(self) -> Path:
        """The program's file on disk."""
        (path,) = self.house.folder.glob("*.cwasm")
        return path

    def trusting(self, *keys: TrustedKey, revoked: tuple[Revocation, ...] = ()) -> None:
        self.house.trust = self.house.trust.extended(keys, revoked)

    def _component(self, content_hash: str) -> str:
        record = self.house.store.objects[object_keys.release(content_hash.removeprefix("sha256:"))]
        payload = json.loads(base64.b64decode(json.loads(record)["payload"]))
        component: str = payload["predicate"]["component_sha256"]
        return component


@pytest.fixture(scope="module")
def vaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    vault = Vault(tmp_path_factory.mktemp("vault") / "artifacts")
    yield vault
    vault.house.close()


@pytest.fixture
def vault(vaults: Vault) -> Vault:
    vaults.reset()
    return vaults


def flipped(data: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    changed = bytearray(data)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def record_of(vault: Vault, sha256: str, **changes: str) -> bytes:
    fields = {
        "component_sha256": vault._component(vault.content_hash),
        "wasmtime_version": vault.house.engine.wasmtime_version,
        "engine_config_hash": vault.house.engine.config_hash,
        "target": vault.house.engine.target,
    }
    return statement(ArtifactRecord(**{**fields, **changes}), vault.places.code, sha256)


def sha256_of(vault: Vault, key: str) -> str:
    import hashlib

    return hashlib.sha256(vault.house.store.objects[key]).hexdigest()


def test_the_program_itself_runs(vault: Vault) -> None:
    assert vault.outcome() is None


@pytest.mark.parametrize("seed", range(_CODE_FLIPS))
def test_code_with_a_changed_bit_is_refused(vault: Vault, seed: int) -> None:
    vault.house.store.objects[vault.places.code] = flipped(vault.house.store.objects[vault.places.code], seed)
    assert vault.outcome() == MARK


@pytest.mark.parametrize("seed", range(_RECORD_FLIPS))
@pytest.mark.parametrize("which", ["artifact", "release"])
def test_a_record_with_a_changed_bit_is_refused(vault: Vault, which: str, seed: int) -> None:
    key = vault.places.record if which == "artifact" else vault.release
    vault.house.store.objects[key] = flipped(vault.house.store.objects[key], seed)
    assert vault.outcome() == MARK


CODES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "empty": lambda _code: b"",
    "cut in half": lambda code: code[: len(code) // 2],
    "with a byte more": lambda code: code + b"\0",
    "an ELF program of somebody else's": lambda _code: Path("/proc/self/exe").read_bytes()[:100_000],
}


@pytest.mark.parametrize("what", CODES)
def test_other_code_is_refused(vault: Vault, what: str) -> None:
    vault.house.store.objects[vault.places.code] = CODES[what](vault.house.store.objects[vault.places.code])
    assert vault.outcome() == MARK


def test_the_code_of_another_component_is_refused(vault: Vault) -> None:
    vault.house.store.objects[vault.places.code] = vault.house.store.objects[vault.other_places.code]
    assert vault.outcome() == MARK


def test_the_code_and_record_of_another_component_are_refused(vault: Vault) -> None:
    objects = vault.house.store.objects
    objects[vault.places.code] = objects[vault.other_places.code]
    objects[vault.places.record] = objects[vault.other_places.record]
    assert vault.outcome() == MARK


def test_the_release_of_another_bundle_is_refused(vault: Vault) -> None:
    vault.house.store.objects[vault.release] = vault.house.store.objects[vault.other_release]
    assert vault.outcome() == MARK


def test_a_record_signed_by_nobody_known_is_refused(vault: Vault) -> None:
    record = record_of(vault, sha256_of(vault, vault.places.code))
    vault.house.store.objects[vault.places.record] = sign_envelope(LocalSigner.generate(), record)
    assert vault.outcome() == MARK


@pytest.mark.parametrize("use", ["publisher", "release"])
def test_a_record_signed_by_a_key_for_something_else_is_refused(vault: Vault, use: Use) -> None:
    key = LocalSigner.generate()
    vault.trusting(TrustedKey(key_id=key.key_id, public_key=key.public_pem, use=use))
    record = record_of(vault, sha256_of(vault, vault.places.code))
    vault.house.store.objects[vault.places.record] = sign_envelope(key, record)
    assert vault.outcome() == MARK


def test_a_release_signed_by_a_publisher_is_refused(vault: Vault) -> None:
    key = LocalSigner.generate()
    vault.trusting(TrustedKey(key_id=key.key_id, public_key=key.public_pem, use="publisher"))
    record = ReleaseRecord(
        publisher="acme", name="com.acme.test", version="1.0.0", key_id=key.key_id,
        published_at=datetime.now(UTC).isoformat(), component_sha256=vault._component(vault.content_hash),
    )  # fmt: skip
    bundle = vault.content_hash.removeprefix("sha256:")
    vault.house.store.objects[vault.release] = sign_envelope(key, statement(record, "com.acme.test", bundle))
    assert vault.outcome() == MARK


@pytest.mark.parametrize(
    "changes",
    [
        {"component_sha256": "0" * 64},
        {"wasmtime_version": "1.0.0"},
        {"engine_config_hash": "0" * 64},
        {"target": "riscv64-unknown-linux-gnu"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_record_for_something_else_is_refused(vault: Vault, changes: dict[str, str]) -> None:
    record = record_of(vault, sha256_of(vault, vault.places.code), **changes)
    vault.house.store.objects[vault.places.record] = sign_envelope(vault.house.artifact_key, record)
    assert vault.outcome() == MARK


@pytest.mark.parametrize("which", ["release_key", "artifact_key"])
def test_a_record_whose_key_is_revoked_is_refused(vault: Vault, which: str) -> None:
    key_id = getattr(vault.house, which).key_id
    revocation = Revocation(key_id=key_id, revoked_from=datetime.now(UTC) - timedelta(hours=1))
    vault.trusting(revoked=(revocation,))
    assert vault.outcome() == MARK


def test_a_program_in_use_is_refused_once_its_key_is_revoked(vault: Vault) -> None:
    vault.outcome()
    revocation = Revocation(key_id=vault.house.artifact_key.key_id, revoked_from=datetime.now(UTC) - timedelta(hours=1))
    vault.house.trust = TrustBundle(vault.house.trust.keys, [revocation])
    assert vault.outcome() == MARK


@pytest.mark.parametrize("what", ["code", "record"])
def test_an_absent_artifact_is_not_found(vault: Vault, what: str) -> None:
    vault.house.store.objects.pop(getattr(vault.places, what))
    assert vault.outcome() == "artifact_not_found"


def test_an_absent_release_is_not_found(vault: Vault) -> None:
    vault.house.store.objects.pop(vault.release)
    assert vault.outcome() == "artifact_not_found"


def test_a_program_changed_on_disk_is_refused_to_the_next_sandbox(vault: Vault) -> None:
    vault.outcome()
    path = vault.file()
    changed = flipped(path.read_bytes(), 1)
    path.unlink()
    path.write_bytes(changed)
    vault.house.pool.close()
    assert vault.outcome() == MARK


def test_a_program_changed_on_disk_is_fetched_again_after_that(vault: Vault) -> None:
    vault.outcome()
    path = vault.file()
    path.unlink()
    path.write_bytes(b"forged")
    vault.house.pool.close()
    vault.outcome()
    assert vault.outcome() is None


def test_a_file_in_the_place_of_a_program_is_not_trusted(vault: Vault) -> None:
    sha256 = sha256_of(vault, vault.places.code)
    (vault.house.folder / f"{sha256}.cwasm").write_bytes(b"forged")
    assert vault.outcome() is None


def test_a_refusal_says_nothing_of_the_machine(vault: Vault) -> None:
    vault.house.store.objects[vault.places.code] = b"forged"
    response = vault.house.execute(call(vault.content_hash))
    assert response.error is not None
    assert str(vault.house.folder) not in response.error.message


def test_what_was_refused_is_not_kept_on_disk(vault: Vault) -> None:
    vault.house.store.objects[vault.places.code] = b"forged"
    vault.outcome()
    assert list(vault.house.folder.iterdir()) == []


def test_the_refused_program_runs_again_once_it_is_whole(vault: Vault) -> None:
    whole = vault.house.store.objects[vault.places.code]
    vault.house.store.objects[vault.places.code] = flipped(whole, 1)
    vault.outcome()
    vault.house.store.objects[vault.places.code] = whole
    assert vault.outcome() is None
