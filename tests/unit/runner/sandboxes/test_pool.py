"""The sandboxes of a runner: whose calls a child serves, how many are alive, and that nothing is left behind."""

import os
import select
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from functions.runner.sandbox.protocol.channel import Channel, Closed
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import (
    Configure,
    Failed,
    HostAnswer,
    HostCall,
    LogLine,
    Program,
    RunLimits,
    Warm,
)
from functions.runner.sandboxes.child_process import CallHandlers, Child
from functions.runner.sandboxes.pool import Pool, SandboxKey

HOST = CallHandlers(lambda _: HostAnswer(), lambda _: None, lambda _: None, lambda _: None)


def configure(folder: Path) -> Configure:
    return Configure(512 << 20, [str(folder)])


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(configure(tmp_path), 4)
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


def key(number: int = 0) -> SandboxKey:
    return SandboxKey("acme", f"install {number}", "sha256:00", "grants")


def soon() -> int:
    """A time until which a call may wait, far enough away for a busy machine."""
    return time.monotonic_ns() + 20_000_000_000


def used(pool: Pool, number: int = 0, program: str = "k") -> int:
    """Make a call with a key, and return the process that served it."""
    with pool.child(key(number), program, soon()) as (child, _):
        return child.process_id


def ran(pool: Pool, number: int = 0) -> int:
    """Make a call that loads a program, and return the process that served it."""
    with pool.child(key(number), "k", soon()) as (child, _):
        assert isinstance(child.run(warm(), HOST), Failed)
        return child.process_id


# Which child serves which call


def test_the_same_child_serves_the_calls_of_one_key(pool: Pool) -> None:
    assert used(pool) == used(pool)


@pytest.mark.parametrize("part", range(4))
def test_keys_that_differ_in_one_part_have_different_children(pool: Pool, part: int) -> None:
    other = SandboxKey(*["x" if place == part else value for place, value in enumerate(key())])
    with pool.child(other, "k", soon()) as (child, _):
        assert child.process_id != used(pool)


@given(st.lists(st.integers(0, 6), max_size=10), st.integers(2, 4))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_no_child_ever_serves_two_keys_and_no_more_live_than_allowed(calls: list[int], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(configure(Path(folder)), limit)
        owners: dict[int, int] = {}
        try:
            for number in calls:
                assert owners.setdefault(used(pool, number), number) == number
                pool.ensure_spare()
                alive = pool.process_ids()
                assert len(alive) <= limit
                assert alive[-1] not in owners  # the spare
        finally:
            pool.close()


def test_a_key_that_is_used_again_and_again_keeps_its_child(pool: Pool) -> None:
    kept = used(pool)
    for number in range(1, 6):
        used(pool, number)
        pool.ensure_spare()
        assert used(pool) == kept


def test_the_least_recently_used_idle_child_makes_room_for_the_spare(pool: Pool) -> None:
    processes = [used(pool, number) for number in range(4)]
    pool.ensure_spare()
    assert pool.process_ids()[:-1] == processes[:0:-1]
    assert gone(processes[0])


def test_no_spare_is_started_for_the_only_key(pool: Pool) -> None:
    for _ in range(3):
        used(pool)
        pool.answered()

    assert len(pool.process_ids()) == 1


def test_a_spare_is_started_once_calls_of_two_keys_have_come(pool: Pool) -> None:
    used(pool, 0)
    used(pool, 1)
    pool.answered()
    assert len(pool.process_ids()) == 3

    spare = pool.process_ids()[-1]
    assert used(pool, 2) == spare


def test_a_spare_is_started_when_the_only_child_has_ended(pool: Pool) -> None:
    with pytest.raises(Ended):
        _die_in_a_call(pool)
    assert pool.process_ids() == []

    pool.answered()

    (spare,) = pool.process_ids()
    assert used(pool) == spare


def test_a_spare_is_started_after_a_child_that_was_used_once(pool: Pool) -> None:
    with pool.throwaway(soon()) as child:
        thrown_away = child.process_id
    pool.answered()

    (spare,) = pool.process_ids()
    assert spare != thrown_away


def test_a_spare_is_not_started_while_all_children_are_busy(tmp_path: Path) -> None:
    pool = Pool(configure(tmp_path), 2)
    with pool.child(key(0), "k", soon()), pool.child(key(1), "k", soon()):
        pool.ensure_spare()
        assert len(pool.process_ids()) == 2
    pool.close()


def test_a_child_that_loaded_another_program_is_replaced(pool: Pool) -> None:
    with pool.child(key(), "k", soon()) as (child, _):
        child.program_key = "k"
        first = child.process_id
    assert used(pool, program="k") == first
    assert used(pool, program="another") != first


def test_a_throwaway_sandbox_is_ended_and_serves_no_key(pool: Pool) -> None:
    with pool.throwaway(soon()) as child:
        process_id = child.process_id
    assert gone(process_id)
    assert used(pool) != process_id


# Waiting for a sandbox


def test_a_call_waits_for_the_child_of_its_key(pool: Pool) -> None:
    with ThreadPoolExecutor(1) as threads:
        with pool.child(key(), "k", soon()) as (child, _):
            later = threads.submit(used, pool)
        assert later.result() == child.process_id


def test_a_call_waits_while_all_sandboxes_are_busy(tmp_path: Path) -> None:
    pool = Pool(configure(tmp_path), 2)
    with ThreadPoolExecutor(1) as threads, pool.child(key(1), "k", soon()) as (second, _):
        with pool.child(key(0), "k", soon()) as (first, _):
            later = threads.submit(used, pool, 2)
        assert later.result() not in (first.process_id, second.process_id)
    assert gone(first.process_id)
    pool.close()


@pytest.mark.parametrize("wanted", [0, 2])
def test_a_call_that_waits_beyond_its_deadline_is_refused(tmp_path: Path, wanted: int) -> None:
    pool = Pool(configure(tmp_path), 2)
    with pool.child(key(0), "k", soon()), pool.child(key(1), "k", soon()):
        with pytest.raises(PlatformError, match="runner_unavailable"):
            pool.child(key(wanted), "k", time.monotonic_ns() + 1_000_000).__enter__()
        with pytest.raises(PlatformError, match="runner_unavailable"):
            pool.throwaway(0).__enter__()
    pool.close()


def test_the_time_that_a_call_waited_is_told(tmp_path: Path) -> None:
    pool = Pool(configure(tmp_path), 2)
    started = threading.Event()

    def waiting() -> int:
        started.set()
        with pool.child(key(), "k", soon()) as (_, waited_ns):
            return waited_ns

    with ThreadPoolExecutor(1) as threads:
        with pool.child(key(), "k", soon()):
            later = threads.submit(waiting)
            started.wait()
            time.sleep(0.05)
        assert later.result() >= 40_000_000
    pool.close()


def test_calls_of_different_keys_run_at_the_same_time(pool: Pool) -> None:
    together = threading.Barrier(4, timeout=20)

    def meet(number: int) -> None:
        with pool.child(key(number), "k", soon()):
            together.wait()  # passes only when all four are inside

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(meet, range(4)))


# Children that cannot be used


def test_the_spare_takes_over_at_once_when_the_child_is_gone(pool: Pool) -> None:
    used(pool)
    pool.ensure_spare()
    active, spare = pool.process_ids()
    with pytest.raises(Ended):
        _die_in_a_call(pool)
    assert used(pool) == spare
    assert gone(active)
    assert pool.kills == 1


def _die_in_a_call(pool: Pool) -> None:
    with pool.child(key(), "k", soon()) as (child, _):
        os.kill(child.process_id, signal.SIGKILL)
        child.run(warm(), HOST)


def test_a_child_that_died_while_idle_costs_no_call(pool: Pool) -> None:
    kill(used(pool))
    ran(pool)


def test_a_child_whose_channel_holds_bytes_is_ended_before_the_next_call(pool: Pool) -> None:
    with pool.child(key(), "k", soon()) as (child, _):
        other_end = _replace_channel(child)
    other_end.send(HostCall("storage.get", msgspec.Raw(b"\x90")))
    assert ran(pool) != child.process_id
    assert gone(child.process_id)


def _replace_channel(child: Child) -> Channel:
    """Give a child's parent another channel, and return the other end of it."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    child._channel.close()
    child._channel = Channel(ours.detach())
    return Channel(theirs.detach())


def test_health_does_not_tell_of_a_child_that_died(pool: Pool) -> None:
    pool.ensure_spare()
    (dead,) = pool.process_ids()
    kill(dead)
    assert pool.health().applied
    assert dead not in pool.process_ids()
    assert gone(dead)


def test_health_leaves_the_spare_generic(pool: Pool) -> None:
    pool.health()
    (spare,) = pool.process_ids()
    pool.health()
    assert pool.process_ids() == [spare]
    assert used(pool) == spare


def test_health_is_told_while_all_sandboxes_are_busy(tmp_path: Path) -> None:
    pool = Pool(configure(tmp_path), 2)
    with pool.child(key(0), "k", soon()), pool.child(key(1), "k", soon()):
        assert pool.health().applied
    pool.close()


def test_a_spare_that_died_once_it_was_ready_costs_no_call(pool: Pool) -> None:
    used(pool)
    pool.ensure_spare()
    active, spare = pool.process_ids()
    assert pool._spare is not None
    select.select([pool._spare._channel.descriptor], [], [], 10)  # its report, which stays to be read
    kill(active)
    kill(spare)
    ran(pool)


def test_killing_a_child_that_is_dead_already_tells_how_it_ended(pool: Pool) -> None:
    with pool.child(key(), "k", soon()) as (child, _):
        kill(child.process_id)
        assert child.kill() == -signal.SIGKILL
        assert child.kill() == -signal.SIGKILL


def test_closing_the_pool_ends_the_spare_when_the_child_is_dead(pool: Pool) -> None:
    used(pool)
    pool.ensure_spare()
    active, spare = pool.process_ids()
    kill(active)
    pool.close()
    assert gone(spare)


def test_a_stopped_child_is_killed_after_its_deadline(pool: Pool) -> None:
    os.kill(used(pool), signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(Ended) as caught, pool.child(key(), "k", soon()) as (child, _):
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

    pool = Pool(configure(tmp_path), 4, start=start)
    with pytest.raises(PlatformError, match="runner_unavailable"):
        used(pool)
    with pytest.raises(PlatformError, match="runner_unavailable"):
        pool.health()
    pool.ensure_spare()
    assert pool.process_ids() == []


def test_closing_leaves_no_process(tmp_path: Path) -> None:
    pool = Pool(configure(tmp_path), 4)
    used(pool)
    pool.ensure_spare()
    processes = pool.process_ids()
    pool.close()
    assert [gone(process_id) for process_id in processes] == [True, True]


def test_closing_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    pool = Pool(configure(tmp_path), 4)
    used(pool)
    pool.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_child_whose_file_is_no_artifact_is_ended(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "x.cwasm").write_bytes(b"no native code")
    message = warm()
    with pool.child(key(), "k", soon()) as (child, _):
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
    assert child.is_ended
