"""Keep verified artifacts on local disk: object store → /tmp → sandbox, with the content hash checked at each step.

Files are named by the hash of their content; nothing of a tenant is stored. When the files exceed the budget, the least
recently used are deleted first, but never a file that a running call still needs. A file that a sandbox has mapped
stays valid for it after it is unlinked.
"""

import hashlib
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from alga_ext.errors import Fault, PlatformError
from alga_ext.ids import new_id
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectReader
from alga_ext.trust.policy import TrustBundle
from functions.runner.artifact_records import NOT_IN_STORE, AcceptedProgram, ArtifactRecords
from functions.runner.provenance import Engine
from functions.runner.sandbox.protocol.messages import Program

_CHUNK_BYTES: Final = 1 << 20


class Obtained(NamedTuple):
    """An artifact on disk. ``fresh`` means that this call has just fetched and hashed its bytes."""

    artifact: Program
    fresh: bool


class ArtifactCache:
    """Artifacts by bundle hash.

    Args:
        store: contains the release records and artifacts.
        trust: returns the current trust bundle.
        engine: the engine that artifacts must have been made for.
        folder: created when it is missing. Files that are already there are untrusted: only files that this process
            has verified are used.
        budget_bytes: for all files together. Running calls may exceed it by the files they need.
        now: returns the present time.
        monotonic_s: returns the seconds of a monotonic clock.
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
        self._records = ArtifactRecords(store, trust, engine, now, monotonic_s)
        self._engine = engine
        self._folder = folder
        self._budget_bytes = budget_bytes
        self._lock = threading.Lock()
        # One lock for each bundle that is being looked up; a lock goes when no call uses it.
        self._loading: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._files: OrderedDict[str, int] = OrderedDict()
        self._in_use: Counter[str] = Counter()
        self._downloads = 0

    @property
    def fetches(self) -> int:
        """Number of reads from the store so far."""
        return self._records.reads + self._downloads

    def obtain(self, bundle_sha256: str) -> Obtained:
        """Return the verified artifact of a bundle as ``lend`` does.

        The file is not protected: it may be deleted as soon as the budget is exceeded.
        """
        with self.lend(bundle_sha256) as obtained:
            return obtained

    @contextmanager
    def lend(self, bundle_sha256: str) -> Iterator[Obtained]:
        """Yield the verified artifact of a bundle and fetch it if needed. Its file is kept until the block ends.

        1. Check the signed records (``ArtifactRecords.accepted``).
        2. Find the file on disk, or fetch it into a new file.
        3. Check that a fetched file has the hash that the artifact record names. Only then give it its final name.

        Raises:
            PlatformError: ``artifact_not_found``, ``artifact_integrity``; ``object_store_unavailable``;
                ``runner_unavailable`` when the file cannot be written.
        """
        with self._lock:
            lock = self._loading.setdefault(bundle_sha256, threading.Lock())
        with lock:
            accepted = self._records.accepted(bundle_sha256)  # (1)
            sha256 = accepted.code_sha256
            with self._lock:
                self._in_use[sha256] += 1
            try:
                obtained = self._present(accepted)
            except BaseException:
                self._release(sha256)
                raise
        try:
            yield obtained
        finally:
            self._release(sha256)

    def is_here(self, artifact: Program) -> bool:
        """Tell whether an artifact's file still exists. Other programs may clean temporary folders."""
        return os.path.exists(artifact.path)  # noqa: PTH110 - on the path of every call

    def recheck(self, artifact: Program) -> None:
        """Hash the file again before another sandbox loads it. A file that changed is deleted.

        Raises:
            PlatformError: ``artifact_integrity`` when the file changed or cannot be read.
        """
        path = self._path(artifact.key)
        try:
            found = _sha256_of(path)
        except OSError:
            found = ""
        if found != artifact.key:
            self._forget(artifact.key)
            raise PlatformError(
                "artifact_integrity",
                "The compiled program on the runner's disk does not have the published hash; try again.",
                fault=Fault.ARTIFACT_FILE,
            )

    @property
    def budget_bytes(self) -> int:
        """The size limit of all files together."""
        return self._budget_bytes

    def check_writable(self) -> None:
        """Write a small file to the artifact folder and delete it.

        Raises:
            PlatformError: ``runner_unavailable`` when this fails.
        """
        probe = self._folder / f"{new_id()}.partial"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                probe.write_bytes(b"probe")
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise PlatformError(
                "runner_unavailable", "Programs cannot be written to the artifact folder.", cause=error
            ) from error

    def size_bytes(self) -> int:
        """Return the size of all files together."""
        with self._lock:
            return sum(self._files.values())

    def clear(self) -> None:
        """Delete all files that no call uses."""
        with self._lock:
            for sha256 in [name for name in self._files if name not in self._in_use]:
                del self._files[sha256]
                self._path(sha256).unlink(missing_ok=True)

    def _present(self, accepted: AcceptedProgram) -> Obtained:
        sha256 = accepted.code_sha256
        name = self._name(sha256)
        with self._lock:
            size = self._files.get(sha256)
            if size is not None:
                self._files.move_to_end(sha256)
        fresh = size is None or not os.path.exists(name)  # noqa: PTH110 - on the path of every call
        if size is None or fresh:
            try:
                size = self._fetch(accepted)  # (2), (3)
            except OSError as error:  # most likely the disk is full
                raise PlatformError(
                    "runner_unavailable", "Extensions cannot run at the moment; try again.", cause=error
                ) from error
        return Obtained(Program(sha256, name, size), fresh)

    def _release(self, sha256: str) -> None:
        with self._lock:
            self._in_use[sha256] -= 1
            if not self._in_use[sha256]:
                del self._in_use[sha256]
            self._make_room()

    def _fetch(self, accepted: AcceptedProgram) -> int:
        sha256 = accepted.code_sha256
        key = object_keys.code(accepted.component_sha256, self._engine, sha256)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self._folder / f"{new_id()}.partial"
        self._downloads += 1
        try:
            stored = self._store.download(key, partial)
            if stored.sha256 != sha256:
                raise PlatformError(
                    "artifact_integrity",
                    "The compiled program in the object store does not have the published hash.",
                    fault=Fault.ARTIFACT_BYTES,
                    key=key,
                )
            partial.replace(self._path(sha256))
        except PlatformError as error:
            if error.code == "object_not_found":
                raise PlatformError("artifact_not_found", NOT_IN_STORE, key=key) from error
            raise
        finally:
            partial.unlink(missing_ok=True)
        self._admit(sha256, stored.size_bytes)
        return stored.size_bytes

    def _admit(self, sha256: str, size: int) -> None:
        """Add the size of a new file, and delete other files if the budget is exceeded."""
        with self._lock:
            self._files[sha256] = size
            self._files.move_to_end(sha256)
            self._make_room()

    def _make_room(self) -> None:
        """Delete the least recently used files until the budget is met; keep the newest and those that calls use."""
        excess = sum(self._files.values()) - self._budget_bytes
        if excess <= 0:
            return
        for sha256 in list(self._files)[:-1]:
            if excess > 0 and sha256 not in self._in_use:
                excess -= self._files.pop(sha256)
                self._path(sha256).unlink(missing_ok=True)

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
