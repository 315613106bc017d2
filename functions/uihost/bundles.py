"""Read the UI of published bundles, and verify it through the registry's signature.

A bundle is served while its release record verifies (``alga_ext.trust.releases``). The record holds the hash of the
index, and the index holds the hash of each file; both are compared with the stored bytes. Record, index and files come
from the object store, which is untrusted.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from alga_ext.errors import Fault, PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectReader
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import VERDICT_LIFETIME_S, accepted_release
from functions.uihost.withdrawn import WithdrawnBundles

NOT_PUBLISHED: Final = "No published bundle has this hash."


class Variant(NamedTuple):
    """One stored form of a file: its size and the sha256 of its bytes."""

    size_bytes: int
    sha256: str


class File(NamedTuple):
    """One file of a UI.

    ``sha256`` is the hash of the uncompressed bytes. ``variants`` has the encoding as key (identity, .br, .gz).
    """

    content_type: str
    sha256: str
    variants: dict[str, Variant]


class Index(NamedTuple):
    """The files of one bundle's UI, by path, the path of its entry page, and the id of its extension.

    ``extension_id`` is None in an index that was written before indexes had it.
    """

    entry: str
    files: dict[str, File]
    extension_id: str | None


class _VerifiedIndex(NamedTuple):
    """An index, the release record that was verified for it, the trust bundle used, and when to verify again.

    ``until_s`` is a time of the monotonic clock, in seconds.
    """

    ui: Index
    record: bytes
    trust: TrustBundle
    until_s: float


class UiBundles:
    """Cache verified indexes (a few hundred) and small files (bounded by bytes) for the life of the process.

    Args:
        objects: the store that holds release records and UI files.
        withdrawn: tells which bundles are withdrawn.
        trust: returns the current trust bundle.
        cache_bytes: how many bytes of small files are cached together.
        now: returns the present instant.
        monotonic_s: a monotonic clock, in seconds.
        indexes: how many indexes are cached.
    """

    def __init__(
        self,
        objects: ObjectReader,
        withdrawn: WithdrawnBundles,
        trust: Callable[[], TrustBundle],
        cache_bytes: int,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
        indexes: int = 256,
    ) -> None:
        self._objects = objects
        self._withdrawn = withdrawn
        self._monotonic_s = monotonic_s
        self._trust = trust
        self._now = now
        self._index_capacity = indexes
        self._indexes: OrderedDict[ContentHash, _VerifiedIndex] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._files: OrderedDict[str, bytes] = OrderedDict()

    def index(self, content_hash: ContentHash) -> Index:
        """Return a bundle's index.

        1. The current list of withdrawn bundles does not name the bundle (``WithdrawnBundles.current``).
        2. The release record is verified: at first use, after ``VERDICT_LIFETIME_S``, and when the trust bundle
           changes. A record that does not verify any more is read again, because it may have a newer signature.
        3. The index has the hash that the record holds.

        Raises:
            PlatformError: ``ui_not_found`` for a bundle that is not published, was withdrawn or has no UI;
                ``release_integrity`` and ``ui_integrity`` when record or index do not verify;
                ``policy_unavailable`` and ``object_store_unavailable`` when this cannot be checked.
        """
        if sha256_hex(content_hash) in self._withdrawn.current().hashes:  # (1)
            raise PlatformError("ui_not_found", NOT_PUBLISHED)
        trust, now_s = self._trust(), self._monotonic_s()
        known = self._indexes.pop(content_hash, None)
        is_old = known is not None and (known.trust is not trust or now_s >= known.until_s)
        if known is not None and is_old and self._still_verifies(known.record, content_hash, trust):  # (2)
            known = known._replace(trust=trust, until_s=now_s + VERDICT_LIFETIME_S)
        elif known is None or is_old:
            index, record = self._load(content_hash, trust)  # (2), (3)
            known = _VerifiedIndex(index, record, trust, now_s + VERDICT_LIFETIME_S)
        self._indexes[content_hash] = known
        if len(self._indexes) > self._index_capacity:
            self._indexes.popitem(last=False)
        return known.ui

    def _still_verifies(self, record: bytes, content_hash: ContentHash, trust: TrustBundle) -> bool:
        try:
            accepted_release(record, sha256_hex(content_hash), trust, self._now())
        except PlatformError:
            return False
        return True

    def read(self, content_hash: ContentHash, path: str, encoding: str, variant: Variant) -> bytes:
        """Return the bytes of one stored form of a file, after comparing their hash with the index.

        Raises:
            PlatformError: ``ui_integrity`` when the bytes are missing or are not the published ones.
        """
        known = self._files.get(variant.sha256)
        if known is not None:
            self._files.move_to_end(variant.sha256)
            return known
        suffix = "" if encoding == "identity" else encoding
        data = self._objects.get_optional(object_keys.ui_file(sha256_hex(content_hash), path, suffix))
        if data is None or hashlib.sha256(data).hexdigest() != variant.sha256:
            raise PlatformError(
                "ui_integrity", "The file is not the one that was published.", fault=Fault.UI_FILE, path=path
            )
        self._keep(variant.sha256, data)
        return data

    def _keep(self, sha256: str, data: bytes) -> None:
        """Cache a small file under its hash, so that it is only found through an index that holds this hash."""
        if len(data) > self._cache_bytes // 8:
            return
        self._files[sha256] = data
        self._cached_bytes += len(data)
        while self._cached_bytes > self._cache_bytes:
            _, dropped = self._files.popitem(last=False)
            self._cached_bytes -= len(dropped)

    def _load(self, content_hash: ContentHash, trust: TrustBundle) -> tuple[Index, bytes]:
        hex_digits = sha256_hex(content_hash)
        record = self._objects.get_optional(object_keys.release(hex_digits))
        if record is None:
            raise PlatformError("ui_not_found", NOT_PUBLISHED)
        release = accepted_release(record, hex_digits, trust, self._now())
        if release.ui_index_sha256 is None:
            raise PlatformError("ui_not_found", "The extension has no UI.")
        document = self._objects.get_optional(object_keys.ui_index(hex_digits))
        if document is None or hashlib.sha256(document).hexdigest() != release.ui_index_sha256:
            raise PlatformError(
                "ui_integrity", "The index of the UI is not the one that was published.", fault=Fault.UI_INDEX
            )
        return _index(json.loads(document)), record


def _index(document: dict[str, Any]) -> Index:
    files = {
        path: File(
            entry["content_type"],
            entry["sha256"],
            {name: Variant(variant["size_bytes"], variant["sha256"]) for name, variant in entry["variants"].items()},
        )
        for path, entry in document["files"].items()
    }
    return Index(document["entry"], files, document.get("extension_id"))
