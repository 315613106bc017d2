"""Signed releases with their programs, and the runner's cache over them."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alga_ext.stores import object_keys
from alga_ext.trust.policy import Revocation, TrustBundle, TrustedKey
from alga_ext.trust.signing import LocalSigner, Signer, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, ReleaseRecord, statement
from functions.runner.artifacts import ArtifactCache
from functions.runner.provenance import Engine
from tests.support.memory_store import MemoryObjectStore

ENGINE = Engine("50.0.1", "c" * 64, "x86_64-unknown-linux-gnu")
PUBLISHED = datetime(2026, 1, 1, tzinfo=UTC)
PARTS = {"release": ("releases/", ".dsse.json"), "record": ("cwasm/", ".dsse.json"), "code": ("cwasm/", ".cwasm")}
PUBLISHER_KEY = "sha256:" + "9" * 64


class Shop:
    """A store with signed releases, and a cache over it."""

    def __init__(
        self, folder: Path, budget_bytes: int = 1 << 20, make_signer: Callable[[], Signer] = LocalSigner.generate
    ) -> None:
        self.store = MemoryObjectStore()
        self.release_signer, self.artifact_signer = make_signer(), make_signer()
        self.trust = self.bundle()
        self.clock_s = 1_000.0
        self.folder = folder
        self.cache = self.new_cache(budget_bytes)

    def new_cache(self, budget_bytes: int = 1 << 20) -> ArtifactCache:
        return ArtifactCache(
            store=self.store,
            trust=lambda: self.trust,
            engine=ENGINE,
            folder=self.folder,
            budget_bytes=budget_bytes,
            now=lambda: PUBLISHED + timedelta(days=30),
            monotonic_s=lambda: self.clock_s,
        )

    def bundle(self, revocations: tuple[Revocation, ...] = ()) -> TrustBundle:
        release, artifact = self.release_signer, self.artifact_signer
        keys = [
            TrustedKey(key_id=release.key_id, public_key=release.public_pem, use="release"),
            TrustedKey(key_id=artifact.key_id, public_key=artifact.public_pem, use="artifact"),
        ]
        return TrustBundle(keys, revocations)

    def release(
        self,
        code: bytes,
        *,
        signer: Signer | None = None,
        engine: Engine = ENGINE,
        has_component: bool = True,
    ) -> str:
        """Put a release with its program into the store; return the bundle's hash."""
        component = hashlib.sha256(b"component " + code).hexdigest()
        bundle = hashlib.sha256(b"bundle " + code).hexdigest()
        record = ReleaseRecord(
            publisher="acme", name="com.acme.x", version="1.0.0", key_id=PUBLISHER_KEY,
            published_at=PUBLISHED.isoformat(), component_sha256=component if has_component else None,
        )  # fmt: skip
        self.store.objects[object_keys.release(bundle)] = sign_envelope(
            signer or self.release_signer, statement(record, "x", bundle)
        )
        made = ArtifactRecord(
            component_sha256=component, wasmtime_version=engine.wasmtime_version,
            engine_config_hash=engine.config_hash, target=engine.target,
        )  # fmt: skip
        sha256 = hashlib.sha256(code).hexdigest()
        place = object_keys.code(component, ENGINE, sha256)
        self.store.objects[place] = code
        self.vouch(self.artifact_signer, component, statement(made, place, sha256))
        return bundle

    def key_of(self, part: str) -> str:
        """Return where the only release's ``part`` lies."""
        start, end = PARTS[part]
        (key,) = (key for key in self.store.objects if key.startswith(start) and key.endswith(end))
        return key

    def vouch(self, signer: Signer, component: str, payload: bytes) -> None:
        """Put an artifact's record, signed by a key, where it belongs."""
        self.store.objects[object_keys.artifact_record(component, ENGINE, signer.key_id)] = sign_envelope(
            signer, payload
        )
