"""Frames of a sandbox that come too early, too late, out of order, or for another call (generated).

Children that were taken over send frames of every kind at every moment of three calls of two installs in turn. Whatever
they do, each call ends as its child's failure or with an answer of its own install's child, and the runner goes on.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.calls.envelope import decode_response
from functions.runner.sandboxes import process_start
from functions.runner.sandboxes.interpreter import interpreter
from tests.security.attacks import GREETING
from tests.security.test_hostile_sandbox import SCRIPT
from tests.security.test_sandbox_of_one_install import OTHER_INSTALL
from tests.support.confined_programs import with_script
from tests.support.runner_fixture import INSTALL, RunnerFixture, body_of, call, code_of

FRAMES: Final = {
    "an answer": 'channel.send(Done(200, [], b"call " + mark, Figures()))',
    "a failure": 'channel.send(Failed("guest_trapped", "x", Figures()))',
    "a refusal of the platform's": 'channel.send(Failed("artifact_integrity", "x", Figures()))',
    "readiness": "channel.send(Ready([], []))",
    "a host call": 'channel.send(HostCall("storage.get", arguments("notes", "own")))',
    "a log line": 'channel.send(LogLine("info", "guest", "x"))',
    "a metric": 'channel.send(Metric("m", 1.0, "", []))',
    "a refusal of its own": 'channel.send(Refused("storage.get"))',
    "a refusal of what does not exist": 'channel.send(Refused("system.exec"))',
    "a host call named as no text": 'frame(b"\\x93\\x05\\x01\\x90")',
    "a message for a child": "channel.send(HostAnswer(1))",
    "half a header": 'raw(b"\\x01\\0")',
    "half a frame": 'raw(b"\\x10\\0\\0\\0half")',
    "an empty frame": 'frame(b"")',
    "the end": "os._exit(0)",
}
"""What a child sends. An answer names the install of the call that it was made for, or 0 before the first call."""

MOMENTS: Final = ("before it is ready", "when it is ready", "in its call", "after its answer")
CODES: Final = {None, "guest_trapped", "guest_timeout", "guest_invalid_response", "artifact_integrity"}

_HEAD: Final = "TO_CHILD.decode(channel.receive())\nchannel.send(Ready([], []))"


def script_of(sent: dict[str, list[str]]) -> str:
    """Return a child's source that sends these frames at these moments, and answers each call in between."""

    def lines(moment: str, indent: str) -> str:
        return "".join(f"{indent}{FRAMES[name]}\n" for name in sent.get(moment, []))

    assert _HEAD in SCRIPT
    head = f'mark = b"0"\nTO_CHILD.decode(channel.receive())\n{lines(MOMENTS[0], "")}channel.send(Ready([], []))\n'
    conduct = "mark = message.context[3].encode()\n"
    conduct += lines(MOMENTS[2], "    ") + f"    {FRAMES['an answer']}\n" + lines(MOMENTS[3], "    ")
    return SCRIPT.replace(_HEAD, head + lines(MOMENTS[1], "")).replace("{conduct}", conduct)


class House:
    """A runner, a program, and children that behave as a test says."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.fixture = RunnerFixture(folder, sandboxes=3)
        self.greeting = self.fixture.publish(GREETING)
        self._patch = patch

    def calls(self, sent: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Make three calls to children that send these frames, and return the HTTP answers' parts."""
        script = script_of(sent)

        def command(_module: str, *arguments: str) -> list[str]:
            start = interpreter("child.main", *arguments)
            return with_script(start, script)

        self.fixture.pool.close()
        with self._patch.context() as patch:
            patch.setattr(process_start, "interpreter", command)
            made = [self._call(install) for install in (INSTALL, OTHER_INSTALL, INSTALL)]
            self.fixture.pool.close()
        return made

    def _call(self, install: str) -> dict[str, Any]:
        answer = self.fixture.answer(call(self.greeting, install_id=install, timeout_ms=400, providers=()))
        return {"install": install, "http": answer["statusCode"], "answer": answer["body"]}

    def works(self) -> bool:
        """Whether a call to a real child is answered."""
        return body_of(self.fixture.execute(call(self.greeting))) == b"hello"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), pytest.MonkeyPatch())
    yield made
    made.fixture.close()


def check(house: House, sent: dict[str, list[str]]) -> None:
    """Make three calls to such children, and check each outcome."""
    for made in house.calls(sent):
        if made["http"] == 503:  # no child became ready
            assert json.loads(made["answer"])["code"] == "runner_unavailable"
            continue
        assert made["http"] == 200, made
        response = decode_response(made["answer"].encode())
        assert code_of(response) in CODES
        if code_of(response) is None:
            assert body_of(response).decode() in ("call 0", f"call {made['install']}")
    assert house.works()


def test_the_children_of_these_tests_answer_when_they_send_nothing_else(house: House) -> None:
    answers = [body_of(decode_response(made["answer"].encode())).decode() for made in house.calls({})]
    assert answers == [f"call {INSTALL}", f"call {OTHER_INSTALL}", f"call {INSTALL}"]


AT_ONCE: Final = [
    (name, moment)
    for name in FRAMES
    for moment in MOMENTS
    if not (name.startswith("half") and moment == MOMENTS[0])  # the parent waits ten seconds for the rest
]


@pytest.mark.parametrize(("name", "moment"), AT_ONCE)
def test_a_frame_at_the_wrong_moment_reaches_no_call_of_another_install(house: House, name: str, moment: str) -> None:
    check(house, {moment: [name]})


SENT: Final = st.dictionaries(st.sampled_from(MOMENTS[1:]), st.lists(st.sampled_from(sorted(FRAMES)), max_size=3))


@given(SENT)
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_in_any_order_reach_no_call_of_another_install(house: House, sent: dict[str, list[str]]) -> None:
    check(house, sent)
