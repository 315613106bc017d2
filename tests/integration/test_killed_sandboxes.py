"""A sandbox that is killed at any instant: the runner answers all the same, so the call gets its finished record."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, NamedTuple

import pytest

from alga_ext.calls.envelope import ExecuteResponse, decode_response
from functions.runner.imports import secrets
from tests.security.logbook import kept_lines
from tests.support.bodies import body_of_answer
from tests.support.runner_fixture import RunnerFixture, call
from tests.support.wat import guest

TALKER = guest(
    """
      (call $logging.log-info (i32.const 2100) (i32.const 5))
      (call $secrets.list-keys (i32.const 2048))
      (call $metrics.emit (i32.const 2100) (i32.const 5) (f64.const 1) (i32.const 2100) (i32.const 0)
        (i32.const 0) (i32.const 0))
      (call $logging.log-info (i32.const 2105) (i32.const 5))
      (call $respond (i32.const 200) (i32.const 2100) (i32.const 5))
    """,
    imports=["logging.log-info", "secrets.list-keys", "metrics.emit"],
    data='(data (i32.const 2100) "firstlater")',
)
SAMPLED_EVERY = 37


class Ended(NamedTuple):
    """The answer to a call whose sandbox was killed at a step of the runner, and to the call after it."""

    was_killed: bool
    status: int
    response: ExecuteResponse | None
    next_status: int


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path_factory.mktemp("killed"), providers={"secrets": secrets.open_for})
    yield made
    made.close()


def kill(process_id: int) -> None:
    """End a process, if it has not ended, and wait until none of its threads can do anything more."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(process_id, signal.SIGKILL)
        os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)  # the runner reads its exit status


def killed_at(house: RunnerFixture, program: str, step: int) -> Ended:
    """Make a call in a warm sandbox, which is killed when a function of the runner is called or returns: the n-th."""
    assert house.execute(call(program)).status == 200
    (sandbox, *_) = house.pool.process_ids()
    request = call(program)
    seen = 0

    def watch(frame: FrameType, kind: str, _: Any) -> None:
        nonlocal seen
        if kind in ("call", "return") and "/functions/runner/" in frame.f_code.co_filename:
            seen += 1
            if seen == step:
                kill(sandbox)

    sys.setprofile(watch)
    try:
        answer = house.answer(request)
    finally:
        sys.setprofile(None)
    status = answer["statusCode"]
    response = decode_response(body_of_answer(answer)) if status == 200 else None
    return Ended(seen >= step, status, response, house.execute(call(program)).status)


def check(house: RunnerFixture, every: int) -> list[Ended]:
    program = house.publish(TALKER)
    found: list[Ended] = []
    while not found or found[-1].was_killed:
        found.append(killed_at(house, program, 1 + every * len(found)))
        status, response = found[-1].status, found[-1].response
        assert found[-1].next_status == 200
        assert response is not None, status
        code = None if response.error is None else response.error.code
        assert code in (None, "guest_trapped")
        texts = [line.text for line in kept_lines(response) if line.source == "guest"]
        assert texts in (["first", "later"], ["first"], [])
        assert code is not None or (response.status, texts) == (200, ["first", "later"])
    return found


def test_a_call_whose_sandbox_is_killed_at_some_steps_is_answered(house: RunnerFixture) -> None:
    assert len(check(house, SAMPLED_EVERY)) >= 5


@pytest.mark.kills
def test_a_call_whose_sandbox_is_killed_at_any_step_is_answered(house: RunnerFixture) -> None:
    found = check(house, 1)
    lines = {len(kept_lines(one.response)) for one in found if one.response is not None and one.response.error}
    assert lines >= {0, 1}, "lines that came before the end are kept"
