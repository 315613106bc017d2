"""A Landlock domain for confined processes: files can be read below the given folders and nowhere else.

It protects what a system call filter cannot distinguish: the ``/proc`` entries of other processes, configuration, and
files of other tenants. Kernels without Landlock return ENOSYS or EOPNOTSUPP, which the caller reports.
Source: Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_READ_FILE_AND_DIRECTORY: Final = (1 << 2) | (1 << 3)

_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many file access rights each version of the interface has. Later versions have at least as many."""
_NETWORK_RIGHTS: Final = 0b11
_SCOPES: Final = 0b11
"""No abstract Unix sockets of processes outside the domain, and no signals to them."""


def restrict(libc: ctypes.CDLL, readable: Iterable[str]) -> int:
    """Confine this thread and the threads it starts later. Return the version of the interface. Needs no_new_privs.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off.
    """
    version = _call(libc, _CREATE_RULESET, None, 0, _VERSION_FLAG)
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("<QQQ", rights, _NETWORK_RIGHTS, _SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call(libc, _CREATE_RULESET, attributes, size, 0)
    try:
        for path in readable:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("<Qi", _READ_FILE_AND_DIRECTORY, folder)
                _call(libc, _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
            finally:
                os.close(folder)
        _call(libc, _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _call(libc: ctypes.CDLL, number: int, *arguments: int | bytes | None) -> int:
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    answer: int = libc.syscall(ctypes.c_long(number), *converted)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
