"""Memory that values are lowered into: plain buffers whose addresses do not change until the arena is reset.

The engine copies arguments while it is called. So one arena serves one call and is then reset. The engine never owns or
frees anything in it.
"""

import ctypes
from typing import Final

_CHUNK_BYTES: Final = 256 * 1024


class Arena:
    """A bump allocator over byte buffers.

    ``take`` returns the offset to write to. A buffer does not move while the arena is in use, so absolute addresses may
    be written into it. The first chunk is kept permanently, the others until ``reset``.
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
        """Reserve ``size_bytes`` in ``self.buffer``, aligned to 8 bytes, and return the offset.

        The bytes are not cleared. This call may replace ``self.buffer`` and ``self.base``: read them after it, and
        before the next call.
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
        """Keep a buffer that was made elsewhere until the reset, and return its address."""
        self._kept.append(buffer)
        return address_of(buffer)

    def reset(self) -> None:
        """Release everything. Addresses returned before are no longer valid."""
        if self._kept:
            self._kept.clear()
            self.buffer = self._first
            self.base = self._first_base
        self.position = 0


def address_of(buffer: bytearray) -> int:
    """Return the address of a buffer's first byte, or 0 when it is empty. The buffer must not be resized later."""
    return ctypes.addressof((ctypes.c_char * 1).from_buffer(buffer)) if buffer else 0
