"""Which machine code a bundle may load, by signed records in the object store; results are reused for a short time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectReader
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import VERDICT_LIFETIME_S
from functions.runner.provenance import Engine, accepted_code, accepted_component

NOT_IN_STORE: Final = (
    "The object store has no program for this version: it is not published, or not compiled for this engine."
)
_RECORDS_LIMIT: Final = 4_096


class AcceptedProgram(NamedTuple):
    """The component of a bundle and the machine code that its records accept, as hex SHA-256."""

    component_sha256: str
    code_sha256: str


class _Records(NamedTuple):
    """The signed records of a bundle, kept as bytes so that they can be verified again."""

    release: bytes
    artifact: bytes


class _Verdict(NamedTuple):
    """The result of the last verification of the records, the trust bundle used, and its expiry."""

    program: AcceptedProgram
    trust: TrustBundle
    until_s: float


class ArtifactRecords:
    """Verified records by bundle hash, for threads.

    Args:
        store: contains the release and artifact records.
        trust: returns the current trust bundle.
        engine: the engine that artifacts must have been made for.
        now: returns the present time.
        monotonic_s: returns the seconds of a monotonic clock.
    """

    def __init__(
        self,
        store: ObjectReader,
        trust: Callable[[], TrustBundle],
        engine: Engine,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._trust = trust
        self._engine = engine
        self._now = now
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._records: OrderedDict[str, _Records] = OrderedDict()
        self._verdicts: dict[str, _Verdict] = {}
        self.reads = 0
        """Number of records read from the store so far."""

    def accepted(self, bundle_sha256: str) -> AcceptedProgram:
        """Return the program of a bundle that its records accept.

        1. Verify the signed records: at first use, after ``VERDICT_LIFETIME_S``, and when the trust bundle changes.
        2. Records that are not valid any more are read again: the store may contain newer ones.

        This does not tell whether the version was withdrawn; the execution token does.

        Raises:
            PlatformError: ``artifact_not_found``, ``artifact_integrity``; ``object_store_unavailable``.
        """
        trust, now_s = self._trust(), self._monotonic_s()
        verdict = self._verdicts.get(bundle_sha256)
        if verdict is not None and verdict.trust is trust and now_s < verdict.until_s:
            return verdict.program
        records = self._records.get(bundle_sha256)
        program = self._still_accepted(records, bundle_sha256, trust) if records is not None else None  # (1)
        if records is None or program is None:
            records = self._read(bundle_sha256, trust)  # (2)
            program = self._verify(records, bundle_sha256, trust)
        with self._lock:
            self._records[bundle_sha256] = records
            self._records.move_to_end(bundle_sha256)
            self._verdicts[bundle_sha256] = _Verdict(program, trust, now_s + VERDICT_LIFETIME_S)
            while len(self._records) > _RECORDS_LIMIT:
                oldest, _ = self._records.popitem(last=False)
                self._verdicts.pop(oldest, None)
        return program

    def _verify(self, records: _Records, bundle_sha256: str, trust: TrustBundle) -> AcceptedProgram:
        now = self._now()
        component = accepted_component(records.release, bundle_sha256, trust, now)
        return AcceptedProgram(component, accepted_code(records.artifact, component, self._engine, trust, now))

    def _still_accepted(self, records: _Records, bundle_sha256: str, trust: TrustBundle) -> AcceptedProgram | None:
        try:
            return self._verify(records, bundle_sha256, trust)
        except PlatformError:
            return None

    def _read(self, bundle_sha256: str, trust: TrustBundle) -> _Records:
        release = self._get(object_keys.release(bundle_sha256))
        component = accepted_component(release, bundle_sha256, trust, self._now())
        keys = trust.key_ids("artifact", self._now())
        return _Records(release, self._get(*(object_keys.artifact_record(component, self._engine, k) for k in keys)))

    def _get(self, *keys: str) -> bytes:
        """Return the first of these objects that exists in the store.

        Raises:
            PlatformError: ``artifact_not_found``.
        """
        for key in keys:
            self.reads += 1
            data = self._store.get_optional(key)
            if data is not None:
                return data
        raise PlatformError("artifact_not_found", NOT_IN_STORE, keys=keys)
