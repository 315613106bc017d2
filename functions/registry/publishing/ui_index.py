"""Build the index of a bundle's UI: its files with their hashes, content types and compressed variants.

The index is JSON under ``ui/{sha256 of the bundle}/index.json``. The release record holds its hash. With it the UI host
verifies the index, and with the index it verifies every file.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from functions.registry.publishing.bundle_contents import UI_PREFIX
from functions.registry.publishing.ui_types import content_type_of

_COMPRESSIBLE: Final = (
    "text/",
    "application/json",
    "application/xml",
    "application/manifest+json",
    "application/wasm",
    "image/svg",
)
_SMALLEST_WORTH_BYTES: Final = 256


class Variant(NamedTuple):
    """One stored form of a file: the suffix of its object key (empty, ``.br``, ``.gz``) and its bytes."""

    suffix: str
    data: bytes


class UiFile(NamedTuple):
    """One file of the UI with its variants. The first variant is the uncompressed file."""

    path: str
    content_type: str
    sha256: str
    variants: tuple[Variant, ...]


def make_file(
    bundle_path: str, data: bytes, compress: Callable[[bytes], Mapping[str, bytes]], published: Collection[str] = ()
) -> UiFile:
    """Build the UI file of one bundle file. Its path is without the ``ui/`` prefix.

    A compressed variant that is not smaller is left out. So is a variant whose key another file of the bundle uses: a
    bundle may contain both ``app.js`` and its own ``app.js.br``.

    Args:
        bundle_path: the path of the file in the bundle.
        data: its bytes.
        compress: returns compressed forms of the bytes by key suffix. It may return none.
        published: all paths that the bundle publishes.
    """
    path = bundle_path.removeprefix(UI_PREFIX)
    content_type = content_type_of(path)
    variants = [Variant("", data)]
    if content_type.startswith(_COMPRESSIBLE) and len(data) >= _SMALLEST_WORTH_BYTES:
        variants += [
            Variant(suffix, made)
            for suffix, made in compress(data).items()
            if len(made) < len(data) and bundle_path + suffix not in published
        ]
    return UiFile(path, content_type, hashlib.sha256(data).hexdigest(), tuple(variants))


def index_entry(file: UiFile) -> dict[str, Any]:
    """Return the entry of a file in the index: content type, hash, and the size and hash of each variant."""
    return {
        "sha256": file.sha256,
        "content_type": file.content_type,
        "variants": {
            variant.suffix or "identity": {
                "size_bytes": len(variant.data),
                "sha256": hashlib.sha256(variant.data).hexdigest(),
            }
            for variant in file.variants
        },
    }


def index_document(entry: str, files: Mapping[str, dict[str, Any]], extension_id: str | None) -> bytes:
    """Return the bytes of the index. Equal arguments give equal bytes.

    Args:
        entry: the UI entry, as a path in the bundle.
        files: path → ``index_entry`` of the file.
        extension_id: id of the extension that the bundle belongs to. None gives the form of older indexes, without it.
    """
    document = {"version": 1, "entry": entry.removeprefix(UI_PREFIX), "files": files}
    if extension_id is not None:
        document["extension_id"] = extension_id
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
