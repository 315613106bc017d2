"""What the runner holds is nowhere in its sandbox: not in memory, not in ``/proc``, not behind a system call.

A child is started exactly as the real ones are, from a runner that holds canaries; where the real child would serve a
call it looks around instead, and tells what it found.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from alga_ext.confinement.confine import make_undumpable
from functions.runner.sandbox.protocol.messages import Failed
from functions.runner.sandboxes import child_process, process_start
from functions.runner.sandboxes.interpreter import interpreter
from tests.security.attacks import GREETING
from tests.security.guests import wat_snippets
from tests.security.world import World
from tests.support.confined_programs import with_script
from tests.support.runner_fixture import call

OWN: Final = "canary-" + "0" * 32
STEPS: Final = ["landlock", "no_capabilities", "no_new_privileges", "not_dumpable", "resource_limits", "seccomp"]

_SPY: Final = r"""
import sys; sys.path[:0] = sys.argv[1:-1]
import ctypes, fcntl, json, os, re, socket, subprocess, _posixsubprocess
from functions.runner.sandbox.child import guest, main as child
from functions.runner.sandbox.protocol.messages import Failed, Figures
MEMORY, MAPS = open("/proc/self/mem", "rb", 0), open("/proc/self/maps", "rb", 0)
OWN = "canary" + "-" + "0" * 32  # what the scan must find, so that finding nothing else means something
PARENT, SELF, LIBC = os.getppid(), os.getpid(), ctypes.CDLL(None, use_errno=True)

def attempt(work):
    try:
        return "done: " + repr(work())[:60]
    except BaseException as error:
        return type(error).__name__

def raw(name, *arguments):
    numbers = {"ptrace": 101, "process_vm_readv": 310, "kill": 62, "socket": 41, "execve": 59, "fork": 57,
               "unshare": 272, "mount": 165, "bpf": 321, "io_uring_setup": 425, "userfaultfd": 323, "prctl": 157,
               "tgkill": 234}
    def work():
        answer = LIBC.syscall(ctypes.c_long(numbers[name]), *(ctypes.c_long(a) for a in arguments))
        if answer < 0:
            raise OSError(ctypes.get_errno(), name)
        return answer
    return work

def scan():
    pattern = re.compile(b"canary" + b"-[0-9a-f]{32}")
    found, MAPS_TEXT = set(), MAPS.read()
    for line in MAPS_TEXT.splitlines():
        span, rights = line.split()[:2]
        if rights[:1] != b"r" or b"[v" in line:
            continue
        start, end = (int(part, 16) for part in span.split(b"-"))
        place = start
        while place < end:
            try:
                MEMORY.seek(place)
                data = MEMORY.read(min(1 << 22, end - place))
            except (OSError, OverflowError, ValueError):
                break
            if not data:
                break
            found.update(match.decode() for match in pattern.findall(data))
            place += len(data)
    return sorted(found)

def serve(self, message):
    self._program(message.artifact)  # as the real one does before the guest runs: it loads, then seals the process
    below = [d for d in range(3, 1024) if attempt(lambda: fcntl.fcntl(d, fcntl.F_GETFD)).startswith("done")]
    report = {
        "canaries": scan(),
        "environment": dict(os.environ),
        "descriptors": len(below),
        "environ": attempt(lambda: open(f"/proc/{PARENT}/environ", "rb").read()),
        "cmdline": attempt(lambda: open(f"/proc/{PARENT}/cmdline", "rb").read()),
        "maps": attempt(lambda: open(f"/proc/{PARENT}/maps", "rb").read()),
        "mem": attempt(lambda: open(f"/proc/{PARENT}/mem", "rb")),
        "fd": attempt(lambda: os.listdir(f"/proc/{PARENT}/fd")),
        "own environ": attempt(lambda: open("/proc/self/environ", "rb").read()),
        "passwd": attempt(lambda: open("/etc/passwd").read()),
        "source": attempt(lambda: open(guest.__file__).read()),
        "write": attempt(lambda: open("/tmp/written-by-a-sandbox", "w")),
        "artifacts": attempt(lambda: open(message.artifact.path, "ab")),
        "listing": attempt(lambda: os.listdir("/")),
        "artifact": attempt(lambda: open(message.artifact.path, "rb")),
        "existence": attempt(lambda: os.stat("/etc/passwd")),
        "existence of a process": attempt(lambda: os.stat(f"/proc/{PARENT}")),
        "existence of the artifact": attempt(lambda: os.stat(message.artifact.path)),
        "socket": attempt(lambda: socket.socket()),
        "unix socket": attempt(lambda: socket.socket(socket.AF_UNIX)),
        "raw socket": attempt(raw("socket", 2, 1, 0)),
        "fork": attempt(os.fork),
        "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
        "process": attempt(lambda: subprocess.run(["/bin/true"])),
        "kill": attempt(lambda: os.kill(PARENT, 0)),
        "kill of a thread": attempt(raw("tgkill", PARENT, PARENT, 0)),
        "ptrace": attempt(raw("ptrace", 16, PARENT, 0, 0)),
        "process_vm_readv": attempt(raw("process_vm_readv", PARENT, 0, 0, 0, 0, 0)),
        "unshare": attempt(raw("unshare", 0x10000000)),
        "mount": attempt(raw("mount", 0, 0, 0, 0, 0)),
        "bpf": attempt(raw("bpf", 0, 0, 0)),
        "io_uring": attempt(raw("io_uring_setup", 1, 0)),
        "userfaultfd": attempt(raw("userfaultfd", 0)),
        "being dumpable again": attempt(raw("prctl", 4, 1, 0, 0, 0)),
        "more descriptors": attempt(lambda: __import__("resource").setrlimit(7, (4096, 4096))),
        "another user": attempt(lambda: os.setuid(65534)),
    }
    self._channel.send(Failed("guest_trapped", json.dumps(report), Figures()))

guest.Sandbox.serve = serve
child.main()
"""
FORBIDDEN: Final = (
    "environ", "cmdline", "maps", "mem", "fd", "own environ", "passwd", "source", "write", "artifacts", "listing",
    "artifact", "existence", "existence of a process", "existence of the artifact",
    "socket", "unix socket", "raw socket", "fork", "exec", "process", "kill", "kill of a thread", "ptrace",
    "process_vm_readv", "unshare", "mount", "bpf", "io_uring", "userfaultfd", "being dumpable again",
    "more descriptors", "another user",
)  # fmt: skip


def replaced(script: str) -> Any:
    """Return a stand-in for ``process.interpreter`` that runs ``script`` in the child's place."""

    def command(_module: str, *arguments: str) -> list[str]:
        start = interpreter("child.main", *arguments)
        return with_script(start, script)

    return command


@pytest.fixture(scope="module")
def report(world: World) -> Iterator[dict[str, Any]]:
    """What the spy found; the parent's words of a failure are cut, so it is heard directly."""
    world.house.pool.close()
    make_undumpable()
    yield _asked(world)
    world.house.pool.close()


def _asked(world: World) -> dict[str, Any]:
    canary = f"canary-{os.urandom(16).hex()}"
    greeting = world.published(GREETING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", canary)
        patch.setenv("DATABASE_URL", f"postgresql://fn_runner:{canary}@db/app")
        patch.setattr(process_start, "interpreter", replaced(_SPY))
        held = {"password": canary, "key": canary.encode()}
        stories: list[str] = []
        real = child_process.Child.run

        def run(self: Any, message: Any, host: Any) -> Any:
            found = real(self, message, host)
            assert isinstance(found, Failed)
            stories.append(found.message)
            return found

        patch.setattr(child_process.Child, "run", run)
        world.house.execute(call(greeting, timeout_ms=8_000))
        world.house.pool.close()
        assert held["password"] == canary
    document: dict[str, Any] = json.loads(stories[0])
    return document


def test_no_canary_of_the_parent_is_in_the_childs_memory(report: dict[str, Any]) -> None:
    assert report["canaries"] == [OWN]


def test_the_child_holds_its_channel_its_program_and_nothing_else_of_the_parents(report: dict[str, Any]) -> None:
    own_figures, of_the_spy = 4, 2  # files of its own folder in /proc, opened before it was confined
    program = 1
    assert report["descriptors"] == 1 + own_figures + of_the_spy + program


def test_the_childs_environment_is_empty(report: dict[str, Any]) -> None:
    assert report["environment"] == {}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_child_cannot(report: dict[str, Any], what: str) -> None:
    assert report[what] in ("PermissionError", "OSError", "BlockingIOError", "ValueError")


def test_the_child_wrote_no_file(report: dict[str, Any]) -> None:
    assert not Path("/tmp/written-by-a-sandbox").exists()


@pytest.fixture(scope="module")
def sandbox(world: World) -> int:
    """Process id of a real child that has served a call."""
    world.house.execute(call(world.published(GREETING)))
    return world.house.pool.process_ids()[0]


def status_of(process_id: int, name: str) -> str:
    match = re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{process_id}/status").read_text(), re.MULTILINE)
    assert match is not None
    return match[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", "0" * 16), ("CapPrm", "0" * 16), ("CapBnd", "0" * 16)],
)
def test_the_kernel_says_the_child_is_confined(sandbox: int, name: str, value: str) -> None:
    if name == "CapBnd" and os.geteuid() != 0:
        pytest.skip("only root has capabilities to drop")
    assert status_of(sandbox, name) == value


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("Max data size", 512 << 20),
        ("Max address space", 64 << 30),
        ("Max file size", 0),
        ("Max open files", 64),
        ("Max core file size", 0),
        ("Max locked memory", 0),
        ("Max msgqueue size", 0),
    ],
)
def test_the_kernel_says_the_child_is_limited(sandbox: int, limit: str, value: int) -> None:
    limits = Path(f"/proc/{sandbox}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith(limit))
    assert line.removeprefix(limit).split()[:2] == [str(value)] * 2


@pytest.fixture
def spare(world: World, sandbox: int) -> int:
    """Process id of the spare, as soon as it has confined itself; nothing waits for that before it is needed."""
    world.house.pool.ensure_spare()
    active, spare = world.house.pool.process_ids()
    assert active == sandbox
    until = time.monotonic() + 10
    while status_of(spare, "Seccomp") == "0" and time.monotonic() < until:
        time.sleep(0.01)
    return spare


@pytest.mark.parametrize(
    ("name", "value"), [("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", "0" * 16), ("CapPrm", "0" * 16)]
)
def test_the_spare_is_confined_before_it_is_needed(spare: int, name: str, value: str) -> None:
    assert status_of(spare, name) == value


def test_healthz_names_what_confines_the_child(world: World) -> None:
    document = world.house.health()[1]
    assert sorted(document["checks"]["sandbox"]["confined_by"]) == STEPS


def test_healthz_names_what_could_not_be_applied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    without = r"""
import sys; sys.path[:0] = sys.argv[1:-1]
from functions.runner.sandbox.child import main as child
from alga_ext.confinement import landlock
def restrict(*_): raise OSError(38, "Function not implemented")
landlock.restrict = restrict
child.main()
"""
    monkeypatch.setattr(process_start, "interpreter", replaced(without))
    world.house.pool.close()
    document = world.house.health()[1]
    world.house.pool.close()
    assert document["checks"]["sandbox"]["not_applied"] == ["landlock: [Errno 38] Function not implemented"]


def test_a_secret_the_parent_put_into_a_request_never_reaches_the_child(world: World) -> None:
    canary = f"canary-{os.urandom(16).hex()}"
    request = call(world.published(wat_snippets.fetcher()), headers={"authorization": "Bearer {{secret:token}}"})
    wat_snippets.give_body(request, f"{world.granted()}/x")
    request.grants.egress = [world.granted()]
    request.grants.secrets = {"token": [world.granted()]}
    request.secret_envelope = [world.secret("token", canary)]
    world.house.execute(request)
    assert canary.encode() not in _memory_of(world.house.pool.process_ids()[0])


def _memory_of(process_id: int) -> bytes:
    """Return a child's readable memory, as far as this process may see it; only root may, the child is undumpable."""
    if os.geteuid() != 0:
        pytest.skip("only root may read an undumpable process")
    found = bytearray()
    with Path(f"/proc/{process_id}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{process_id}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            memory.seek(start)
            found += memory.read(end - start)
    return bytes(found)
