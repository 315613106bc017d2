"""What a call used, read from /proc through descriptors opened before the child confined itself.

Resident peak: writing ``5`` to ``clear_refs`` resets the high-water mark ``VmHWM``. (``ru_maxrss`` would be cheaper,
but it never falls below the parent's size at the time of the exec.) Linear memory in use: private writable mappings
(``data`` in ``statm``), which grow exactly as linear memories do.
"""

import os
import resource
from typing import Final

_PAGE_BYTES: Final = resource.getpagesize()


class Meter:
    """Memory figures of this process; ``None`` descriptors mean that /proc could not be read that way."""

    def __init__(self) -> None:
        self._statm = _open("/proc/self/statm", os.O_RDONLY)
        self._status = _open("/proc/self/status", os.O_RDONLY)
        self._clear_refs = _open("/proc/self/clear_refs", os.O_WRONLY)
        self.complete = None not in (self._statm, self._status, self._clear_refs)

    def writable_bytes(self) -> int:
        """Return the size of all private writable mappings; 0 when it cannot be read."""
        if self._statm is None:
            return 0
        return int(os.pread(self._statm, 128, 0).split()[5]) * _PAGE_BYTES

    def reset_peak(self) -> int:
        """Start a new peak and return the resident bytes it starts from."""
        if self._clear_refs is not None:
            os.write(self._clear_refs, b"5")
        if self._statm is None:
            return 0
        return int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE_BYTES

    def peak_bytes(self) -> int:
        """Return the peak of resident bytes since the last reset; 0 when it cannot be read."""
        if self._status is None:
            return 0
        text = os.pread(self._status, 2_048, 0)
        at = text.find(b"VmHWM:")
        return int(text[at + 6 : text.index(b"kB", at)]) * 1024 if at >= 0 else 0


def _open(path: str, flags: int) -> int | None:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError:
        return None
