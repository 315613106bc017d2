"""One guest call in the child, here without confinement: the test plays the parent, the child is a thread."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from wasmtime import wat2wasm
from wasmtime.component import Component

from functions.runner.sandbox.child import local_imports
from functions.runner.sandbox.child.guest import Sandbox
from functions.runner.sandbox.child.measure import Meter
from functions.runner.sandbox.compiler.packing import pack
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.channel import Channel, Closed
from functions.runner.sandbox.protocol.messages import (
    FROM_CHILD,
    TO_CHILD,
    Done,
    Failed,
    GuestRequest,
    GuestUser,
    HostAnswer,
    HostCall,
    LogLine,
    Metric,
    Program,
    Run,
    RunLimits,
    Unfinished,
    Warm,
)
from functions.runner.sandbox.protocol.refusals import REFUSALS
from tests.security.guests.answers import repeating
from tests.support import wat

MIB = 1 << 20
ECHO = "(call $respond (i32.const 200) (call $body (local.get $request)))"
NO_CONTENT = "(call $respond (i32.const 204) (i32.const 0) (i32.const 0))"
EVERYTHING = sorted({refusal.capability for refusal in REFUSALS.values()})
USER = GuestUser("acme", "Client", "user-1", "ann@example.com", "Ann", "client", "c1", [("team", "red")])
ASKS = "(call $secrets.list-keys (i32.const 256))"

LOCAL_CALLS = {
    "context.get-context": "(call $context.get-context (i32.const 256))",
    "config.get": "(call $config.get (i32.const 0) (i32.const 1) (i32.const 256))",
    "config.list-keys": "(call $config.list-keys (i32.const 256))",
    "user.get-user": "(call $user.get-user (i32.const 256))",
    "user-v2.get-user": "(call $user-v2.get-user (i32.const 256))",
    "logging.log-warn": "(call $logging.log-warn (i32.const 0) (i32.const 1))",
    "metrics.emit": """(call $metrics.emit (i32.const 0) (i32.const 1) (f64.const 2) (i32.const 0) (i32.const 1)
        (i32.const 0) (i32.const 0))""",
}


class Exchange(NamedTuple):
    """All that the child sent for one message."""

    end: Done | Failed
    lines: list[LogLine]
    metrics: list[Metric]
    asked: list[str]


class Parent:
    """The parent's side of a sandbox.

    Args:
        folder: for compiled programs.
    """

    def __init__(self, folder: Path) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours.detach())
        self._folder = folder
        self._engine = abi.make_engine()
        self._childs_end = Channel(theirs.detach())
        self._meter = Meter()
        self.seals = 0
        self.renew()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def renew(self) -> None:
        """Put a sandbox that has loaded no program in the place of the one before."""
        self.sandbox = Sandbox(self._engine, self._childs_end, self._meter, self._seal)

    def _seal(self) -> None:
        self.seals += 1

    def close(self) -> None:
        self._channel.close()
        self._thread.join()

    def program(self, wasm: bytes) -> Program:
        """Compile a component as it is."""
        code = Component(self._engine, wasm).serialize()
        path = self._folder / f"{len(list(self._folder.iterdir()))}.cwasm"
        path.write_bytes(code)
        return Program(path.name, str(path), len(code))

    def run(
        self,
        wasm: bytes,
        *,
        answer: Callable[[HostCall], Any] = lambda _call: HostAnswer(),
        providers: list[str] = EVERYTHING,
        body: bytes | None = None,
        user: GuestUser | None = USER,
        **limits: int,
    ) -> Exchange:
        """Run a guest in a sandbox of its own."""
        self.renew()
        return self.send(
            Run(
                self.program(pack(wasm) or wasm),
                ("acme", "request-1", "install-1", None, None),
                GuestRequest("POST", "/", [], body),
                providers,
                {"a": "1"},
                user,
                limits_of(**limits),
            ),
            answer,
        )

    def warm(self, wasm: bytes) -> Exchange:
        """Warm a program in a sandbox of its own."""
        self.renew()
        return self.send(Warm(self.program(wasm), limits_of()))

    def send(self, message: Run | Warm, answer: Callable[[HostCall], Any] = lambda _call: HostAnswer()) -> Exchange:
        self._channel.send(message)
        lines, metrics, asked = list[LogLine](), list[Metric](), list[str]()
        while True:
            match heard := FROM_CHILD.decode(self._channel.receive()):
                case HostCall():
                    asked.append(heard.name)
                    self._channel.send(answer(heard))
                case LogLine():
                    lines.append(heard)
                case Metric():
                    metrics.append(heard)
                case Done() | Failed():
                    return Exchange(heard, lines, metrics, asked)

    def _serve(self) -> None:
        try:
            while True:
                message = TO_CHILD.decode(self._childs_end.receive())
                assert isinstance(message, Run | Warm)
                self.sandbox.serve(message)
        except Closed:
            self._childs_end.close()


def limits_of(
    *, timeout_ms: int = 5_000, memory_bytes: int = 64 * MIB, fuel: int = 1 << 40, response_bytes: int = 4 * MIB
) -> RunLimits:
    return RunLimits(time.monotonic_ns() + timeout_ms * 1_000_000, memory_bytes, fuel, response_bytes)


def code_of(exchange: Exchange) -> str:
    assert isinstance(exchange.end, Failed)
    return exchange.end.code


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parent]:
    made = Parent(tmp_path_factory.mktemp("programs"))
    yield made
    made.close()


@pytest.mark.parametrize("layout", ["imports first", "own instance first"])  # with the adapter for bodies, and without
@pytest.mark.parametrize("body", [None, b"", b"hello", bytes(range(256)) * 300])
def test_the_answer_of_a_guest_is_sent(parent: Parent, layout: wat.Layout, body: bytes | None) -> None:
    end = parent.run(wat.guest(ECHO, layout=layout), body=body).end

    assert isinstance(end, Done)
    assert (end.status, end.headers, end.body) == (200, [], body or b"")


@pytest.mark.parametrize("name", LOCAL_CALLS)
def test_what_needs_no_authority_is_answered_without_the_parent(parent: Parent, name: str) -> None:
    exchange = parent.run(wat.guest(LOCAL_CALLS[name] + NO_CONTENT, imports=[name]))

    assert (exchange.end.figures.host_calls, exchange.asked) == ({name: 1}, [])


def test_without_a_capability_the_parent_is_not_asked(parent: Parent) -> None:
    exchange = parent.run(wat.guest(ASKS + NO_CONTENT, imports=["secrets.list-keys"]), providers=[])

    assert (type(exchange.end), exchange.asked) == (Done, [])


def test_an_import_that_has_no_refusal_ends_a_guest_without_its_capability(parent: Parent) -> None:
    name = "context.get-context"

    assert code_of(parent.run(wat.guest(LOCAL_CALLS[name] + NO_CONTENT, imports=[name]), providers=[])) == (
        "guest_trapped"
    )


def test_the_answer_of_the_parent_reaches_the_guest(parent: Parent) -> None:
    status_is_the_count = "(call $respond (i32.load (i32.const 260)) (i32.const 0) (i32.const 0))"

    end = parent.run(
        wat.guest(ASKS + status_is_the_count, imports=["secrets.list-keys"]),
        answer=lambda _call: HostAnswer(["KEY"] * 207),
    ).end

    assert isinstance(end, Done)
    assert end.status == 207


def test_the_parent_can_end_a_guest_that_asks(parent: Parent) -> None:
    exchange = parent.run(
        wat.guest(ASKS + NO_CONTENT, imports=["secrets.list-keys"]), answer=lambda _call: HostAnswer(trap="enough")
    )

    assert code_of(exchange) == "guest_trapped"


def test_an_answer_that_comes_after_the_deadline_ends_the_guest(parent: Parent) -> None:
    def late(_call: HostCall) -> HostAnswer:
        time.sleep(0.4)
        return HostAnswer([])

    exchange = parent.run(wat.guest(ASKS + NO_CONTENT, imports=["secrets.list-keys"]), answer=late, timeout_ms=200)

    assert code_of(exchange) == "guest_timeout"


@pytest.mark.parametrize(
    "answer",
    [HostAnswer(5), Warm(Program("k", "p", 1), RunLimits(1, 1, 1, 1))],
    ids=["another type", "another message"],
)
def test_an_answer_that_does_not_fit_ends_the_guest_and_is_logged(parent: Parent, answer: HostAnswer | Warm) -> None:
    exchange = parent.run(wat.guest(ASKS + NO_CONTENT, imports=["secrets.list-keys"]), answer=lambda _call: answer)

    assert (code_of(exchange), [line.source for line in exchange.lines]) == ("guest_trapped", ["sandbox"])


def test_arguments_too_large_for_a_frame_end_the_guest(parent: Parent) -> None:
    asks = "(call $secrets.get (i32.const 0) (i32.const 9000000) (i32.const 256))"

    exchange = parent.run(wat.guest(asks + NO_CONTENT, imports=["secrets.get"], pages=150))

    assert (code_of(exchange), exchange.asked) == ("guest_trapped", [])


def test_only_so_many_metrics_of_a_call_are_sent(parent: Parent) -> None:
    emits = f"""(local $round i32)
      (loop $again {LOCAL_CALLS["metrics.emit"]}
        (br_if $again (i32.lt_u (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const 200))))"""

    exchange = parent.run(wat.guest(emits + NO_CONTENT, imports=["metrics.emit"]))

    assert len(exchange.metrics) == local_imports.METRICS_LIMIT


def test_a_metric_that_is_no_number_is_not_sent(parent: Parent) -> None:
    emits = LOCAL_CALLS["metrics.emit"].replace("f64.const 2", "f64.const nan")

    assert parent.run(wat.guest(emits + NO_CONTENT, imports=["metrics.emit"])).metrics == []


def test_what_a_guest_writes_to_its_output_is_a_line_though_it_does_not_end_it(parent: Parent) -> None:
    writes = "(call $wasi.write (call $wasi.stdout) (i32.const 0) (i32.const 2) (i32.const 256))"

    exchange = parent.run(wat.guest(writes + NO_CONTENT, wasi=["streams"], data='(data (i32.const 0) "hi")'))

    assert exchange.lines == [Unfinished("info", "stdout", "hi"), LogLine("info", "stdout", "hi")]


@pytest.mark.parametrize(
    ("code", "limits", "expected"),
    [
        ("(unreachable)", {}, "guest_trapped"),
        ("(loop $spin (br $spin)) (unreachable)", {"timeout_ms": 100}, "guest_timeout"),
        ("(loop $spin (br $spin)) (unreachable)", {"fuel": 100_000}, "guest_out_of_fuel"),
        (ECHO, {"response_bytes": 3}, "response_too_large"),
    ],
)
def test_a_guest_beyond_a_limit_has_failed(parent: Parent, code: str, limits: dict[str, Any], expected: str) -> None:
    assert code_of(parent.run(wat.guest(code), body=b"four", **limits)) == expected


def test_a_guest_that_begins_with_more_memory_than_allowed_is_out_of_it(parent: Parent) -> None:
    assert code_of(parent.run(wat.guest(NO_CONTENT, pages=150), memory_bytes=2 * MIB)) == "guest_out_of_memory"


def test_headers_that_no_frame_carries_are_too_large(parent: Parent) -> None:
    assert code_of(parent.run(repeating(10_000, 3, 1_000))) == "response_too_large"


def test_to_warm_a_program_does_not_call_it(parent: Parent) -> None:
    end = parent.warm(wat.guest("(unreachable)")).end

    assert isinstance(end, Done)
    assert end.status == 204


def test_a_program_without_a_handler_is_refused(parent: Parent) -> None:
    assert code_of(parent.warm(bytes(wat2wasm("(component)")))) == "artifact_integrity"


def test_a_file_that_is_no_program_is_refused(parent: Parent, tmp_path: Path) -> None:
    parent.renew()
    (tmp_path / "text").write_text("no program")

    assert code_of(parent.send(Warm(Program("text", str(tmp_path / "text"), 10), limits_of()))) == "artifact_integrity"


def test_nothing_of_a_call_stays_after_it(parent: Parent) -> None:
    parent.run(wat.guest(ECHO), body=b"secret")
    parent.send(Warm(Program("another", "/nowhere", 1), limits_of()))  # the call before has been cleared away by now

    assert not hasattr(parent.sandbox, "run")


def test_memories_that_are_over_the_limit_only_together_end_the_guest(parent: Parent) -> None:
    grow = "".join(f"(drop (memory.grow $m{number} (i32.const 200)))" for number in range(2))
    two = wat.guest(f"{grow} {NO_CONTENT}", extra="(memory $m0 1) (memory $m1 1)")

    assert code_of(parent.run(two, memory_bytes=16 * MIB)) == "guest_out_of_memory"


@pytest.mark.parametrize("name", ["user.get-user", "user-v2.get-user"])
def test_a_call_without_a_user_runs(parent: Parent, name: str) -> None:
    assert isinstance(parent.run(wat.guest(LOCAL_CALLS[name] + NO_CONTENT, imports=[name]), user=None).end, Done)


@pytest.mark.parametrize(("part", "call"), [("sockets", "$wasi.network"), ("outgoing-http", "$wasi.fields")])
def test_a_guest_that_calls_the_network_of_wasi_is_ended(parent: Parent, part: str, call: str) -> None:
    assert code_of(parent.run(wat.guest(f"(drop (call {call})) {NO_CONTENT}", wasi=[part]))) == "guest_trapped"


def test_a_sandbox_is_sealed_once_when_its_program_is_loaded(parent: Parent) -> None:
    parent.renew()
    program, before = parent.program(wat.guest(NO_CONTENT)), parent.seals

    assert [type(parent.send(Warm(program, limits_of())).end) for _ in range(3)] == [Done] * 3
    assert parent.seals == before + 1


def test_a_sandbox_that_cannot_be_sealed_runs_nothing(parent: Parent) -> None:
    def refused() -> None:
        raise OSError(1, "seccomp")

    sandbox = Sandbox(parent._engine, parent._childs_end, parent._meter, refused)
    with pytest.raises(OSError, match="seccomp"):
        sandbox.serve(Warm(parent.program(wat.guest(NO_CONTENT)), limits_of()))


def test_a_sandbox_runs_one_program_only(parent: Parent) -> None:
    parent.renew()
    first, second = parent.program(wat.guest(NO_CONTENT)), parent.program(wat.guest(ECHO))

    ends = [parent.send(Warm(program, limits_of())).end for program in (first, second, first)]
    assert [type(end) for end in ends] == [Done, Failed, Done]
    assert isinstance(ends[1], Failed)
    assert (ends[1].code, ends[1].cause) == ("artifact_integrity", "a sandbox runs one program only")
