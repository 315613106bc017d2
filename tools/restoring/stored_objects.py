"""Check that the object store has what each version of the registry needs, unchanged.

Release records, artifact records and the list of withdrawn versions are verified with the trust bundle; everything else
is compared with the hash that a verified record or the object's name states.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectStore
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import accepted_release
from alga_ext.trust.withdrawn_list import verify_list
from functions.registry.recovery.log_batch import read_batch
from functions.runner.provenance import Engine, accepted_code
from tools.restoring.findings import Finding

_RESTORE: Final = "restore the object's last version"
_ENDED: Final = ("withdrawn", "rejected")


class StoredObjects:
    """Checks objects of one store.

    Args:
        store: the object store.
        trust: the platform's trust bundle.
        now: the instant at which signatures must be valid.
        engine: the engine that machine code must be there for; None when nothing was ever compiled.
        hash_contents: read and hash every object; otherwise only ask whether bundles, components, programs and UI files
            are there.
    """

    def __init__(
        self, store: ObjectStore, trust: TrustBundle, now: datetime, engine: Engine | None, *, hash_contents: bool
    ) -> None:
        self._store = store
        self._trust = trust
        self._now = now
        self._engine = engine
        self._hash_contents = hash_contents
        self.checked = 0
        """Number of objects that were asked for so far."""

    def check_version(self, version: Mapping[str, Any]) -> list[Finding]:
        """Check one version, as the registry's API shows it.

        1. A version that has ended needs nothing; the list of withdrawn versions names it.
        2. Every other one needs its archive, its publisher's signature and its component.
        3. One that may run needs its release record, which names this component, the UI's index and files, and a
           program for the engine.
        """
        if version["state"] in _ENDED:  # (1)
            return []
        about = f"{version['name']} {version['version']}"
        digits = sha256_hex(ContentHash(version["content_hash"]))
        component = version["component_sha256"]
        signature = object_keys.publisher_signature(digits, version["signing_key_id"])
        found = [  # (2)
            *self._bytes(about, object_keys.archive(digits), digits),
            *self._bytes(about, signature, None),
            *(self._bytes(about, object_keys.component(component), component) if component else ()),
        ]
        if version["state"] != "pending":  # (3)
            found += self._released(about, digits, component)
        return found

    def check_list(self, versions: Sequence[Mapping[str, Any]]) -> list[Finding]:
        """Check that the signed list of withdrawn versions names exactly the versions that have ended."""
        key = object_keys.withdrawn_list()
        data, missing = self._read("the list of withdrawn versions", key, "the sweeper writes it within a minute")
        if data is None:
            return missing
        try:
            listed = verify_list(data, self._trust, self._now).hashes
        except PlatformError as error:
            return [Finding("the list of withdrawn versions", error.detail, "the sweeper replaces it within a minute")]
        found = []
        for version in versions:
            is_listed = sha256_hex(ContentHash(version["content_hash"])) in listed
            if is_listed != (version["state"] in _ENDED):
                problem = f"it is {version['state']}, but the list of withdrawn versions says otherwise"
                remedy = "run the sweeper; if this stays, read its log"
                found.append(Finding(f"{version['name']} {version['version']}", problem, remedy))
        return found

    def check_log_copy(self, size: int) -> list[Finding]:
        """Check that the copy of the transparency log has the first ``size`` entries."""
        at = 0
        while at < size:
            subject = f"the copy of the transparency log from entry {at} on"
            data, missing = self._read(subject, object_keys.log_batch(at), "see 'The copy has a hole' in the guide")
            if data is None:
                return missing
            try:
                at = read_batch(data, at, self._trust, self._now).end
            except PlatformError as error:
                return [Finding(subject, error.detail, _RESTORE)]
        return []

    def _released(self, about: str, digits: str, component: str | None) -> list[Finding]:
        data, missing = self._read(about, object_keys.release(digits), _RESTORE)
        if data is None:
            return missing
        try:
            record = accepted_release(data, digits, self._trust, self._now)
        except PlatformError as error:
            return [
                Finding(about, f"{object_keys.release(digits)}: {error.context.get('why') or error.detail}", _RESTORE)
            ]
        found: list[Finding] = []
        if record.component_sha256 != component:
            problem = f"{object_keys.release(digits)}: it names another component than the database"
            found.append(Finding(about, problem, _RESTORE))
        if record.ui_index_sha256 is not None:
            found += self._ui(about, digits, record.ui_index_sha256)
        if component is not None and self._engine is not None:
            found += self._program(about, component, self._engine)
        return found

    def _ui(self, about: str, digits: str, index_sha256: str) -> list[Finding]:
        data, missing = self._read(about, object_keys.ui_index(digits), _RESTORE)
        if data is None:
            return missing
        if hashlib.sha256(data).hexdigest() != index_sha256:
            return [_changed(about, object_keys.ui_index(digits))]
        found: list[Finding] = []
        for path, file in json.loads(data)["files"].items():
            for encoding, variant in file["variants"].items():
                suffix = "" if encoding == "identity" else encoding
                found += self._bytes(about, object_keys.ui_file(digits, path, suffix), variant["sha256"])
        return found

    def _program(self, about: str, component: str, engine: Engine) -> list[Finding]:
        recompile = "compile it again: alga-ext recompile"
        keys = [
            object_keys.artifact_record(component, engine, key) for key in self._trust.key_ids("artifact", self._now)
        ]
        for key in keys:
            self.checked += 1
            record = self._store.get_optional(key)
            if record is None:
                continue
            try:
                code = accepted_code(record, component, engine, self._trust, self._now)
            except PlatformError as error:
                return [Finding(about, f"{key}: {error.context.get('why') or error.detail}", recompile)]
            return list(self._bytes(about, object_keys.code(component, engine, code), code, recompile))
        where = object_keys.artifact_record(component, engine, "…")
        return [Finding(about, f"{where}: no record of a program for the present engine", recompile)]

    def _read(self, about: str, key: str, remedy: str) -> tuple[bytes | None, list[Finding]]:
        """Return a small object, or None and the finding that it is missing."""
        self.checked += 1
        data = self._store.get_optional(key)
        return data, [] if data is not None else [_missing(about, key, remedy)]

    def _bytes(self, about: str, key: str, sha256: str | None, remedy: str = _RESTORE) -> Iterator[Finding]:
        """Yield a finding when an object is missing, or has another hash than ``sha256`` when that is given."""
        self.checked += 1
        if sha256 is None or not self._hash_contents:
            if self._store.size(key) is None:
                yield _missing(about, key, remedy)
            return
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = self._store.download(key, Path(folder, "object")).sha256
            except PlatformError as error:
                if error.code != "object_not_found":
                    raise
                yield _missing(about, key, remedy)
                return
        if found != sha256:
            yield _changed(about, key)


def _missing(about: str, key: str, remedy: str) -> Finding:
    return Finding(about, f"{key}: missing", remedy)


def _changed(about: str, key: str) -> Finding:
    return Finding(about, f"{key}: other bytes than were published", f"{_RESTORE} with the right hash")
