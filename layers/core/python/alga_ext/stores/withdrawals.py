"""Withdrawn versions: what must not run or show any more, whatever was signed before.

Withdrawing writes a marker object under the bundle's hash. Whoever serves or runs a bundle looks for it, and believes
what it saw for a short time: that time is how long a withdrawn version may still run.
"""

from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectReader

LIFETIME_S: Final = 30.0


class Withdrawals:
    """Remembers for ``lifetime_s`` whether a bundle was withdrawn; a withdrawal is for ever."""

    def __init__(self, objects: ObjectReader, lifetime_s: float = LIFETIME_S, capacity: int = 4_096) -> None:
        self._objects = objects
        self._lifetime_s = lifetime_s
        self._capacity = capacity
        self._clear_until: dict[ContentHash, float] = {}

    def check(self, content_hash: ContentHash, now_s: float) -> None:
        """Pass when the bundle is not withdrawn.

        Args:
            content_hash: of the bundle that is about to run or show.
            now_s: a monotonic clock.

        Raises:
            PlatformError: ``version_withdrawn``; ``object_store_unavailable`` when it cannot be known.
        """
        if now_s < self._clear_until.get(content_hash, 0.0):
            return
        self._clear_until.pop(content_hash, None)
        if self._objects.size(object_keys.withdrawal(sha256_hex(content_hash))) is not None:
            raise PlatformError(
                "version_withdrawn", "This version was withdrawn and runs no more; update the extension."
            )
        while len(self._clear_until) >= self._capacity:
            self._clear_until.pop(next(iter(self._clear_until)))
        self._clear_until[content_hash] = now_s + self._lifetime_s
