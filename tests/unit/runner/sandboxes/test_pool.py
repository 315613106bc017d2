"""The sandboxes of a runner: a spare takes over, and nothing is left behind."""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from alga_ext.errors import PlatformError
from functions.runner.sandbox.protocol.channel import Channel, Closed
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Configure, Failed, HostAnswer, LogLine, Program, RunLimits, Warm
from functions.runner.sandboxes.child_process import CallHandlers, Child
from functions.runner.sandboxes.pool import Pool

HOST = CallHandlers(lambda _: HostAnswer(), lambda _: None, lambda _: None)


def configure(folder: Path) -> Configure:
    return Configure(1_500 << 20, 64 << 20, [str(folder)])


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(configure(tmp_path))
    yield made
    made.close()


def warm(timeout_ms: int = 2_000) -> Warm:
    deadline_ns = time.monotonic_ns() + timeout_ms * 1_000_000
    return Warm(Program("k", "/nowhere/x.cwasm", 1), RunLimits(deadline_ns, 64 << 20, 1 << 40, 1))


def kill(process_id: int) -> None:
    """Kill a child and wait until it is dead; it is left to be reaped."""
    os.kill(process_id, signal.SIGKILL)
    os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)


class Babbler:
    """A child's end of a channel that sends log lines as fast as it can."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.parents_end = Channel(ours.detach())
        self._end = Channel(theirs.detach())
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        with suppress(Closed):
            while True:
                self._end.send(LogLine("info", "guest", "x" * 100))

    def stop(self) -> None:
        self._thread.join()
        self._end.close()


def gone(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_same_child_serves_one_call_after_the_other(pool: Pool) -> None:
    with pool.child() as first:
        pass
    with pool.child() as second:
        pass
    assert first is second


def test_a_spare_is_started_beside_it(pool: Pool) -> None:
    with pool.child():
        pass
    pool.ensure_spare()
    assert len(set(pool.process_ids())) == 2


def test_the_spare_takes_over_at_once_when_the_child_is_gone(pool: Pool) -> None:
    with pool.child():
        pass
    pool.ensure_spare()
    active, spare = pool.process_ids()
    with pytest.raises(Ended):
        _die_in_a_call(pool)
    with pool.child() as child:
        assert child.process_id == spare
    assert gone(active)


def _die_in_a_call(pool: Pool) -> None:
    with pool.child() as child:
        os.kill(child.process_id, signal.SIGKILL)
        child.run(warm(), HOST)


def test_a_child_that_died_while_idle_costs_no_call(pool: Pool) -> None:
    with pool.child() as child:
        kill(child.process_id)
    with pool.child() as child:
        assert isinstance(child.run(warm(), HOST), Failed)


def test_health_does_not_tell_of_a_child_that_died(pool: Pool) -> None:
    with pool.child() as child:
        dead = child.process_id
        kill(dead)
    assert pool.health().applied
    assert dead not in pool.process_ids()
    assert gone(dead)


def test_a_spare_that_died_once_it_was_ready_costs_no_call(pool: Pool) -> None:
    with pool.child():
        pass
    pool.ensure_spare()
    active, spare = pool.process_ids()
    assert pool._spare is not None
    select.select([pool._spare._channel.descriptor], [], [], 10)  # its report, which stays to be read
    kill(active)
    kill(spare)
    with pool.child() as child:
        assert isinstance(child.run(warm(), HOST), Failed)


def test_killing_a_child_that_is_dead_already_tells_how_it_ended(pool: Pool) -> None:
    with pool.child() as child:
        kill(child.process_id)
        assert child.kill() == -signal.SIGKILL
        assert child.kill() == -signal.SIGKILL


def test_closing_the_pool_ends_the_spare_when_the_child_is_dead(pool: Pool) -> None:
    with pool.child():
        pass
    pool.ensure_spare()
    active, spare = pool.process_ids()
    kill(active)
    pool.close()
    assert gone(spare)


def test_a_stopped_child_is_killed_after_its_deadline(pool: Pool) -> None:
    with pool.child() as child:
        os.kill(child.process_id, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(Ended) as caught, pool.child() as child:
        child.run(warm(timeout_ms=100), HOST)
    assert caught.value.timed_out
    assert time.monotonic() - started < 5


def test_a_child_that_never_stops_talking_is_killed_after_its_deadline(tmp_path: Path) -> None:
    child = Child()
    other_end = child._channel
    child.configure(configure(tmp_path))
    child.await_ready()
    talking = Babbler()
    child._channel = talking.parents_end
    started = time.monotonic()
    with pytest.raises(Ended) as caught:
        child.run(warm(timeout_ms=100), HOST)
    talking.stop()
    other_end.close()
    assert caught.value.timed_out
    assert time.monotonic() - started < 5


def test_a_sandbox_that_cannot_be_started_is_unavailable(tmp_path: Path) -> None:
    def start() -> Child:
        raise OSError

    with pytest.raises(PlatformError, match="runner_unavailable"), Pool(configure(tmp_path), start=start).child():
        pass


def test_closing_leaves_no_process(tmp_path: Path) -> None:
    pool = Pool(configure(tmp_path))
    with pool.child():
        pass
    pool.ensure_spare()
    processes = pool.process_ids()
    pool.close()
    assert [gone(process_id) for process_id in processes] == [True, True]


def test_closing_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    pool = Pool(configure(tmp_path))
    with pool.child():
        pass
    pool.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_that_is_no_artifact_is_refused_and_the_child_lives_on(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "x.cwasm").write_bytes(b"no native code")
    message = warm()
    with pool.child() as child:
        answer = child.run(
            Warm(Program("k", str(tmp_path / "x.cwasm"), 1), message.limits),
            HOST,
        )
    assert isinstance(answer, Failed)
    assert (answer.code, answer.message) == (
        "artifact_integrity",
        "The compiled program cannot be loaded by this runner's engine.",
    )
    assert str(tmp_path) in answer.cause  # for the operator
