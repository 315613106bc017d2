"""What a call used: there, plausible, and this call's own."""

import time

import pytest

from tests.conformance.conftest import LANGUAGES
from tests.conformance.envelopes import code_of
from tests.conformance.guest import Guest

MIB = 1024 * 1024
TRACE = "ab" * 16


def test_every_figure_is_there(guest: Guest) -> None:
    started = time.monotonic()
    usage = guest.run(method="GET", path="/count").usage
    elapsed_ms = (time.monotonic() - started) * 1_000
    assert 0 < usage.duration_ms <= elapsed_ms
    assert 0 < usage.cpu_ms <= usage.duration_ms + 5
    assert usage.memory_peak_bytes >= 0
    assert (usage.egress_bytes, usage.host_calls) == (0, {})
    assert usage.fuel is None or usage.fuel > 0


@pytest.mark.parametrize("guest", LANGUAGES, indirect=True)
def test_time_spent_computing_is_duration_and_cpu(guest: Guest) -> None:
    usage = guest.run(method="GET", path="/spin", query="ms=200").usage
    assert 200 <= usage.duration_ms < 2_000
    assert 10 < usage.cpu_ms <= usage.duration_ms + 5


@pytest.mark.parametrize("guest", ["cpython"], indirect=True)
def test_time_spent_sleeping_is_duration_and_not_cpu(guest: Guest) -> None:
    usage = guest.run(method="GET", path="/sleep", query="ms=300").usage
    assert 300 <= usage.duration_ms < 2_000
    assert usage.cpu_ms < 200


def test_time_spent_computing_counts_when_the_guest_is_ended_too(guest: Guest) -> None:
    response = guest.run(method="GET", path="/spin", timeout_ms=300)
    assert code_of(response) == "guest_timeout"
    assert 290 <= response.usage.duration_ms < 2_000
    assert 50 < response.usage.cpu_ms <= response.usage.duration_ms + 5


def test_memory_that_was_used_is_in_the_peak(guest: Guest) -> None:
    usage = guest.run(method="GET", path="/alloc", query="mib=40", timeout_ms=20_000).usage
    assert 40 * MIB <= usage.memory_peak_bytes < 128 * MIB


def test_the_peak_is_this_calls_own(guest: Guest) -> None:
    guest.run(method="GET", path="/alloc", query="mib=40", timeout_ms=20_000)
    assert guest.run(method="GET", path="/count").usage.memory_peak_bytes < 30 * MIB


def test_more_work_is_more_fuel(guest: Guest) -> None:
    little, much = (guest.run(method="GET", path="/bytes", query=f"size={size}").usage.fuel for size in (1, MIB))
    if little is None or much is None:
        pytest.skip("this runner counts no fuel")
    assert 0 < little < much


@pytest.mark.parametrize(
    "guest", ["wat"], indirect=True
)  # a language's runtime starts with the random numbers it is given
def test_the_same_work_is_the_same_fuel(guest: Guest) -> None:
    assert len({guest.run(method="GET", path="/bytes", query="size=1000").usage.fuel for _ in range(5)}) == 1


def test_host_calls_are_counted_by_name(guest: Guest) -> None:
    assert guest.ask("config.get", "key").usage.host_calls == {"config.get": 1}
    assert guest.ask("config.get", "key", times=5).usage.host_calls == {"config.get": 5}
    assert guest.ask("secrets.list-keys", times=3).usage.host_calls == {"secrets.list-keys": 3}


def test_host_calls_before_a_trap_are_counted(guest: Guest) -> None:
    response = guest.ask("context.get-context", without="cap:context.read")
    assert code_of(response) == "guest_trapped"
    assert response.usage.host_calls == {"context.get-context": 1}


@pytest.mark.parametrize("header", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_the_trace_id_is_the_one_the_call_came_with(guest: Guest, header: str) -> None:
    response = guest.run(method="GET", path="/count", headers={header: f"00-{TRACE}-{'cd' * 8}-01"})
    assert response.trace_id == TRACE


@pytest.mark.parametrize("value", [None, "", "nonsense", f"00-{TRACE}", f"00-{TRACE.upper()}-{'cd' * 8}-01"])
def test_a_call_without_a_trace_gets_one(any_guest: Guest, value: str | None) -> None:
    headers = {} if value is None else {"traceparent": value}
    ids = {any_guest.run(method="GET", path="/count", headers=headers).trace_id for _ in range(3)}
    assert len(ids) == 3
    assert all(len(trace_id) == 32 and int(trace_id, 16) for trace_id in ids)
