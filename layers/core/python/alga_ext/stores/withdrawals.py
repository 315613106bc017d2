"""Check that a version is not withdrawn.

A withdrawn version must not run or be shown, even if its signatures are valid. Withdrawing writes a marker object under
the bundle's hash. A function that runs or serves a bundle looks for this marker. When there is none, the function keeps
this result for a short time, and a withdrawn version may still run for that time.
"""

from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectReader

LIFETIME_S: Final = 30.0


class Withdrawals:
    """Remembers for ``lifetime_s`` that a bundle is not withdrawn. A withdrawal is permanent."""

    def __init__(self, objects: ObjectReader, lifetime_s: float = LIFETIME_S, capacity: int = 4_096) -> None:
        self._objects = objects
        self._lifetime_s = lifetime_s
        self._capacity = capacity
        self._clear_until: dict[ContentHash, float] = {}

    def check(self, content_hash: ContentHash, now_s: float) -> None:
        """Check that the bundle is not withdrawn.

        Args:
            content_hash: hash of the bundle that is about to run or to be shown.
            now_s: seconds of a monotonic clock.

        Raises:
            PlatformError: ``version_withdrawn``; ``object_store_unavailable`` when the store cannot be reached.
        """
        if now_s < self._clear_until.get(content_hash, 0.0):
            return
        self._clear_until.pop(content_hash, None)
        if self._objects.size(object_keys.withdrawal(sha256_hex(content_hash))) is not None:
            raise PlatformError(
                "version_withdrawn", "This version was withdrawn and no longer runs; update the extension."
            )
        while len(self._clear_until) >= self._capacity:
            self._clear_until.pop(next(iter(self._clear_until)))
        self._clear_until[content_hash] = now_s + self._lifetime_s
