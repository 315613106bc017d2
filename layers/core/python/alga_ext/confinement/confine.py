"""Confine a process before it gets hostile input: drop its privileges, and limit resources, files and system calls.

Each step is tried independently of the others. A step that cannot be applied is reported, and ``/healthz`` shows those
of the sandbox child. The order matters, because a step may need what a later step takes away:

1. No new privileges, and not dumpable: other processes of the same user cannot read its memory and ``/proc`` entries.
2. Drop all capabilities, if the process was started with any.
3. Set resource limits.
4. Landlock: only files below the given folders can be opened, for reading only.
5. seccomp: only the system calls of computing are allowed, and those that open files for reading.
6. ``seal``, when the process has opened what it needs: no file can be opened or examined any more.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from alga_ext.confinement import landlock, syscalls

_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION_3: Final = 0x20080522
_LAST_CAPABILITY: Final = 63
_DESCRIPTORS: Final = 64
"""The limit of open descriptors. A sandbox has about 12: its channel, its memory figures, its program and the engine's
own."""
_ADDRESS_SPACE_BYTES: Final = 64 << 30
"""The limit of address space. The ten memories that a guest may have reserve 41 GiB of it. It bounds the page tables,
which RLIMIT_DATA does not count: reading reserved memory costs 1/512 of its size, here 128 MiB."""
_STACK_BYTES: Final = 8 << 20
"""The limit of the first thread's stack, which does not count towards RLIMIT_DATA."""
NOT_CONFINED_EXIT_STATUS: Final = 71
"""The exit status of a worker that could not confine itself, and therefore did nothing."""
_OPTIONAL: Final = "landlock"
"""The step that older kernels lack. A sealed process opens no files and no connections without it too."""


class Report(NamedTuple):
    """The names of the steps that were applied, and of those that were not, each with the reason."""

    applied: list[str]
    missing: list[str]


def confine(data_limit_bytes: int, readable: Sequence[str], file_limit_bytes: int = 0) -> Report:
    """Confine this process permanently. Call it before starting any further thread.

    Args:
        data_limit_bytes: limit of private writable memory, which includes the linear memories of guests.
        readable: folders whose files may still be opened for reading, until ``seal``.
        file_limit_bytes: the size up to which files may grow by writing to open descriptors.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("no_new_privileges", lambda: _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)),
        ("not_dumpable", lambda: _prctl(libc, _PR_SET_DUMPABLE, 0)),
        ("no_capabilities", lambda: _drop_capabilities(libc)),
        ("resource_limits", lambda: _limit_resources(data_limit_bytes, file_limit_bytes)),
        ("landlock", lambda: landlock.restrict(libc, readable)),
        ("seccomp", lambda: syscalls.install(libc, loading=True)),
    ]
    applied, missing = [], []
    for name, step in steps:
        try:
            step()
        except (OSError, ValueError, KeyError) as error:
            missing.append(f"{name}: {error}")
        else:
            applied.append(name)
    return Report(applied, missing)


def seal(report: Report) -> None:
    """Give up opening and examining files, in all threads. Call it before hostile code runs.

    Args:
        report: what ``confine`` returned. Without its seccomp step there is nothing to tighten.

    Raises:
        OSError: the kernel refused it although it accepted the first filter.
    """
    if "seccomp" in report.applied:
        syscalls.install(ctypes.CDLL(None, use_errno=True), loading=False)


def confine_and_seal(data_limit_bytes: int, file_limit_bytes: int = 0) -> None:
    """Confine and seal this process. Without a step other than Landlock it exits with ``NOT_CONFINED_EXIT_STATUS``.

    Args:
        data_limit_bytes: see ``confine``.
        file_limit_bytes: see ``confine``.
    """
    report = confine(data_limit_bytes, [], file_limit_bytes)
    if any(not step.startswith(_OPTIONAL) for step in report.missing):
        sys.exit(NOT_CONFINED_EXIT_STATUS)
    seal(report)


def make_undumpable() -> None:
    """Close this process's memory and ``/proc`` entries to other processes of the same user.

    Raises:
        OSError: the kernel refused it. Linux does not.
    """
    _prctl(ctypes.CDLL(None, use_errno=True), _PR_SET_DUMPABLE, 0)


def limit(kind: int, value: int) -> None:
    """Lower the soft and hard value of one resource limit. A hard limit that is already lower stays."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _limit_resources(data_limit_bytes: int, file_limit_bytes: int) -> None:
    limit(resource.RLIMIT_DATA, data_limit_bytes)
    limit(resource.RLIMIT_AS, _ADDRESS_SPACE_BYTES)
    limit(resource.RLIMIT_STACK, _STACK_BYTES)
    limit(resource.RLIMIT_FSIZE, file_limit_bytes)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, _DESCRIPTORS)
    limit(resource.RLIMIT_MEMLOCK, 0)
    limit(resource.RLIMIT_MSGQUEUE, 0)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    if libc.capget(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    if not any(data):
        return
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL for numbers that the kernel does not know
    if libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
