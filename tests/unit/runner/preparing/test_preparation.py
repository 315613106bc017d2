"""Prepare: from a component to signed native code."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
import wasmtime

from alga_ext.calls.messages import PreparedMessage, PrepareMessage, decode_message
from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.trust.policy import Revocation, TrustedKey
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, statement
from functions.runner.preparing import compile_worker
from functions.runner.provenance import accepted_code
from functions.runner.sandboxes.interpreter import interpreter
from tests.support import wat
from tests.support.confined_programs import with_script
from tests.support.memory_store import MemoryObjectStore
from tests.support.runner_fixture import RunnerFixture

GOOD = wat.guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 0))", imports=["storage.get"])
COMPONENT = hashlib.sha256(GOOD).hexdigest()


class Raced(MemoryObjectStore):
    """A store where another worker finishes just before our first write."""

    def __init__(self, inner: MemoryObjectStore, others: dict[str, bytes]) -> None:
        self.objects, self._others = inner.objects, others

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        self.objects.update(self._others)
        return super().put_new(key, data, content_type)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path / "artifacts")
    yield made
    made.close()


def test_a_good_component_becomes_a_signed_artifact(house: RunnerFixture) -> None:
    result = house.prepared(GOOD)
    assert result.artifact is not None
    component, places = COMPONENT, house.places(COMPONENT)
    record, code = house.store.objects[places.record], house.store.objects[places.code]
    at = house.prepare._now()
    assert accepted_code(record, component, house.engine, house.trust, at) == hashlib.sha256(code).hexdigest()


def test_the_result_says_what_the_component_imports_and_exports(house: RunnerFixture) -> None:
    result = house.prepared(GOOD)
    assert (result.ok, result.imports, result.exports) == (
        True,
        ["alga:extension/storage", "alga:extension/types"],
        ["handler"],
    )


def test_the_result_is_sent(house: RunnerFixture) -> None:
    result = house.prepared(GOOD)
    assert [decode_message(body) for body in house.outbox.sent] == [result]


def test_a_version_without_a_server_part_is_passed_on(house: RunnerFixture) -> None:
    message = PrepareMessage(version_id="v", content_hash="sha256:" + "0" * 64)
    assert house.prepare.handle(message) == PreparedMessage(version_id="v", content_hash="sha256:" + "0" * 64, ok=True)


def test_the_same_component_again_is_described_and_not_made_again(house: RunnerFixture) -> None:
    first = house.prepared(GOOD)
    stored = dict(house.store.objects)
    second = house.prepared(GOOD)
    assert (second.artifact, second.imports, house.store.objects) == (first.artifact, first.imports, stored)


def test_an_attempt_that_stopped_before_its_record_is_finished(house: RunnerFixture) -> None:
    first = house.prepared(GOOD)
    places = house.places(COMPONENT)
    del house.store.objects[places.record]
    assert (house.prepared(GOOD).artifact, places.record in house.store.objects) == (first.artifact, True)


def test_code_that_is_gone_is_made_again(house: RunnerFixture) -> None:
    first = house.prepared(GOOD)
    places = house.places(COMPONENT)
    del house.store.objects[places.code]
    assert (house.prepared(GOOD).artifact, places.code in house.store.objects) == (first.artifact, True)


def test_another_key_vouches_for_an_artifact_whose_key_was_revoked(house: RunnerFixture) -> None:
    first = house.prepared(GOOD)
    revoked, new = house.artifact_key, LocalSigner.generate()
    house.trust = house.trust.extended(
        [TrustedKey(key_id=new.key_id, public_key=new.public_pem, use="artifact")],
        [Revocation(key_id=revoked.key_id, revoked_from=datetime(2020, 1, 1, tzinfo=UTC))],
    )
    house.prepare._signer = new

    assert house.prepared(GOOD).artifact == first.artifact

    record = house.store.objects[object_keys.artifact_record(COMPONENT, house.engine, new.key_id)]
    at = house.prepare._now()
    assert first.artifact is not None
    assert accepted_code(record, COMPONENT, house.engine, house.trust, at) == first.artifact.sha256


def test_a_key_that_is_revoked_does_not_sign_on_in_silence(house: RunnerFixture) -> None:
    house.prepared(GOOD)
    revocation = Revocation(key_id=house.artifact_key.key_id, revoked_from=datetime(2020, 1, 1, tzinfo=UTC))
    house.trust = house.trust.extended([], [revocation])
    with pytest.raises(PlatformError, match="artifact_integrity"):
        house.prepared(GOOD)


def test_of_two_workers_that_compile_differently_the_first_record_counts(house: RunnerFixture) -> None:
    rival = b"code of another worker"
    sha256 = hashlib.sha256(rival).hexdigest()
    place = object_keys.code(COMPONENT, house.engine, sha256)
    made = ArtifactRecord(
        component_sha256=COMPONENT, wasmtime_version=house.engine.wasmtime_version,
        engine_config_hash=house.engine.config_hash, target=house.engine.target,
    )  # fmt: skip
    record = sign_envelope(house.artifact_key, statement(made, place, sha256))
    record_key = object_keys.artifact_record(COMPONENT, house.engine, house.artifact_key.key_id)
    house.prepare._store = Raced(house.store, {place: rival, record_key: record})

    artifact = house.prepared(GOOD).artifact

    assert artifact is not None
    assert (artifact.sha256, artifact.key) == (sha256, place)


def test_an_artifact_whose_bytes_changed_is_not_vouched_for(house: RunnerFixture) -> None:
    house.prepared(GOOD)
    places = house.places(COMPONENT)
    house.store.objects[places.code] += b"x"
    with pytest.raises(PlatformError, match="artifact_integrity"):
        house.prepared(GOOD)


def test_a_component_that_is_not_the_one_it_is_named_by_is_refused(house: RunnerFixture) -> None:
    house.store.objects[object_keys.component("0" * 64)] = GOOD
    message = PrepareMessage(version_id="v", content_hash="sha256:" + "0" * 64, component_sha256="0" * 64)
    with pytest.raises(PlatformError, match="artifact_integrity"):
        house.prepare.handle(message)


@pytest.mark.parametrize("binary", [b"not wasm", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\xff\xff\xff"])
def test_what_is_no_component_is_rejected_with_a_reason(house: RunnerFixture, binary: bytes) -> None:
    result = house.prepared(binary)
    assert (result.ok, result.artifact, result.reasons[0].code) in (
        (False, None, "component_invalid"),
        (False, None, "component_world_mismatch"),
    )


def test_a_component_of_another_world_is_rejected_with_each_difference(house: RunnerFixture) -> None:
    text = '(component (import "acme:db/sql@1.0.0" (instance (export "query" (func)))))'
    result = house.prepared(bytes(wasmtime.wat2wasm(text)))
    details = " ".join(reason.detail for reason in result.reasons)
    assert ({r.code for r in result.reasons}, "acme:db/sql@1.0.0" in details, "'handler'" in details) == (
        {"component_world_mismatch"},
        True,
        True,
    )


def test_a_component_that_traps_while_starting_is_rejected(house: RunnerFixture) -> None:
    guest = wat.guest("(unreachable)", extra="(start $boot) (func $boot (unreachable))")
    assert house.prepared(guest).reasons[0].code == "component_invalid"


def test_a_component_larger_than_allowed_is_rejected_unread(tmp_path: Path) -> None:
    house = RunnerFixture(tmp_path / "artifacts")
    house.prepare._max_component_bytes = 100
    result = house.prepared(GOOD)
    house.close()
    assert "at most 100" in result.reasons[0].detail


def test_a_component_whose_program_is_larger_than_allowed_is_rejected_with_limit_and_size(house: RunnerFixture) -> None:
    house.prepare._max_code_bytes = 100

    result = house.prepared(GOOD)

    assert (result.ok, result.artifact, result.reasons[0].code) == (False, None, "component_invalid")
    assert re.search(r"has \d{4,} bytes; at most 100 are allowed", result.reasons[0].detail)
    assert [key for key in house.store.objects if key.startswith("cwasm/")] == []


def test_a_program_exactly_at_the_limit_is_stored(house: RunnerFixture) -> None:
    first = house.prepared(GOOD).artifact
    assert first is not None
    house.store.objects = {key: data for key, data in house.store.objects.items() if not key.startswith("cwasm/")}
    house.prepare._max_code_bytes = first.size_bytes

    assert house.prepared(GOOD).ok
    house.store.objects = {key: data for key, data in house.store.objects.items() if not key.startswith("cwasm/")}
    house.prepare._max_code_bytes = first.size_bytes - 1
    assert not house.prepared(GOOD).ok


def test_a_compilation_that_takes_too_long_is_given_up(house: RunnerFixture) -> None:
    house.prepare._compiler._timeout_s = 0
    assert "within 0 seconds" in house.prepared(GOOD).reasons[0].detail


def test_a_compilation_that_needs_too_much_memory_is_given_up(house: RunnerFixture) -> None:
    house.prepare._compiler._memory_bytes = 16 << 20
    assert "limits of memory and time" in house.prepared(GOOD).reasons[0].detail


def test_a_worker_that_says_much_is_heard(house: RunnerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a pipe holds, while nobody reads yet."""
    monkeypatch.setattr(
        compile_worker,
        "interpreter",
        _in_place_of_the_worker("""
compiler._compile = lambda *_: {"reasons": [], "imports": ["x" * 150] * 1_000, "exports": []}
compiler.main()
"""),
    )
    assert len(house.prepared(GOOD).imports) == 500


def test_a_component_that_is_gone_leaves_no_descriptor(house: RunnerFixture, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            house.prepare._compiler.compile(tmp_path / "gone.wasm", tmp_path / "code.cwasm")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


_SPY: Final = r"""
canary, parent = re.compile(b"canary" + b"-[0-9a-f]{32}"), os.getppid()
memory, maps = open("/proc/self/mem", "rb", 0), open("/proc/self/maps", "rb", 0)

def attempt(work):
    try:
        return "done: " + repr(work())[:60]
    except BaseException as error:
        return type(error).__name__

def scan():
    found = 0
    for line in maps.read().splitlines():
        span, rights = line.split()[:2]
        if rights[:1] == b"r" and b"[v" not in line:
            start, end = (int(part, 16) for part in span.split(b"-"))
            try:
                memory.seek(start)
                found += len(canary.findall(memory.read(end - start)))
            except (OSError, OverflowError, ValueError):
                pass
    return found

def look(source, target):
    status = dict(line.split(":", 1) for line in STATUS.read().splitlines())
    seen = {
        "canaries": scan(), "environment": len(os.environ),
        "NoNewPrivs": status["NoNewPrivs"].strip(), "Seccomp": status["Seccomp"].strip(),
        "CapEff": int(status["CapEff"], 16),
        "descriptors": sum(attempt(lambda: fcntl.fcntl(d, 1)).startswith("done") for d in range(3, 1024)) - 3,
        "environ": attempt(lambda: open(f"/proc/{parent}/environ", "rb").read()),
        "file": attempt(lambda: open("/etc/passwd").read()),
        "write": attempt(lambda: open("/tmp/written-by-a-compiler", "w")),
        "socket": attempt(lambda: socket.socket()),
        "process": attempt(os.fork),
        "kill": attempt(lambda: os.kill(parent, 0)),
        **{line[:25].strip(): line[25:].split()[:2] for line in LIMITS.read().splitlines()},
    }
    return {"reasons": [], "imports": [], "exports": [f"{name}={value}" for name, value in seen.items()]}

STATUS, LIMITS = open("/proc/self/status"), open("/proc/self/limits")
compiler._compile = look
compiler.main()
"""


@pytest.fixture(scope="module")
def seen_by_the_worker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a worker sees, started as the real one is by a function that holds a canary."""
    house = RunnerFixture(tmp_path_factory.mktemp("artifacts"))
    canary = f"canary-{os.urandom(16).hex()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", canary)
        patch.setattr(compile_worker, "interpreter", _in_place_of_the_worker(_SPY))
        exports = house.prepared(GOOD).exports
    house.close()
    return dict(name.split("=", 1) for name in exports)


def _in_place_of_the_worker(script: str) -> Callable[..., list[str]]:
    """Return a stand-in for ``process.interpreter`` that runs ``script`` as the compile worker."""
    opening = (
        "import sys; sys.path[:0] = sys.argv[1:-6]\n"
        "import fcntl, os, re, socket\nfrom functions.runner.sandbox.compiler import main as compiler\n"
    )

    def command(module: str, *arguments: str) -> list[str]:
        start = interpreter(module, *arguments)
        return with_script(start, opening + script)

    return command


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("canaries", "0"), ("environment", "0"), ("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", "0"),
        ("environ", "PermissionError"), ("file", "PermissionError"), ("write", "PermissionError"),
        ("socket", "PermissionError"), ("process", "PermissionError"), ("kill", "PermissionError"),
        ("descriptors", "4"), ("Max file size", str([str(1 << 30)] * 2)), ("Max core file size", "['0', '0']"),
        ("Max open files", "['64', '64']"), ("Max address space", str([str(64 << 30)] * 2)),
        ("Max data size", str([str(3_072 << 20)] * 2)), ("Max locked memory", "['0', '0']"),
    ],
)  # fmt: skip
def test_the_compile_worker_has_no_credentials_and_reaches_nothing(
    seen_by_the_worker: dict[str, str], what: str, expected: str
) -> None:
    assert seen_by_the_worker[what] == expected


@pytest.mark.parametrize("layout", ["own instance first", "imports first"])
def test_a_component_cannot_bring_an_adapter_of_its_own(house: RunnerFixture, layout: wat.Layout) -> None:
    """It would be called in place of ``handler``, with types nobody checked, and read the sandbox by them."""
    text = wat.text("(unreachable)", [], [], 2, None, "", "", layout)
    end = '  (export "handler" (func $handler))\n'
    assert end in text
    source = bytes(wasmtime.wat2wasm(text.replace(end, end + end.replace('handler"', 'handler-packed"'))))

    result = house.prepared(source)

    if result.ok:  # the platform's own adapter is around it, and hides what it brings
        assert "handler-packed" not in result.exports
    else:
        assert {reason.code for reason in result.reasons} == {"component_world_mismatch"}
        assert "handler-packed" in result.reasons[0].detail
    assert result.ok == (layout == "imports first")
