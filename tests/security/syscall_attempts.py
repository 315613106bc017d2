"""Attempts at system calls that a confined process must be refused, made inside such a process.

``ATTEMPTS`` is source code that a confined process runs: it defines ``attempts(numbers)``, which makes each attempt and
returns what came of it by name: ``"refused"`` (EPERM or ENOSYS), or anything else. ``uncounted`` takes all the memory
that it can get, and ``reserved`` all the address space.
"""

from typing import Any, Final

from alga_ext.confinement import syscalls

ATTEMPTS: Final = r"""
import ctypes, errno, fcntl, mmap, os, resource, socket
LIBC = ctypes.CDLL(None, use_errno=True)
PARENT = os.getppid()

def raw(number, *arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if LIBC.syscall(ctypes.c_long(number), *arguments) < 0:
        return "refused" if ctypes.get_errno() in (errno.EPERM, errno.ENOSYS) else errno.errorcode[ctypes.get_errno()]
    return "done"

def attempts(numbers, descriptor):
    N = numbers["named"]
    found = {f"system call {number}": raw(number, 0, 0, 0, 0, 0, 0) for number in numbers["others"]}
    for command in [*range(0, 1), 2, *range(4, 60), *range(1024, 1030), *range(1031, 1045)]:
        for value in (0, PARENT, 0x2000, 0x800, -PARENT):
            found[f"fcntl {command} {value}"] = raw(N["fcntl"], descriptor, command, value)
    for bit in (0, 2, 3, 6, 7, 8, 9, 10, 12, 13, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30):
        for protection in (1, 3):
            for target in (-1, descriptor):
                flags = (0x22 if target < 0 else 0x02) & ~(0x02 if bit in (0, 3) else 0) | 1 << bit
                found[f"mmap {flags:#x} {protection} {target}"] = raw(N["mmap"], 0, 4096, protection, flags, target, 0)
    for flags in (0x01, 0x03, 0x21, 0x101, 0x122):
        found[f"mmap {flags:#x}"] = raw(N["mmap"], 0, 4096, 3, flags, -1, 0)
    for bit in (7, 12, 13, 14, 15, 17, 24, 25, 26, 27, 28, 29, 30, 31):
        found[f"clone of a thread with bit {bit}"] = raw(N["clone"], 0x3D0F00 | 1 << bit, 0, 0, 0, 0)
    for flags in (0, 17, 0x11 | 0x4000, 0x3D0F00 & ~0x10000):
        found[f"clone {flags:#x}"] = raw(N["clone"], flags, 0, 0, 0, 0)
    for target in (1, PARENT, 0, -1):
        for signal in (0, 9, 19):
            found[f"tgkill {target} {signal}"] = raw(N["tgkill"], target, target, signal)
    for path in (b"/", b"/etc/passwd", b"/proc/%d" % PARENT, b"/proc/self/maps", b"", b"/nowhere"):
        buffer = ctypes.create_string_buffer(512)
        for flags in (0, 0x1000, 0x100):
            found[f"statx {path} {flags:#x}"] = raw(N["statx"], -100, path, flags, 0x7FF, buffer)
            found[f"newfstatat {path} {flags:#x}"] = raw(N["newfstatat"], descriptor, path, buffer, flags)
        for flags in (0, 1, 2, 0x40, 0x200000, 0x10000, 0x410000):
            found[f"openat {path} {flags:#x}"] = raw(N["openat"], -100, path, flags, 0o600)
    found["another filter"] = raw(N["seccomp"], 1, 0, 0)
    found["a memory file"] = raw(N["memfd_create"], b"x", 0)
    return found

def uncounted(number, limit):
    # How many bytes of writable memory can be had beyond the limit, by mappings of every kind.
    LIBC.syscall.restype = ctypes.c_long
    got, size, places = 0, 16 << 20, []
    for flags in (0x22, 0x4022, 0x20022, 0x122, 0x21, 0x01, 0x28):
        while got <= limit:
            place = LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, (0, size, 3, flags, -1, 0)))
            if place < 0:
                break
            places.append(place)
            got += size
    for place in places:
        LIBC.syscall(ctypes.c_long(11), ctypes.c_long(place), ctypes.c_long(size))  # munmap
    return max(0, got - limit)

def reserved(number):
    # How many bytes of address space can be had. Reading them costs page tables, which no other limit counts.
    LIBC.syscall.restype = ctypes.c_long
    size, places = 1 << 30, []
    while len(places) < 1_000:
        place = LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, (0, size, 1, 0x4022, -1, 0)))
        if place < 0:
            break
        places.append(place)
    for place in places:
        LIBC.syscall(ctypes.c_long(11), ctypes.c_long(place), ctypes.c_long(size))  # munmap
    return len(places) * size
"""


def numbers() -> dict[str, Any]:
    """Return the numbers of x86_64: of the calls that are decided by an argument, and of all that are not allowed."""
    machine = "x86_64"
    allowed = set(syscalls.NUMBERS[machine].values())
    judged = {**syscalls.JUDGED[machine], **syscalls.LOADING[machine], "newfstatat": 262}
    probes = {335, 336}  # kernels let them through every filter; outside a probe they end the process, or do nothing
    every = [*range(470), *range(512, 548), *(0x40000000 + number for number in range(548))]
    others = [n for n in every if n not in allowed and n not in judged.values() and n not in probes]
    return {"named": judged, "others": others}
