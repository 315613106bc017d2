"""Verified artifacts on local disk: object store → /tmp → sandbox, each step by content hash.

Only content lives here, named by hash; nothing of a tenant. Least recently used files go first when the budget is
full; a file that a sandbox has mapped stays valid after it is unlinked.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, new_id
from alga_ext.objects import ObjectReader
from alga_ext.trust import TrustBundle
from alga_ext.withdrawals import Withdrawals
from functions.runner.provenance import (
    Engine,
    accepted_code,
    accepted_component,
    artifact_places,
    release_key,
)
from functions.runner.sandbox.wire import Artifact

_VERIFIED_FOR_S: Final = 60.0
_CHUNK_BYTES: Final = 1 << 20
_RECORDS_LIMIT: Final = 4_096


class Obtained(NamedTuple):
    """An artifact on disk; ``fresh`` when its bytes were hashed in this very call."""

    artifact: Artifact
    fresh: bool


class _Records(NamedTuple):
    """The signed records of a bundle, kept as bytes so that they can be verified again."""

    release: bytes
    artifact: bytes
    component_sha256: str


class _Accepted(NamedTuple):
    """What the records said when they were last verified, and under which trust bundle."""

    code_sha256: str
    trust: TrustBundle
    until_s: float


class ArtifactCache:
    """Artifacts by bundle hash.

    Args:
        store: where releases and artifacts lie.
        trust: returns the current trust bundle.
        engine: what artifacts must have been made for.
        folder: made when it is missing; files found there are not believed, only names this process verified.
        budget_bytes: of all files together.
        now: the present instant.
        monotonic_s: a clock that only goes forward.
    """

    def __init__(
        self,
        *,
        store: ObjectReader,
        trust: Callable[[], TrustBundle],
        engine: Engine,
        folder: Path,
        budget_bytes: int,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._withdrawals = Withdrawals(store)
        self._trust = trust
        self._engine = engine
        self._folder = folder
        self._budget_bytes = budget_bytes
        self._now = now
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._records: OrderedDict[str, _Records] = OrderedDict()
        self._accepted: dict[str, _Accepted] = {}
        self._files: OrderedDict[str, int] = OrderedDict()
        self.fetches = 0
        """Objects read from the store so far."""

    def obtain(self, bundle_sha256: str) -> Obtained:
        """Return the verified artifact of a bundle, fetching what is not here.

        1. The bundle is not withdrawn; believed for ``withdrawals.LIFETIME_S``.
        2. The signed records are verified: at first use, after ``_VERIFIED_FOR_S``, and when the trust bundle changes.
        3. The file is here, or is fetched into a new file.
        4. Its bytes have the hash the artifact record names; only then it gets its name.

        Raises:
            PlatformError: ``artifact_not_found``, ``artifact_integrity``; ``object_store_unavailable``.
        """
        with self._lock:
            lock = self._loading.setdefault(bundle_sha256, threading.Lock())
        with lock:
            self._check_withdrawal(bundle_sha256)  # (1)
            sha256 = self._verified(bundle_sha256)  # (2)
            with self._lock:
                size = self._files.get(sha256)
                if size is not None:
                    self._files.move_to_end(sha256)
            # Another process of this machine shares the folder and may have made room.
            fresh = size is None or not os.path.exists(self._name(sha256))  # noqa: PTH110 - on the path of every call
            if size is None or fresh:
                size = self._fetch(bundle_sha256, sha256)  # (3), (4)
        return Obtained(Artifact(sha256, self._name(sha256), size), fresh)

    def recheck(self, artifact: Artifact) -> None:
        """Hash the file again, before another sandbox loads it; a file that changed is removed.

        Raises:
            PlatformError: ``artifact_integrity``.
        """
        path = self._path(artifact.key)
        try:
            found = _sha256_of(path)
        except OSError:
            found = ""
        if found != artifact.key:
            self._forget(artifact.key)
            raise PlatformError("artifact_integrity", "The program on disk is not the one that was published.")

    def size_bytes(self) -> int:
        """Return the bytes of all files."""
        with self._lock:
            return sum(self._files.values())

    def _check_withdrawal(self, bundle_sha256: str) -> None:
        try:
            self._withdrawals.check(ContentHash(f"sha256:{bundle_sha256}"), self._monotonic_s())
        except PlatformError as error:
            if error.code == "version_withdrawn":
                raise PlatformError("artifact_not_found", error.detail) from error
            raise

    def _verified(self, bundle_sha256: str) -> str:
        trust, now_s = self._trust(), self._monotonic_s()
        accepted = self._accepted.get(bundle_sha256)
        if accepted is not None and accepted.trust is trust and now_s < accepted.until_s:
            return accepted.code_sha256
        records = self._records.get(bundle_sha256) or self._read_records(bundle_sha256, trust)
        now = self._now()
        component = accepted_component(records.release, bundle_sha256, trust, now)
        sha256 = accepted_code(records.artifact, component, self._engine, trust, now)
        with self._lock:
            self._records[bundle_sha256] = records
            self._records.move_to_end(bundle_sha256)
            self._accepted[bundle_sha256] = _Accepted(sha256, trust, now_s + _VERIFIED_FOR_S)
            while len(self._records) > _RECORDS_LIMIT:
                oldest, _ = self._records.popitem(last=False)
                self._accepted.pop(oldest, None)
                self._loading.pop(oldest, None)
        return sha256

    def _read_records(self, bundle_sha256: str, trust: TrustBundle) -> _Records:
        release = self._get(release_key(bundle_sha256))
        component = accepted_component(release, bundle_sha256, trust, self._now())
        return _Records(release, self._get(artifact_places(component, self._engine).record), component)

    def _get(self, key: str) -> bytes:
        self.fetches += 1
        data = self._store.get_optional(key)
        if data is None:
            raise PlatformError("artifact_not_found", "The extension's program is not in the store.", key=key)
        return data

    def _fetch(self, bundle_sha256: str, sha256: str) -> int:
        component = self._records[bundle_sha256].component_sha256
        key = artifact_places(component, self._engine).code
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self._folder / f"{new_id()}.partial"
        self.fetches += 1
        try:
            stored = self._store.download(key, partial)
            if stored.sha256 != sha256:
                raise PlatformError("artifact_integrity", "The program in the store is not the one that was published.")
            partial.replace(self._path(sha256))
        except PlatformError as error:
            if error.code == "object_not_found":
                raise PlatformError(
                    "artifact_not_found", "The extension's program is not in the store.", key=key
                ) from error
            raise
        finally:
            partial.unlink(missing_ok=True)
        self._admit(sha256, stored.size_bytes)
        return stored.size_bytes

    def _admit(self, sha256: str, size: int) -> None:
        """Count a new file and unlink the least recently used ones beyond the budget."""
        with self._lock:
            self._files[sha256] = size
            total = sum(self._files.values())
            while total > self._budget_bytes and len(self._files) > 1:
                oldest, freed = self._files.popitem(last=False)
                self._path(oldest).unlink(missing_ok=True)
                total -= freed

    def _forget(self, sha256: str) -> None:
        with self._lock:
            self._files.pop(sha256, None)
        with suppress(OSError):
            self._path(sha256).unlink()

    def _path(self, sha256: str) -> Path:
        return Path(self._name(sha256))

    def _name(self, sha256: str) -> str:
        return f"{self._folder}/{sha256}.cwasm"


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
