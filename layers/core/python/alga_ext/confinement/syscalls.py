"""seccomp filters that allow the system calls of a confined process and refuse all others with EPERM.

The programs are assembled here and loaded with seccomp(2), so that the function's image needs no library for it. They
are classic BPF programs: check the architecture, load the number of the system call, compare it with each allowed
number. Some calls are decided by an argument (``RULES``). ``clone3`` and ``memfd_create`` return ENOSYS, as old kernels
do: the C library then uses ``clone``, and the engine copies memory images instead of mapping them from a memory file.

There are two filters. ``loading`` also allows what a process needs until it has loaded its program: to open and examine
files, and to install the second filter. Without these, a process can neither open a path nor learn whether it exists.

Numbers: asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64); a test compares them with libseccomp's.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import Final, NamedTuple

NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mprotect": 10,
        "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17,
        "readv": 19, "writev": 20, "sched_yield": 24, "mremap": 25, "madvise": 28,
        "nanosleep": 35, "getpid": 39, "exit": 60,
        "getrusage": 98, "sigaltstack": 131, "gettid": 186, "futex": 202, "sched_getaffinity": 204,
        "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
        "exit_group": 231, "epoll_wait": 232, "epoll_ctl": 233, "ppoll": 271,
        "set_robust_list": 273, "epoll_pwait": 281, "eventfd2": 290, "epoll_create1": 291,
        "getrandom": 318, "membarrier": 324, "rseq": 334,
    },
    "aarch64": {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mprotect": 226,
        "munmap": 215, "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "pread64": 67,
        "readv": 65, "writev": 66, "sched_yield": 124, "mremap": 216, "madvise": 233,
        "nanosleep": 101, "getpid": 172, "exit": 93,
        "getrusage": 165, "sigaltstack": 132, "gettid": 178, "futex": 98, "sched_getaffinity": 123,
        "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115,
        "exit_group": 94, "epoll_ctl": 21, "ppoll": 73, "set_robust_list": 99,
        "epoll_pwait": 22, "eventfd2": 19, "epoll_create1": 20, "getrandom": 278,
        "membarrier": 283, "rseq": 293,
    },
}  # fmt: skip
"""System calls that are always allowed, whatever their arguments are."""

LOADING: Final[dict[str, dict[str, int]]] = {"x86_64": {"statx": 332}, "aarch64": {"statx": 291}}
"""System calls that only loading needs: the engine asks for the size of the program's file. It could name any path,
because a filter cannot read a path."""

JUDGED: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "mmap": 9, "clone": 56, "fcntl": 72, "tgkill": 234, "openat": 257, "seccomp": 317, "memfd_create": 319,
        "clone3": 435,
    },
    "aarch64": {
        "mmap": 222, "clone": 220, "fcntl": 25, "tgkill": 131, "openat": 56, "seccomp": 277, "memfd_create": 279,
        "clone3": 435,
    },
}  # fmt: skip
"""System calls that are decided by an argument, or refused with ENOSYS."""


class Rule(NamedTuple):
    """What an argument must be for a call to be allowed. Only its low 32 bits count, in the kernel too.

    Attributes:
        place: which argument, from 0.
        values: if any are given, the argument must be one of them.
        required: bits of which at least one must be set, if any are given.
        forbidden: bits that must not be set.
    """

    place: int
    values: tuple[int, ...] = ()
    required: int = 0
    forbidden: int = 0


def _all_but(*bits: int) -> int:
    return 0xFFFFFFFF & ~sum(bits)


_F_GETFD, _F_GETFL, _F_DUPFD_CLOEXEC = 1, 3, 1030
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS, _MAP_DENYWRITE = 0x02, 0x10, 0x20, 0x800
_MAP_NORESERVE, _MAP_POPULATE, _MAP_STACK, _MAP_FIXED_NOREPLACE = 0x4000, 0x8000, 0x20000, 0x100000
_CLONE_THREAD: Final = 0x10000
_CLONE_OF_A_THREAD: Final = 0x7D0F00
_WRITING: Final = 0x1 | 0x2 | 0x40 | 0x200 | 0x400 | 0x400000
_SET_MODE_FILTER, _TSYNC = 1, 1

RULES: Final[dict[str, Rule]] = {
    # Not F_SETOWN, F_SETSIG or F_SETFL with O_ASYNC, which signal another process; not F_SETLEASE or F_NOTIFY.
    "fcntl": Rule(1, values=(_F_GETFD, _F_GETFL, _F_DUPFD_CLOEXEC)),
    # Shared memory and growing stacks do not count towards RLIMIT_DATA, so only these flags are allowed.
    "mmap": Rule(
        3,
        forbidden=_all_but(
            _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS, _MAP_DENYWRITE,
            _MAP_NORESERVE, _MAP_POPULATE, _MAP_STACK, _MAP_FIXED_NOREPLACE,
        ),
    ),
    # Threads with the C library's flags: no processes, no namespaces.
    "clone": Rule(0, required=_CLONE_THREAD, forbidden=_all_but(_CLONE_OF_A_THREAD)),
}  # fmt: skip
"""The rules of both filters. ``tgkill`` may only signal the process itself, which ``abort`` needs.

The parent runs as the same user, and must not be signalled. The flags are the same on both architectures.
"""

LOADING_RULES: Final[dict[str, Rule]] = {
    # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND and the bit of O_TMPFILE
    "openat": Rule(2, forbidden=_WRITING),
    "seccomp": Rule(0, values=(_SET_MODE_FILTER,)),
}
"""The rules that only ``loading`` has."""

_ABSENT: Final = ("clone3", "memfd_create")

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LOAD_NUMBER, _LOAD_ARCH = 0, 4
_ARGUMENTS: Final = 16  # the place of args[0] in struct seccomp_data; its low half comes first

_BPF_LOAD, _BPF_JEQ, _BPF_JSET, _BPF_RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_ERRNO: Final = 0x00050000


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


_ALLOWED: Final = _step(_BPF_RETURN, _ALLOW)
_REFUSED: Final = _step(_BPF_RETURN, _ERRNO | errno.EPERM)


def program(machine: str, process_id: int, *, loading: bool) -> bytes:
    """Return the filter for a process as an array of ``struct sock_filter``.

    Args:
        machine: the architecture, as ``platform.machine`` returns it.
        process_id: the process's id.
        loading: whether the process may still open files.

    Raises:
        KeyError: there is no table for this architecture.
    """
    judged = JUDGED[machine]
    allowed = NUMBERS[machine] | (LOADING[machine] if loading else {})
    rules = RULES | {"tgkill": Rule(0, values=(process_id,))} | (LOADING_RULES if loading else {})
    steps = [
        _step(_BPF_LOAD, _LOAD_ARCH),
        _step(_BPF_JEQ, _AUDIT_ARCH[machine], 1, 0),
        _step(_BPF_RETURN, _KILL_PROCESS),
        _step(_BPF_LOAD, _LOAD_NUMBER),
    ]
    for number in allowed.values():
        steps += _block(number, [_ALLOWED])
    for name, rule in rules.items():
        steps += _block(judged[name], _decision(rule))
    for name in _ABSENT:
        steps += _block(judged[name], [_step(_BPF_RETURN, _ERRNO | errno.ENOSYS)])
    return b"".join([*steps, _REFUSED])


def _block(number: int, steps: list[bytes]) -> list[bytes]:
    """Return steps that run only for this system call. They end with a verdict, so they may change the accumulator."""
    return [_step(_BPF_JEQ, number, 0, len(steps)), *steps]


def _decision(rule: Rule) -> list[bytes]:
    steps = [_step(_BPF_LOAD, _ARGUMENTS + 8 * rule.place)]
    if rule.values:
        for value in rule.values:
            steps += [_step(_BPF_JEQ, value, 0, 1), _ALLOWED]
        return [*steps, _REFUSED]
    if rule.required:
        steps += [_step(_BPF_JSET, rule.required, 1, 0), _REFUSED]
    return [*steps, _step(_BPF_JSET, rule.forbidden, 0, 1), _REFUSED, _ALLOWED]


def install(libc: ctypes.CDLL, *, loading: bool) -> None:
    """Load a filter for all threads of this process, and those started later. Needs no_new_privs.

    Raises:
        OSError: the kernel refused it.
        KeyError: there is no table for this architecture.
    """
    machine = platform.machine()
    code = program(machine, os.getpid(), loading=loading)
    buffer = ctypes.create_string_buffer(code, len(code))
    loaded = _Program(len(code) // 8, ctypes.addressof(buffer))
    number = ctypes.c_long(JUDGED[machine]["seccomp"])
    if libc.syscall(number, ctypes.c_long(_SET_MODE_FILTER), ctypes.c_long(_TSYNC), ctypes.byref(loaded)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
