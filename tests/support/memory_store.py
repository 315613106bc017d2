"""A fake object store for tests; it passes the contract tests of the real ones."""

import hashlib
import threading
from pathlib import Path

from alga_ext.stores import objects


class MemoryObjectStore:
    """An object store in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        """See ``ObjectReader.get``."""
        data = self.objects.get(key)
        if data is None:
            raise objects.not_found(key)
        return data

    def get_optional(self, key: str) -> bytes | None:
        """See ``ObjectReader.get_optional``."""
        return self.objects.get(key)

    def size(self, key: str) -> int | None:
        """See ``ObjectReader.size``."""
        data = self.objects.get(key)
        return None if data is None else len(data)

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:  # noqa: ARG002 - part of the port
        """See ``ObjectStore.put_new``."""
        if key not in self.objects:
            self.objects[key] = data
            return True
        if self.objects[key] != data:
            raise objects.conflict(key)
        return False

    def get_tagged(self, key: str) -> objects.Tagged | None:
        """See ``ObjectStore.get_tagged``."""
        data = self.objects.get(key)
        return None if data is None else objects.Tagged(data, hashlib.sha256(data).hexdigest())

    def replace(self, key: str, data: bytes, content_type: str, tag: str | None) -> None:  # noqa: ARG002 - of the port
        """See ``ObjectStore.replace``."""
        with self._lock:
            stored = self.get_tagged(key)
            if (None if stored is None else stored.tag) != tag:
                raise objects.conflict(key)
            self.objects[key] = data

    def put_new_file(self, key: str, path: Path, content_type: str) -> bool:
        """See ``ObjectStore.put_new_file``."""
        return self.put_new(key, path.read_bytes(), content_type)

    def download(self, key: str, path: Path) -> objects.Downloaded:
        """See ``ObjectReader.download``."""
        return objects.write_hashed([self.get(key)], path)

    def delete(self, key: str) -> None:
        """See ``ObjectStore.delete``."""
        self.objects.pop(key, None)
