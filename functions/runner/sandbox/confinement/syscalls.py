"""A seccomp filter that allows the system calls of a running sandbox child and refuses all others with EPERM.

The program is assembled here and loaded with prctl, so that the function's image needs no library for it. It is a
classic BPF program: check the architecture, load the number of the system call, compare it with each allowed number.
For three calls an argument is checked too: ``openat`` may only read, ``clone`` may only create threads, and ``tgkill``
may only signal this process, which ``abort`` needs (the parent runs as the same user, and must not be signalled).
``clone3`` returns ENOSYS, because its flags are behind a pointer, which a filter cannot read. The C library then uses
``clone``.

Numbers: asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64); a test compares them with libseccomp's.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import Final

NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10,
        "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17,
        "pwrite64": 18, "readv": 19, "writev": 20, "sched_yield": 24, "mremap": 25, "mincore": 27, "madvise": 28,
        "nanosleep": 35, "getpid": 39, "sendto": 44, "recvfrom": 45, "exit": 60, "fcntl": 72, "ftruncate": 77,
        "getrusage": 98, "sigaltstack": 131, "gettid": 186, "futex": 202, "sched_getaffinity": 204,
        "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
        "exit_group": 231, "epoll_wait": 232, "epoll_ctl": 233, "newfstatat": 262, "ppoll": 271,
        "set_robust_list": 273, "epoll_pwait": 281, "timerfd_create": 283, "eventfd2": 290, "epoll_create1": 291,
        "getrandom": 318, "memfd_create": 319, "membarrier": 324, "statx": 332, "rseq": 334,
    },
    "aarch64": {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "mprotect": 226,
        "munmap": 215, "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "pread64": 67,
        "pwrite64": 68, "readv": 65, "writev": 66, "sched_yield": 124, "mremap": 216, "mincore": 232, "madvise": 233,
        "nanosleep": 101, "getpid": 172, "sendto": 206, "recvfrom": 207, "exit": 93, "fcntl": 25, "ftruncate": 46,
        "getrusage": 165, "sigaltstack": 132, "gettid": 178, "futex": 98, "sched_getaffinity": 123,
        "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115,
        "exit_group": 94, "epoll_ctl": 21, "newfstatat": 79, "ppoll": 73, "set_robust_list": 99,
        "epoll_pwait": 22, "timerfd_create": 85, "eventfd2": 19, "epoll_create1": 20, "getrandom": 278,
        "memfd_create": 279, "membarrier": 283, "statx": 291, "rseq": 293,
    },
}  # fmt: skip
"""System calls that are always allowed."""

JUDGED: Final[dict[str, dict[str, int]]] = {
    "x86_64": {"openat": 257, "clone": 56, "clone3": 435, "tgkill": 234},
    "aarch64": {"openat": 56, "clone": 220, "clone3": 435, "tgkill": 131},
}
"""System calls that are decided by an argument, or, for ``clone3``, refused with another error."""

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LOAD_NUMBER, _LOAD_ARCH = 0, 4
_FIRST, _THIRD = 16, 32  # low halves of args[0] and args[2] in struct seccomp_data
_CLONE_THREAD: Final = 0x00010000
_WRITING: Final = 0x1 | 0x2 | 0x40 | 0x200 | 0x400 | 0x400000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND and the bit of O_TMPFILE. They are the same on both architectures."""

_BPF_LOAD, _BPF_JEQ, _BPF_JSET, _BPF_RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_ERRNO: Final = 0x00050000

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def program(machine: str, process_id: int) -> bytes:
    """Return the filter for a process as an array of ``struct sock_filter``.

    Raises:
        KeyError: there is no table for this architecture.
    """
    judged = JUDGED[machine]
    allow, refuse = _step(_BPF_RETURN, _ALLOW), _step(_BPF_RETURN, _ERRNO | errno.EPERM)
    steps = [
        _step(_BPF_LOAD, _LOAD_ARCH),
        _step(_BPF_JEQ, _AUDIT_ARCH[machine], 1, 0),
        _step(_BPF_RETURN, _KILL_PROCESS),
        _step(_BPF_LOAD, _LOAD_NUMBER),
    ]
    for number in NUMBERS[machine].values():
        steps += [_step(_BPF_JEQ, number, 0, 1), allow]
    # Once one of these numbers matches, its block returns. So it may overwrite the number in the accumulator.
    steps += [
        _step(_BPF_JEQ, judged["openat"], 0, 4),
        _step(_BPF_LOAD, _THIRD),
        _step(_BPF_JSET, _WRITING, 0, 1),
        refuse,
        allow,
        _step(_BPF_JEQ, judged["clone"], 0, 4),
        _step(_BPF_LOAD, _FIRST),
        _step(_BPF_JSET, _CLONE_THREAD, 1, 0),
        refuse,
        allow,
        _step(_BPF_JEQ, judged["tgkill"], 0, 4),
        _step(_BPF_LOAD, _FIRST),
        _step(_BPF_JEQ, process_id, 0, 1),
        allow,
        refuse,
        _step(_BPF_JEQ, judged["clone3"], 0, 1),
        _step(_BPF_RETURN, _ERRNO | errno.ENOSYS),
        refuse,
    ]
    return b"".join(steps)


def install(libc: ctypes.CDLL) -> None:
    """Load the filter for this process. Threads that are started later inherit it. Needs no_new_privs.

    Raises:
        OSError: the kernel refused it.
        KeyError: there is no table for this architecture.
    """
    code = program(platform.machine(), os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    loaded = _Program(len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(loaded), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "seccomp")
