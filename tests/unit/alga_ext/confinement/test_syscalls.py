"""The system call filter's numbers and shape."""

import struct

import pyseccomp
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alga_ext.confinement import syscalls

ARCHITECTURES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}


@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_the_numbers_are_libseccomps(machine: str) -> None:
    table = {**syscalls.NUMBERS[machine], **syscalls.LOADING[machine], **syscalls.JUDGED[machine]}
    assert table == {name: pyseccomp.resolve_syscall(ARCHITECTURES[machine], name) for name in table}


@pytest.mark.parametrize("loading", [True, False])
@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_every_way_through_the_filter_ends_in_a_verdict(machine: str, loading: bool) -> None:
    program = syscalls.program(machine, 1_234, loading=loading)
    steps: list[tuple[int, int, int, int]] = list(struct.iter_unpack("<HBBI", program))
    for place, (code, if_true, if_false, _) in enumerate(steps):
        if code in (0x15, 0x45):
            assert place + 1 + max(if_true, if_false) < len(steps)
    assert steps[-1][0] == 0x06


@pytest.mark.parametrize(
    "name",
    [
        "socket", "connect", "execve", "fork", "ptrace", "kill", "open", "process_vm_readv", "setuid", "prctl", "ioctl",
        "stat", "lstat", "access", "newfstatat", "memfd_create", "pwrite64", "sendto",
    ],
)  # fmt: skip
def test_what_a_running_guest_does_not_need_is_not_allowed(name: str) -> None:
    assert name not in syscalls.NUMBERS["x86_64"]


ALLOWED, REFUSED, ABSENT = 0x7FFF0000, 0x00050001, 0x00050026


def verdict(name: str, *arguments: int, loading: bool = False) -> int:
    """Return what the filter of process 1234 answers to a system call, as the kernel would run it."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.X86_64, name)
    data = struct.pack("<IIQ6Q", number, 0xC000003E, 0, *arguments, *[0] * (6 - len(arguments)))
    program = syscalls.program("x86_64", 1_234, loading=loading)
    steps: list[tuple[int, int, int, int]] = list(struct.iter_unpack("<HBBI", program))
    place, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = steps[place]
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x15:
            place += if_true if accumulator == value else if_false
        elif code == 0x45:
            place += if_true if accumulator & value else if_false
        else:
            return value


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("tgkill", (1_234, 1_235, 6), ALLOWED),
        ("tgkill", (1, 1, 9), REFUSED),
        ("clone", (0x3D0F00,), ALLOWED),
        ("clone", (0x3D0F00 & ~0x10000,), REFUSED),
        ("clone", (0x3D0F00 | 0x10000000,), REFUSED),  # a new user namespace
        ("clone", (0,), REFUSED),
        ("clone3", (), ABSENT),
        ("memfd_create", (), ABSENT),
        ("read", (0,), ALLOWED),
    ],
)
@pytest.mark.parametrize("loading", [True, False])
def test_what_is_judged_by_an_argument(name: str, arguments: tuple[int, ...], answer: int, loading: bool) -> None:
    assert verdict(name, *arguments, loading=loading) == answer


@pytest.mark.parametrize(
    ("name", "arguments", "while_loading"),
    [
        ("openat", (0, 0, 0), ALLOWED),
        ("openat", (0, 0, 0x80000), ALLOWED),
        ("openat", (0, 0, 1), REFUSED),
        ("openat", (0, 0, 2), REFUSED),
        ("openat", (0, 0, 0x40), REFUSED),
        ("statx", (), ALLOWED),
        ("seccomp", (1,), ALLOWED),
        ("seccomp", (0,), REFUSED),
        ("newfstatat", (), REFUSED),
    ],
)
def test_files_are_opened_and_examined_only_while_loading(
    name: str, arguments: tuple[int, ...], while_loading: int
) -> None:
    assert verdict(name, *arguments, loading=True) == while_loading
    assert verdict(name, *arguments) == REFUSED


@given(st.integers(0, 2_000), st.booleans())
@example(8, False)
@example(4, False)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_fcntl_only_duplicates_and_reads_flags(command: int, loading: bool) -> None:
    answer = ALLOWED if command in (1, 3, 1030) else REFUSED
    assert verdict("fcntl", 3, command, loading=loading) == answer


PLAIN_MAPPING = 0x02 | 0x10 | 0x20 | 0x800 | 0x4000 | 0x8000 | 0x20000 | 0x100000


@given(st.sets(st.integers(0, 31)), st.booleans())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_mappings_are_private_and_do_not_grow(bits: set[int], loading: bool) -> None:
    flags = sum(1 << bit for bit in bits)
    answer = REFUSED if flags & ~PLAIN_MAPPING else ALLOWED
    assert verdict("mmap", 0, 4096, 3, flags, loading=loading) == answer


@pytest.mark.parametrize("flags", [0x01, 0x03, 0x21, 0x02 | 0x100, 0x22 | 0x40000])
def test_a_mapping_that_the_memory_limit_does_not_count_is_refused(flags: int) -> None:
    assert verdict("mmap", 0, 4096, 3, flags) == REFUSED
