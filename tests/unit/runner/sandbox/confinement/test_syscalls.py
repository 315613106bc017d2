"""The system call filter's numbers and shape."""

import struct

import pyseccomp
import pytest

from functions.runner.sandbox.confinement import syscalls

ARCHITECTURES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}


@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_the_numbers_are_libseccomps(machine: str) -> None:
    table = {**syscalls.NUMBERS[machine], **syscalls.JUDGED[machine]}
    assert table == {name: pyseccomp.resolve_syscall(ARCHITECTURES[machine], name) for name in table}


@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_every_way_through_the_filter_ends_in_a_verdict(machine: str) -> None:
    steps: list[tuple[int, int, int, int]] = list(struct.iter_unpack("<HBBI", syscalls.program(machine, 1_234)))
    for place, (code, if_true, if_false, _) in enumerate(steps):
        if code in (0x15, 0x45):
            assert place + 1 + max(if_true, if_false) < len(steps)
    assert steps[-1][0] == 0x06


@pytest.mark.parametrize(
    "name", ["socket", "connect", "execve", "fork", "ptrace", "kill", "open", "process_vm_readv", "setuid", "prctl"]
)
def test_what_a_running_guest_does_not_need_is_not_allowed(name: str) -> None:
    assert name not in syscalls.NUMBERS["x86_64"]


def verdict(name: str, *arguments: int) -> int:
    """Return what the filter of process 1234 answers to a system call, as the kernel would run it."""
    number = {**syscalls.NUMBERS["x86_64"], **syscalls.JUDGED["x86_64"]}[name]
    data = struct.pack("<IIQ6Q", number, 0xC000003E, 0, *arguments, *[0] * (6 - len(arguments)))
    steps: list[tuple[int, int, int, int]] = list(struct.iter_unpack("<HBBI", syscalls.program("x86_64", 1_234)))
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


ALLOWED, REFUSED = 0x7FFF0000, 0x00050001


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("tgkill", (1_234, 1_235, 6), ALLOWED),
        ("tgkill", (1, 1, 9), REFUSED),
        ("openat", (0, 0, 0), ALLOWED),
        ("openat", (0, 0, 1), REFUSED),
        ("clone", (0x10000,), ALLOWED),
        ("clone", (0,), REFUSED),
        ("read", (0,), ALLOWED),
    ],
)
def test_what_is_judged_by_an_argument(name: str, arguments: tuple[int, ...], answer: int) -> None:
    assert verdict(name, *arguments) == answer
