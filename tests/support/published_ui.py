"""A published UI as the registry leaves it in a store."""

import hashlib
from typing import Any

from alga_ext.ids import ContentHash
from alga_ext.stores.objects import ObjectStore
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import ReleaseRecord, statement
from functions.registry.publishing import ui_index
from tests.support.keys import NOW
from tests.support.memory_store import MemoryObjectStore

RELEASE = LocalSigner.generate()
HEX = "ab" * 32
PUBLISHER_KEY = "sha256:" + "9" * 64
HASH = ContentHash(f"sha256:{HEX}")
FILES = {"ui/index.html": b"<p>hello</p>" * 100, "ui/js/app.js": b"export {}\n" * 100, "ui/logo.png": b"\x89PNG"}


def publish_into(objects: ObjectStore, files: dict[str, bytes], entry: str = "ui/index.html", **members: Any) -> None:
    """Write files, index and release record."""
    made = [ui_index.make_file(path, data) for path, data in files.items()]
    for file in made:
        for variant in file.variants:
            objects.put_new(f"ui/{HEX}/files/{file.path}{variant.suffix}", variant.data, "application/octet-stream")
    document = ui_index.index_document(entry, {file.path: ui_index.index_entry(file) for file in made})
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


def published(files: dict[str, bytes] | None = None, entry: str = "ui/index.html", **members: Any) -> MemoryObjectStore:
    """A store that holds one published UI and nothing else."""
    objects = MemoryObjectStore()
    publish_into(objects, FILES if files is None else files, entry, **members)
    return objects
