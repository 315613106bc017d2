"""Measure the memory a call uses, from /proc: in the child itself, or in its parent when the child cannot.

- Peak of resident memory: writing ``5`` to ``clear_refs`` resets the high-water mark ``VmHWM``. (``ru_maxrss`` would be
  cheaper, but it is never less than the parent's size at the time of the exec.)
- Linear memory in use: private writable mappings (``data`` in ``statm``), which grow exactly as linear memories do.
- The size of each linear memory: ``maps``, where each is a writable range followed by the rest of its reservation.
"""

import os
import resource
import threading
from typing import Final

_PAGE_BYTES: Final = resource.getpagesize()
_RESERVATION_BYTES: Final = 4 << 30
"""Address space of one linear memory, without guard pages (``memory_reservation`` in ``protocol/engine.py``)."""


class Meter:
    """Memory figures of this process, read through descriptors that were opened before the confinement.

    A descriptor is None when the file in /proc could not be opened. ``complete`` tells whether all could.
    """

    def __init__(self) -> None:
        self._statm = _open("/proc/self/statm", os.O_RDONLY)
        self._status = _open("/proc/self/status", os.O_RDONLY)
        self._clear_refs = _open("/proc/self/clear_refs", os.O_WRONLY)
        self._maps = _open("/proc/self/maps", os.O_RDONLY)
        self._reading_maps = threading.Lock()
        self.complete = None not in (self._statm, self._status, self._clear_refs, self._maps)

    def writable_bytes(self) -> int:
        """Return the size of all private writable mappings, or 0 when it cannot be read."""
        if self._statm is None:
            return 0
        return _pages(self._statm, 5)

    def reset_peak(self) -> int:
        """Reset the peak of resident memory, and return the resident bytes at this moment."""
        if self._clear_refs is not None:
            os.write(self._clear_refs, b"5")
        if self._statm is None:
            return 0
        return _pages(self._statm, 1)

    def peak_bytes(self) -> int:
        """Return the peak of resident bytes since the last reset, or 0 when it cannot be read."""
        return 0 if self._status is None else _peak(self._status)

    def linear_memories(self) -> list[int]:
        """Return the size of each linear memory that is not empty. This takes about 0.1 milliseconds.

        The list is empty when the sizes cannot be read.
        """
        if self._maps is None:
            return []
        with self._reading_maps:
            os.lseek(self._maps, 0, os.SEEK_SET)
            text = b""
            while chunk := os.read(self._maps, 1 << 16):
                text += chunk
        return linear_memories_in(text)


def linear_memories_in(maps: bytes) -> list[int]:
    """Return the sizes of linear memories in the text of ``/proc/PID/maps``.

    A linear memory begins with its accessible part, which is private and writable (its initial image comes first, as a
    mapping of a file). Its reserved part follows. Together they are at least as large as the reservation. Nothing else
    in a sandbox is that large.
    """
    found = []
    size = end = 0
    for line in maps.splitlines():
        span, rights = line.split(b" ", 2)[:2]
        first, last = (int(part, 16) for part in span.split(b"-"))
        if first != end:
            size = 0
        end = last
        if rights == b"rw-p":
            size += last - first
            continue
        if rights == b"---p" and size and size + last - first >= _RESERVATION_BYTES:
            found.append(size)
        size = 0
    return found


def resident_bytes_of(process_id: int) -> int:
    """Return the resident bytes of a child at this moment, or 0 when they cannot be read."""
    descriptor = _open(f"/proc/{process_id}/statm", os.O_RDONLY)
    if descriptor is None:
        return 0
    try:
        return _pages(descriptor, 1)
    finally:
        os.close(descriptor)


def peak_bytes_of(process_id: int) -> int:
    """Return a child's peak of resident bytes since the child last reset it, or 0 when the child has ended."""
    descriptor = _open(f"/proc/{process_id}/status", os.O_RDONLY)
    if descriptor is None:
        return 0
    try:
        return _peak(descriptor)
    finally:
        os.close(descriptor)


def _pages(statm: int, field: int) -> int:
    return int(os.pread(statm, 128, 0).split()[field]) * _PAGE_BYTES


def _peak(status: int) -> int:
    text = os.pread(status, 2_048, 0)
    at = text.find(b"VmHWM:")
    return int(text[at + 6 : text.index(b"kB", at)]) * 1024 if at >= 0 else 0


def _open(path: str, flags: int) -> int | None:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError:
        return None
