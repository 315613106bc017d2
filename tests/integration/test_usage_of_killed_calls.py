"""What a call used is told although its sandbox had to be killed."""

from collections.abc import Iterator

import pytest

from alga_ext.calls.envelope import ExecuteResponse, Usage
from functions.runner.imports import secrets
from tests.support.runner_fixture import MIB, RunnerFixture, call, code_of
from tests.support.wat import guest

SLEEPER = guest(
    """
      (drop (memory.grow (i32.const 320)))
      (memory.fill (i32.const 131072) (i32.const 1) (i32.const 20000000))
      (call $logging.log-info (i32.const 2100) (i32.const 4))
      (call $logging.log-info (i32.const 2100) (i32.const 4))
      (call $logging.log-warn (i32.const 2100) (i32.const 4))
      (call $metrics.emit (i32.const 2100) (i32.const 4) (f64.const 1) (i32.const 2100) (i32.const 4)
        (i32.const 0) (i32.const 0))
      (call $secrets.list-keys (i32.const 2048))
      (call $wasi.block (call $wasi.subscribe (i64.const 3600000000000)))
      (unreachable)
    """,
    imports=["logging.log-info", "logging.log-warn", "metrics.emit", "secrets.list-keys"],
    wasi=["sleep"],
    data='(data (i32.const 2100) "word")',
)
"""Uses 20 MB, says something, asks something, and sleeps, which only a kill ends."""


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExecuteResponse]:
    house = RunnerFixture(tmp_path_factory.mktemp("killed"), providers={"secrets": secrets.open_for})
    response = house.execute(call(house.publish(SLEEPER), timeout_ms=400))
    assert code_of(response) == "guest_timeout"
    assert house.pool.kills == 1
    yield response
    house.close()


@pytest.fixture(scope="module")
def usage(answer: ExecuteResponse) -> Usage:
    return answer.usage


def test_its_peak_of_memory_is_what_it_touched(usage: Usage) -> None:
    assert 19 * MIB < usage.memory_peak_bytes < 40 * MIB


def test_its_fuel_is_unknown_and_not_zero(usage: Usage) -> None:
    assert usage.fuel is None


def test_its_host_calls_are_those_the_parent_saw(usage: Usage) -> None:
    assert usage.host_calls == {
        "logging.log-info": 2,
        "logging.log-warn": 1,
        "metrics.emit": 1,
        "metrics.emit.dropped": 1,
        "secrets.list-keys": 1,
    }


def test_its_time_is_counted(usage: Usage) -> None:
    assert (usage.duration_ms >= 400, usage.cpu_ms > 0) == (True, True)
