"""A published UI as the registry leaves it in a store, and the list of withdrawn bundles beside it."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from alga_ext.ids import ContentHash
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectStore
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import ReleaseRecord, statement
from alga_ext.trust.withdrawn_list import sign_list
from functions.registry.evaluation.messages import Compress, Compressed
from functions.registry.evaluation.worker import answer
from functions.registry.publishing import ui_index
from tests.support.keys import NOW
from tests.support.memory_store import MemoryObjectStore

RELEASE = LocalSigner.generate()
LISTING = LocalSigner.generate()
"""Another release key: it signs the list, so that a test can end the key of the release record alone."""
LIST_LIFETIME = timedelta(hours=1)
HEX = "ab" * 32
EXTENSION = "0195c0de-0000-4000-8000-00000000000b"
PUBLISHER_KEY = "sha256:" + "9" * 64
HASH = ContentHash(f"sha256:{HEX}")
FILES = {"ui/index.html": b"<p>hello</p>" * 100, "ui/js/app.js": b"export {}\n" * 100, "ui/logo.png": b"\x89PNG"}


def compress(data: bytes, brotli_quality: int, gzip_level: int, budget_s: float) -> tuple[bytes, bytes]:
    """Compress as the evaluation worker does, in this process."""
    made = answer(Compress(data, brotli_quality, gzip_level))
    assert isinstance(made, Compressed)
    return made.brotli, made.gzip


def compressed(data: bytes) -> dict[str, bytes]:
    """Return the compressed variants of one small file."""
    return dict(zip((".br", ".gz"), compress(data, 9, 6, 1.0), strict=True))


def publish_into(
    objects: ObjectStore,
    files: dict[str, bytes],
    entry: str = "ui/index.html",
    extension_id: str | None = EXTENSION,
    **members: Any,
) -> None:
    """Write files, index and release record."""
    made = [ui_index.make_file(path, data, compressed) for path, data in files.items()]
    for file in made:
        for variant in file.variants:
            objects.put_new(f"ui/{HEX}/files/{file.path}{variant.suffix}", variant.data, "application/octet-stream")
    entries = {file.path: ui_index.index_entry(file) for file in made}
    document = ui_index.index_document(entry, entries, extension_id)
    objects.put_new(f"ui/{HEX}/index.json", document, "application/json")
    given: dict[str, Any] = {
        "publisher": "acme",
        "name": "com.acme.notes",
        "version": "1.0.0",
        "key_id": PUBLISHER_KEY,
        "published_at": NOW.isoformat(),
        "ui_index_sha256": hashlib.sha256(document).hexdigest(),
    }
    envelope = sign_envelope(RELEASE, statement(ReleaseRecord(**{**given, **members}), "bundle.tar.zst", HEX))
    objects.put_new(f"releases/{HEX}.dsse.json", envelope, "application/json")


def list_withdrawn(objects: ObjectStore, *hashes: str, at: datetime = NOW, signer: LocalSigner = LISTING) -> None:
    """Write a list of withdrawn bundles that was issued at an instant, over the one that is there."""
    stored = objects.get_tagged(object_keys.withdrawn_list())
    envelope = sign_list(hashes, signer, at, LIST_LIFETIME)
    objects.replace(object_keys.withdrawn_list(), envelope, "application/json", stored.tag if stored else None)


def published(files: dict[str, bytes] | None = None, entry: str = "ui/index.html", **members: Any) -> MemoryObjectStore:
    """A store that holds one published UI, an empty list of withdrawn bundles, and nothing else."""
    objects = MemoryObjectStore()
    publish_into(objects, FILES if files is None else files, entry, **members)
    list_withdrawn(objects)
    return objects
