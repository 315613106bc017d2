"""The sandbox itself is not trusted: a child that was taken over may send any message."""

import contextlib
import io
import resource
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from alga_ext.calls.envelope import ExecuteGrants, ExecuteResponse, SealedSecret
from functions.runner.sandbox.child import local_imports
from functions.runner.sandboxes import process_start
from functions.runner.sandboxes.interpreter import interpreter
from tests.security.attacks import GREETING
from tests.security.footprint import Footprint, footprint, settled
from tests.security.logbook import Logbook, kept_lines
from tests.security.world import World
from tests.support.confined_programs import with_script
from tests.support.runner_fixture import MIB, body_of, call, code_of

LIMIT_MS: Final = 400
PATIENT_MS: Final = 4_000
"""For conducts that end by themselves, on a machine that is busy."""
GRACE_MS: Final = 5_000

SCRIPT: Final = """
import sys; sys.path[:0] = sys.argv[1:-1]
import os, time, msgspec
from functions.runner.sandbox.protocol.channel import *
from functions.runner.sandbox.protocol.messages import *
channel = Channel(int(sys.argv[-1]))
raw = lambda data: os.write(channel.descriptor, data)
frame = lambda data: os.write(channel.descriptor, len(data).to_bytes(4, "little") + data)
arguments = lambda *values: msgspec.Raw(msgspec.msgpack.encode(values))
def ask(name, *values):
    channel.send(HostCall(name, arguments(*values)))
    return TO_CHILD.decode(channel.receive())
def tell(answer):
    channel.send(Done(200, [], repr((answer.value, answer.trap)).encode(), Figures()))
TO_CHILD.decode(channel.receive())
channel.send(Ready([], []))
while True:
    message = TO_CHILD.decode(channel.receive())
    {conduct}
"""

CONDUCTS: Final[dict[str, tuple[str, str | None]]] = {
    "log lines without end": ('while True: channel.send(LogLine("info", "guest", "x" * 100))', "guest_timeout"),
    "metrics without end": ('while True: channel.send(Metric("m", 1.0, "", []))', "guest_timeout"),
    "host calls without end": ('while True: ask("storage.get", "notes", "own")', "guest_timeout"),
    "host calls without reading the answers": (
        'while True: channel.send(HostCall("storage.get", arguments("notes", "own")))', "guest_timeout",
    ),
    "refusals without end": ('while True: channel.send(Refused("storage.get"))', "guest_timeout"),
    "refusals of what does not exist without end": (
        'while True: channel.send(Refused("system.exec" + "x" * 1000))', "guest_timeout",
    ),
    "a refusal of megabytes": (
        'channel.send(Refused("x" * 4000000))\n    channel.send(Done(200, [], b"", Figures()))', None,
    ),
    "a refusal without a name": ('frame(b"\\x91\\x0a"); time.sleep(60)', "guest_trapped"),
    "silence": ("time.sleep(60)", "guest_timeout"),
    "half a frame": ('raw(b"\\x10\\0\\0\\0half"); time.sleep(60)', "guest_timeout"),
    "a dripping frame": (
        'raw(b"\\xff\\0\\0\\0"); [(raw(b"x"), time.sleep(0.02)) for _ in range(3000)]', "guest_timeout",
    ),
    "a frame of four gigabytes": ('raw(b"\\xff" * 4); time.sleep(60)', "guest_trapped"),
    "garbage": ("raw(bytes(range(64)) * 1000); time.sleep(60)", "guest_trapped"),
    "an empty frame": ('frame(b""); time.sleep(60)', "guest_trapped"),
    "a message that does not exist": ('frame(msgspec.msgpack.encode([99, "x"])); time.sleep(60)', "guest_trapped"),
    "a message for a child": ("channel.send(HostAnswer(1)); time.sleep(60)", "guest_trapped"),
    "readiness again": ("channel.send(Ready([], [])); time.sleep(60)", "guest_trapped"),
    "a million nested lists": ('frame(b"\\x91" * 1000000); time.sleep(60)', "guest_trapped"),
    "nesting inside arguments": (
        'frame(b"\\x93\\x05\\xabstorage.get" + b"\\x91" * 1000000 + b"\\xc0"); time.sleep(60)', "guest_trapped",
    ),
    "a list that claims four billion elements": (
        'frame(b"\\x95\\x08\\xcc\\xc8\\xdd\\xff\\xff\\xff\\xff"); time.sleep(60)', "guest_trapped",
    ),
    "text that is no text": ('frame(b"\\x94\\x06\\xa1\\xff\\xa1x\\xa1x"); time.sleep(60)', "guest_trapped"),
    "a death without a word": ("os._exit(0)", "guest_trapped"),
    "a closed socket": ("channel.close(); time.sleep(60)", "guest_trapped"),
    "an abort": ("os.abort()", "guest_out_of_memory"),
    "a status that is none": ('channel.send(Done(-5, [], b"", Figures()))', "guest_invalid_response"),
    "a split answer": ('channel.send(Done(200, [("x", "a\\r\\nb: c")], b"", Figures()))', "guest_invalid_response"),
    "a body over the limit": ('channel.send(Done(200, [], b"x" * 7000000, Figures()))', "response_too_large"),
    "a failure of somebody else's": ('channel.send(Failed("unauthorized", "x", Figures()))', "guest_trapped"),
    "a failure of the platform's": ('channel.send(Failed("runner_unavailable", "x", Figures()))', "guest_trapped"),
    "a failure that does not exist": ('channel.send(Failed("all_is_well", "x", Figures()))', "guest_trapped"),
    "a failure with a long story": ('channel.send(Failed("guest_trapped", "x" * 5000000, Figures()))', "guest_trapped"),
    "figures below zero": (
        'channel.send(Done(200, [], b"", Figures(-10**15, -5, -5, -5, {"storage.get": -9})))', None,
    ),
    "figures beyond all sense": (
        'channel.send(Done(200, [], b"", Figures(2**63, 2**63, 2**63, 2**63, {"storage.get": 2**63})))', None,
    ),
    "imports that do not exist in its figures": (
        'channel.send(Done(200, [], b"", Figures(host_calls={"evil" + str(i): 1 for i in range(9000)})))', None,
    ),
    "log lines of megabytes": (
        '[channel.send(LogLine("info", "guest", "x" * 4000000)) for _ in range(3)]\n'
        '    channel.send(Done(200, [], b"", Figures()))', None,
    ),
    "more log lines than allowed": (
        '[channel.send(LogLine("info", "guest", "x")) for _ in range(1200)]\n'
        '    channel.send(Done(200, [], b"", Figures()))', None,
    ),
    "a metric of megabytes": (
        'channel.send(Metric("m" * 4000000, 1.0, "u" * 1000, [("k", "v" * 1000)] * 1000))\n'
        '    channel.send(Done(200, [], b"", Figures()))', None,
    ),
    "a metric that is no number": (
        'channel.send(Metric("m", float("nan"), "", []))\n    channel.send(Done(200, [], b"", Figures()))', None,
    ),
}  # fmt: skip
"""What the child does with a call → the code the caller hears."""

ASKED: Final = {
    "an import that does not exist": ('ask("system.exec", "sh")', "(None, 'no such host import')"),
    "an import named after a function of ours": ('ask("__class__", 1)', "(None, 'no such host import')"),
    "a capability that was not granted": ('ask("storage.get", "notes", "own")', "([False, 'denied'], None)"),
    "its context without the capability": ('ask("context.get-context")', "(None, 'not granted')"),
    "clients nobody can serve": ('ask("clients.get-client", "x")', "([False, 'not-allowed'], None)"),
}
FITTING: Final = "(None, 'arguments that do not fit their types')"
UNFITTING: Final = {
    "too few arguments": 'ask("storage.get", "notes")',
    "too many arguments": 'ask("storage.get", "notes", "own", "more")',
    "a number for a text": 'ask("storage.get", 1, 2)',
    "a list for a text": 'ask("storage.get", ["notes"], "own")',
    "a text for bytes": 'ask("storage.put", ("notes", "k", 5, None))',
    "a text for a number": 'ask("storage.put", ("notes", "k", b"x", "1; drop table"))',
    "an object for a list": 'ask("storage.get", {"namespace": "notes"}, "own")',
}


class Takeover:
    """Has the world's runner start children of our making."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self._world = world
        self._patch = patch
        self._real = interpreter
        self.greeting = world.published(GREETING)

    def __call__(
        self,
        conduct: str,
        providers: tuple[str, ...] = ("cap:log.emit",),
        limit_ms: int = PATIENT_MS,
        secrets: Sequence[SealedSecret] = (),
    ) -> ExecuteResponse:
        """Make one call to a child that behaves like this, then end it."""
        house = self._world.house

        def taken_over(_module: str, *arguments: str) -> list[str]:
            return with_script(self._real("child.main", *arguments), SCRIPT.replace("{conduct}", conduct))

        house.pool.close()
        self._patch.setattr(process_start, "interpreter", taken_over)
        try:
            grants = ExecuteGrants(secrets={secret.name: [] for secret in secrets})
            request = call(self.greeting, timeout_ms=limit_ms, providers=providers, grants=grants)
            request.secret_envelope = list(secrets)
            return house.execute(request)
        finally:
            self._patch.setattr(process_start, "interpreter", self._real)
            house.pool.close()


class Found:
    """What is known after a conduct."""

    def __init__(self, world: World, takeover: Takeover, conduct: str, code: str | None) -> None:
        self.limit_ms = LIMIT_MS if code == "guest_timeout" else PATIENT_MS
        house = world.house
        house.execute(call(takeover.greeting))
        before = footprint(house.pool.process_ids())
        printed = io.StringIO()
        with Logbook() as log, contextlib.redirect_stdout(printed):
            started = time.perf_counter()
            self.response = takeover(conduct, limit_ms=self.limit_ms)
            self.took_ms = (time.perf_counter() - started) * 1000
        self.log, self.printed = log, printed.getvalue()
        self.following = house.execute(call(takeover.greeting))
        self.before: Footprint = before
        self.after = settled(before, house.pool.process_ids)


@pytest.fixture
def takeover(world: World, monkeypatch: pytest.MonkeyPatch) -> Takeover:
    return Takeover(world, monkeypatch)


@pytest.fixture(scope="module")
def found(world: World) -> Iterator[Any]:
    known: dict[str, Found] = {}
    with pytest.MonkeyPatch.context() as patch:
        takeover = Takeover(world, patch)

        def of(name: str) -> Found:
            if name not in known:
                known[name] = Found(world, takeover, *CONDUCTS[name])
            return known[name]

        yield of


every_conduct = pytest.mark.parametrize("name", CONDUCTS)


@every_conduct
def test_a_sandbox_taken_over_gets_its_own_code(found: Any, name: str) -> None:
    assert code_of(found(name).response) == CONDUCTS[name][1]


@every_conduct
def test_it_is_ended_in_time(found: Any, name: str) -> None:
    # The child's own start is not on the call's time.
    assert found(name).response.usage.duration_ms < found(name).limit_ms + GRACE_MS


@every_conduct
def test_the_next_sandbox_works(found: Any, name: str) -> None:
    assert body_of(found(name).following) == b"hello"


@every_conduct
def test_no_process_descriptor_or_thread_of_it_is_left(found: Any, name: str) -> None:
    assert found(name).after == found(name).before


@every_conduct
def test_its_log_is_bounded_by_the_parent(found: Any, name: str) -> None:
    assert len(kept_lines(found(name).response)) <= local_imports.LOG_LINES_LIMIT + 50
    assert len(found(name).log.lines) <= 50


@every_conduct
def test_its_lines_are_bounded_by_the_parent(found: Any, name: str) -> None:
    lines = [*found(name).log.lines, *(line.text for line in kept_lines(found(name).response))]
    assert max((len(line) for line in lines), default=0) < 16 * 1024


@every_conduct
def test_its_metrics_are_bounded_by_the_parent(found: Any, name: str) -> None:
    assert len(found(name).printed) < MIB


@every_conduct
def test_its_story_is_bounded(found: Any, name: str) -> None:
    error = found(name).response.error
    assert len(error.message if error else "") <= 1_000


@every_conduct
def test_its_figures_stay_within_sense(found: Any, name: str) -> None:
    usage = found(name).response.usage
    figures = [usage.cpu_ms, usage.memory_peak_bytes, usage.fuel or 0, usage.egress_bytes, *usage.host_calls.values()]
    assert all(0 <= figure < 1 << 53 for figure in figures)


@every_conduct
def test_its_figures_name_only_what_exists(found: Any, name: str) -> None:
    known = {"storage.get", "logging.log-info", "metrics.emit", "metrics.emit.dropped"}
    assert set(found(name).response.usage.host_calls) <= known


@pytest.mark.parametrize("what", ASKED)
def test_the_parent_refuses_by_itself(takeover: Takeover, what: str) -> None:
    ask, answer = ASKED[what]
    assert body_of(takeover(f"tell({ask})")).decode() == answer


@pytest.mark.parametrize("what", UNFITTING)
def test_the_parent_checks_arguments_by_itself(takeover: Takeover, what: str) -> None:
    answered = takeover(f"tell({UNFITTING[what]})", ("cap:storage.kv",))
    assert body_of(answered).decode() == FITTING


def test_the_parent_stops_answering_after_a_thousand_calls(takeover: Takeover) -> None:
    ask = 'ask("secrets.list-keys")'
    answered = takeover(f"[{ask} for _ in range(1000)]; tell({ask})", ("cap:secrets.get",))
    assert body_of(answered).decode() == "(None, 'more than 1000 host calls')"


@pytest.mark.parametrize(
    ("sent", "explained"),
    [
        # A line that comes again is told once more at the end, with its count.
        ('[channel.send(Refused("storage.get")) for _ in range(500)]', 2),
        ('[channel.send(Refused("storage.get")) for _ in range(3)]', 2),
        ('channel.send(Refused("storage.get"))', 1),
        ('[channel.send(Refused(name)) for name in ("", "storage", "system.exec", "__class__", "x" * 100_000)]', 0),
        ('[channel.send(Refused("logging.log-info")) for _ in range(3)]', 0),
    ],
    ids=["a flood", "a few", "one", "names that do not exist", "what was granted"],
)
def test_what_a_child_says_it_refused_is_bounded_and_can_be_true(takeover: Takeover, sent: str, explained: int) -> None:
    conduct = f'{sent}\n    channel.send(Done(200, [], b"", Figures()))'
    response = takeover(conduct)
    assert response.status == 200
    said = [line.text for line in kept_lines(response)]
    assert len(said) == explained
    assert all(line.startswith("storage.get refused: cap:storage.kv is not granted") for line in said)


def test_a_cause_that_contains_a_secret_is_logged_without_it(takeover: Takeover, world: World) -> None:
    conduct = 'channel.send(Failed("guest_trapped", "x", Figures(), "at " + str(ask("secrets.get", "token").value)))'
    with Logbook() as log:
        takeover(conduct, ("cap:secrets.get",), secrets=[world.secret("token", "kept-4f9b1c7d2e")])
    causes = [line["cause"] for line in log.documents() if "cause" in line]

    assert len(causes) == 1
    assert "kept-4f9b1c7d2e" not in "\n".join(log.lines)


def test_the_memory_of_a_sandbox_that_died_is_counted(takeover: Takeover) -> None:
    # The kernel counts this process's own peak in the child's, so only a larger one can be told from it.
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 128 * MIB
    usage = takeover(f"x = b'x' * {peak_bytes}; os.abort()").usage
    assert peak_bytes - 64 * MIB < usage.memory_peak_bytes < peak_bytes + 64 * MIB


def test_the_memory_of_a_sandbox_that_was_killed_is_counted(takeover: Takeover) -> None:
    usage = takeover("x = b'x' * (64 << 20); time.sleep(60)", limit_ms=LIMIT_MS).usage
    assert 60 * MIB < usage.memory_peak_bytes < 100 * MIB


def test_the_cpu_of_a_sandbox_that_died_is_counted(takeover: Takeover) -> None:
    usage = takeover(
        "until = time.process_time() + 0.2\n    while time.process_time() < until: pass\n    os.abort()"
    ).usage
    assert 200 <= usage.cpu_ms < 2_000
