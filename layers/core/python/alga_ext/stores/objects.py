"""The interface of the object store: objects under keys, nearly all written once and a few replaced.

``alga_ext.stores.aws.S3ObjectStore`` implements it. ``alga_ext.stores.s3_reader.S3ObjectReader`` only reads and starts
fast. Both, and the tests' store in memory, pass the same contract tests (tests/contract/test_object_store.py).
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from alga_ext.errors import PlatformError


class Downloaded(NamedTuple):
    """The size of a file that was written, and the SHA-256 (hex) of the bytes as they were received."""

    size_bytes: int
    sha256: str


class Tagged(NamedTuple):
    """The bytes of an object, and a tag that differs for every version of the object (S3's entity tag)."""

    data: bytes
    tag: str


class ObjectReader(Protocol):
    """Reads objects. Keys are separated by ``/`` and never start with ``/``.

    Every method may raise ``object_store_unavailable`` (retryable) and the errors that its docstring names, no others.
    """

    def get(self, key: str) -> bytes:
        """Return the bytes, or raise ``object_not_found``."""
        ...

    def get_optional(self, key: str) -> bytes | None:
        """Return the bytes, or None."""
        ...

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None when there is no such object."""
        ...

    def download(self, key: str, path: Path) -> Downloaded:
        """Stream the object into a new file at ``path``, or raise ``object_not_found``.

        A failure leaves no file. A file that already exists at ``path`` raises ``FileExistsError``.
        """
        ...


class ObjectStore(ObjectReader, Protocol):
    """Reads and writes objects; raises the same errors as ``ObjectReader``."""

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        """Write unless the key exists (``If-None-Match: *``); return whether this call wrote it.

        Raises:
            PlatformError: ``object_conflict`` when the key exists with other bytes; the stored bytes stay unchanged.
        """
        ...

    def put_new_file(self, key: str, path: Path, content_type: str) -> bool:
        """Like ``put_new``, streaming from a file."""
        ...

    def get_tagged(self, key: str) -> Tagged | None:
        """Return the bytes and the tag with which ``replace`` can replace them, or None."""
        ...

    def replace(self, key: str, data: bytes, content_type: str, tag: str | None) -> None:
        """Write, if the object is still the one with this tag (``If-Match``), or if there is none and ``tag`` is None.

        Raises:
            PlatformError: ``object_conflict`` when the object was written or deleted since; nothing is written.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete a staging object; it is not an error when the object does not exist."""
        ...


def bucket_and_prefix(base: str) -> tuple[str, str]:
    """Return the bucket of ``s3://bucket[/prefix]``, and the prefix with a ``/`` at its end or the empty string.

    Raises:
        ValueError: ``base`` has another form.
    """
    parts = urlsplit(base)
    if parts.scheme != "s3" or not parts.netloc:
        message = f"an object store base must have the form s3://bucket[/prefix], not {base!r}"
        raise ValueError(message)
    return parts.netloc, f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""


def write_hashed(chunks: Iterable[bytes | memoryview], path: Path) -> Downloaded:
    """Write chunks into a new file at ``path`` and hash them.

    An exception from ``chunks`` is raised and leaves no file. A file that already exists raises ``FileExistsError``.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        try:
            for chunk in chunks:
                digest.update(chunk)
                size += file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return Downloaded(size, digest.hexdigest())


def not_found(key: str) -> PlatformError:
    """Make the error for an absent object."""
    return PlatformError("object_not_found", "The object does not exist.", key=key)


def unavailable(key: str, cause: object) -> PlatformError:
    """Make the error for a store that cannot be reached or returns an unexpected response."""
    return PlatformError(
        "object_store_unavailable", "The object store cannot be reached; try again.", key=key, cause=cause
    )


def conflict(key: str) -> PlatformError:
    """Make the error for an object that exists with other bytes."""
    detail = "The object has different content now, and this content is not overwritten."
    return PlatformError("object_conflict", detail, key=key)
