"""The system call filter's numbers and shape."""

import struct

import pyseccomp
import pytest

from functions.runner.sandbox import syscalls

ARCHITECTURES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}


@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_the_numbers_are_libseccomps(machine: str) -> None:
    table = {**syscalls.NUMBERS[machine], **syscalls.JUDGED[machine]}
    assert table == {name: pyseccomp.resolve_syscall(ARCHITECTURES[machine], name) for name in table}


@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_every_way_through_the_filter_ends_in_a_verdict(machine: str) -> None:
    steps = list(struct.iter_unpack("<HBBI", syscalls.program(machine)))
    for place, (code, if_true, if_false, _) in enumerate(steps):
        if code in (0x15, 0x45):
            assert place + 1 + max(if_true, if_false) < len(steps)
    assert steps[-1][0] == 0x06


@pytest.mark.parametrize(
    "name", ["socket", "connect", "execve", "fork", "ptrace", "kill", "open", "process_vm_readv", "setuid", "prctl"]
)
def test_what_a_running_guest_does_not_need_is_not_allowed(name: str) -> None:
    assert name not in syscalls.NUMBERS["x86_64"]
