"""The object store as the platform sees it: immutable things under keys, written once.

``alga_ext.aws.S3ObjectStore`` is the implementation; ``MemoryObjectStore`` is a fake that passes the same
contract tests (tests/contract/test_object_store.py).
"""

from pathlib import Path
from typing import Protocol

from alga_ext.errors import PlatformError


class ObjectStore(Protocol):
    """Keys are relative, ``/``-separated and never start with ``/``.

    Every method may raise ``object_store_unavailable`` (retryable) and nothing else than what it names.
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

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        """Write unless the key exists (``If-None-Match: *``); return whether this call wrote it.

        Raises:
            PlatformError: ``object_conflict`` when it exists with other bytes; the stored bytes stay.
        """
        ...

    def put_new_file(self, key: str, path: Path, content_type: str) -> bool:
        """Like ``put_new``, streaming from a file."""
        ...

    def download(self, key: str, path: Path) -> int:
        """Stream the object into a new file at ``path``; return its size, or raise ``object_not_found``.

        A failure leaves no file; one that is there already is a ``FileExistsError``.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete a staging object; one that does not exist is no error."""
        ...


class MemoryObjectStore:
    """An object store in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get(self, key: str) -> bytes:
        """See ``ObjectStore.get``."""
        data = self.objects.get(key)
        if data is None:
            raise not_found(key)
        return data

    def get_optional(self, key: str) -> bytes | None:
        """See ``ObjectStore.get_optional``."""
        return self.objects.get(key)

    def size(self, key: str) -> int | None:
        """See ``ObjectStore.size``."""
        data = self.objects.get(key)
        return None if data is None else len(data)

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:  # noqa: ARG002 - part of the port
        """See ``ObjectStore.put_new``."""
        if key not in self.objects:
            self.objects[key] = data
            return True
        if self.objects[key] != data:
            raise conflict(key)
        return False

    def put_new_file(self, key: str, path: Path, content_type: str) -> bool:
        """See ``ObjectStore.put_new_file``."""
        return self.put_new(key, path.read_bytes(), content_type)

    def download(self, key: str, path: Path) -> int:
        """See ``ObjectStore.download``."""
        data = self.get(key)
        with path.open("xb") as file:
            return file.write(data)

    def delete(self, key: str) -> None:
        """See ``ObjectStore.delete``."""
        self.objects.pop(key, None)


def not_found(key: str) -> PlatformError:
    """Make the error for an absent object."""
    return PlatformError("object_not_found", "The object does not exist.", key=key)


def conflict(key: str) -> PlatformError:
    """Make the error for an object that exists with other bytes."""
    return PlatformError("object_conflict", "The object exists with other content and is never overwritten.", key=key)
