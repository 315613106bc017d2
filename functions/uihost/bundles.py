"""The UI of published bundles: believed only through the registry's signature.

A bundle is served when its release record verifies (a key with use ``release``) and names the hash of the index; a
file is served when its bytes have the hash the index gives. Both come from the object store, which is not believed.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from alga_ext.attestation import ReleaseRecord, read_statement
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.objects import ObjectStore
from alga_ext.trust import TrustBundle
from alga_ext.withdrawals import Withdrawals


class Variant(NamedTuple):
    """One stored form of a file: its size and the sha256 of its bytes."""

    size_bytes: int
    sha256: str


class File(NamedTuple):
    """One file of a UI. ``sha256`` is of the plain bytes; variants are by encoding (identity, .br, .gz)."""

    content_type: str
    sha256: str
    variants: dict[str, Variant]


class Index(NamedTuple):
    """The files of one bundle's UI, by path, and its first page."""

    entry: str
    files: dict[str, File]


class UiBundles:
    """Verified indexes (a few hundred) and small files (bounded by bytes), for the life of the process."""

    def __init__(
        self,
        objects: ObjectStore,
        trust: TrustBundle,
        cache_bytes: int,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
        indexes: int = 256,
    ) -> None:
        self._objects = objects
        self._withdrawals = Withdrawals(objects)
        self._monotonic_s = monotonic_s
        self._trust = trust
        self._now = now
        self._index_capacity = indexes
        self._indexes: OrderedDict[ContentHash, Index] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._files: OrderedDict[tuple[ContentHash, str], bytes] = OrderedDict()

    def index(self, content_hash: ContentHash) -> Index:
        """Return a bundle's index.

        Raises:
            PlatformError: ``ui_not_found`` for a bundle that is not published, was withdrawn or has no UI;
                ``release_integrity`` and ``ui_integrity`` when record or index are not what was signed.
        """
        try:
            self._withdrawals.check(content_hash, self._monotonic_s())
        except PlatformError as error:
            if error.code != "version_withdrawn":
                raise
            raise PlatformError("ui_not_found", "No published bundle has this hash.", cause=error) from error
        known = self._indexes.get(content_hash)
        if known is not None:
            self._indexes.move_to_end(content_hash)
            return known
        index = self._load(content_hash)
        self._indexes[content_hash] = index
        if len(self._indexes) > self._index_capacity:
            self._indexes.popitem(last=False)
        return index

    def read(self, content_hash: ContentHash, path: str, encoding: str, variant: Variant) -> bytes:
        """Return the bytes of one stored form of a file, checked against the index.

        Raises:
            PlatformError: ``ui_integrity`` when the bytes are absent or not the published ones.
        """
        suffix = "" if encoding == "identity" else encoding
        key = (content_hash, path + suffix)
        known = self._files.get(key)
        if known is not None:
            self._files.move_to_end(key)
            return known
        data = self._objects.get_optional(f"ui/{sha256_hex(content_hash)}/files/{path}{suffix}")
        if data is None or hashlib.sha256(data).hexdigest() != variant.sha256:
            raise PlatformError("ui_integrity", "The file is not the one that was published.", path=path)
        self._keep(key, data)
        return data

    def _keep(self, key: tuple[ContentHash, str], data: bytes) -> None:
        if len(data) > self._cache_bytes // 8:
            return
        self._files[key] = data
        self._cached_bytes += len(data)
        while self._cached_bytes > self._cache_bytes:
            _, dropped = self._files.popitem(last=False)
            self._cached_bytes -= len(dropped)

    def _load(self, content_hash: ContentHash) -> Index:
        hex_digits = sha256_hex(content_hash)
        envelope = self._objects.get_optional(f"releases/{hex_digits}.dsse.json")
        if envelope is None:
            raise PlatformError("ui_not_found", "No published bundle has this hash.")
        try:
            verified = self._trust.verify(envelope, use="release", publisher="", at=self._now())
            release = read_statement(verified.payload, ReleaseRecord, hex_digits)
        except PlatformError as error:
            raise PlatformError(
                "release_integrity", "The bundle's release record does not verify.", cause=error
            ) from error
        if release.ui_index_sha256 is None:
            raise PlatformError("ui_not_found", "The extension has no UI.")
        document = self._objects.get_optional(f"ui/{hex_digits}/index.json")
        if document is None or hashlib.sha256(document).hexdigest() != release.ui_index_sha256:
            raise PlatformError("ui_integrity", "The UI's index is not the one that was published.")
        return _index(json.loads(document))


def _index(document: dict[str, Any]) -> Index:
    files = {
        path: File(
            entry["content_type"],
            entry["sha256"],
            {name: Variant(variant["size_bytes"], variant["sha256"]) for name, variant in entry["variants"].items()},
        )
        for path, entry in document["files"].items()
    }
    return Index(document["entry"], files)
