"""The index of a bundle's UI: which files it has, their hashes, types and compressed variants.

The index is JSON under ``ui/{sha256 of the bundle}/index.json``; the release record names its hash, so that the UI
host can believe it and, through it, every file.
"""

import gzip
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

import brotli

from functions.registry.publishing.bundle_contents import UI_PREFIX

# Fixed here and not taken from the machine's mime.types, so that one bundle gives one index everywhere.
_TYPES: Final = {
    ".avif": "image/avif",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
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
    """One file of the UI with its variants; the first is the file as it is."""

    path: str
    content_type: str
    sha256: str
    variants: tuple[Variant, ...]


def make_file(bundle_path: str, data: bytes, published: Collection[str] = ()) -> UiFile:
    """Make the entry of one file; its path loses the ``ui/`` prefix.

    A variant that saves nothing is left out, and so is one whose place another file of the bundle has: a bundle may
    bring ``app.js`` and an ``app.js.br`` of its own.

    Args:
        bundle_path: where the file stands in the bundle.
        data: its bytes.
        published: every path that the bundle publishes.
    """
    path = bundle_path.removeprefix(UI_PREFIX)
    content_type = _TYPES.get(PurePosixPath(path).suffix.lower(), "application/octet-stream")
    variants = [Variant("", data)]
    if content_type.startswith(_COMPRESSIBLE) and len(data) >= _SMALLEST_WORTH_BYTES:
        candidates = (
            Variant(".br", brotli.compress(data, quality=9)),
            Variant(".gz", gzip.compress(data, compresslevel=9, mtime=0)),
        )
        variants += [
            variant
            for variant in candidates
            if len(variant.data) < len(data) and bundle_path + variant.suffix not in published
        ]
    return UiFile(path, content_type, hashlib.sha256(data).hexdigest(), tuple(variants))


def index_entry(file: UiFile) -> dict[str, Any]:
    """Return what the index says of a file: type, hash, and size and hash of each variant; none of its bytes."""
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


def index_document(entry: str, files: Mapping[str, dict[str, Any]]) -> bytes:
    """Return the index's bytes, given the bundle's UI entry and path → ``index_entry``; equal files, equal bytes."""
    document = {"version": 1, "entry": entry.removeprefix(UI_PREFIX), "files": files}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
