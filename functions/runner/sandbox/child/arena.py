"""Memory that values are lowered into: plain buffers whose addresses stay put until the arena is reset.

The engine copies arguments while it is called, so one arena serves one call and is then reset; nothing in it is
ever handed to the engine to own or free.
"""

import ctypes
from typing import Final

_CHUNK_BYTES: Final = 256 * 1024


class Arena:
    """A bump allocator over byte buffers.

    ``take`` answers where to write; a buffer never moves while the arena is in use, so absolute addresses may be
    written into it. The first chunk is kept for good, the others live until ``reset``.
    """

    __slots__ = ("_first", "_first_base", "_kept", "base", "buffer", "position")

    def __init__(self) -> None:
        self._first = bytearray(_CHUNK_BYTES)
        self._first_base = address_of(self._first)
        self._kept: list[bytearray] = []
        self.buffer = self._first
        self.base = self._first_base
        self.position = 0

    def take(self, size_bytes: int) -> int:
        """Reserve ``size_bytes``, aligned to 8, in ``self.buffer`` and return the offset; the bytes are not cleared.

        ``self.buffer`` and ``self.base`` may be others afterwards: read them after this call, and before the next.
        """
        start = (self.position + 7) & ~7
        end = start + size_bytes
        if end > len(self.buffer):
            self._kept.append(self.buffer)
            self.buffer = bytearray(max(_CHUNK_BYTES, size_bytes))
            self.base = address_of(self.buffer)
            start, end = 0, size_bytes
        self.position = end
        return start

    def keep(self, buffer: bytearray) -> int:
        """Keep a buffer made elsewhere until the reset and return its address."""
        self._kept.append(buffer)
        return address_of(buffer)

    def reset(self) -> None:
        """Forget everything; addresses given out before are no longer valid."""
        if self._kept:
            self._kept.clear()
            self.buffer = self._first
            self.base = self._first_base
        self.position = 0


def address_of(buffer: bytearray) -> int:
    """Return the address of a buffer's first byte, or 0 when it is empty. The buffer must not be resized after."""
    return ctypes.addressof((ctypes.c_char * 1).from_buffer(buffer)) if buffer else 0
