"""Every error code that a guest can bring about, and that the next call works."""

import time
from collections.abc import Iterator

import pytest

from tests.conformance.conftest import LANGUAGES
from tests.conformance.envelopes import code_of, envelope, json_of
from tests.conformance.guest import Guest
from tests.support import wat

SLEEP = "(call $wasi.block (call $wasi.subscribe (i64.const 60000000000)))\n (unreachable)"


@pytest.fixture(autouse=True)
def _next_call_works(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for name in ("guest", "any_guest"):
        if name in request.fixturenames:
            assert request.getfixturevalue(name).count() == 1


def test_a_guest_that_never_ends_is_timed_out_at_its_deadline(guest: Guest) -> None:
    guest.count()
    started = time.monotonic()
    response = guest.run(method="GET", path="/spin", timeout_ms=300)
    assert (code_of(response), response.status, response.body_b64, response.headers) == ("guest_timeout", 504, None, {})
    assert 0.3 <= time.monotonic() - started < 2
    assert 290 < response.usage.duration_ms < 2_000


def test_a_guest_that_runs_as_long_as_it_may_is_not_timed_out(guest: Guest) -> None:
    assert guest.run(method="GET", path="/count", timeout_ms=5_000).error is None


def test_a_call_without_a_timeout_has_the_default_of_five_seconds(any_guest: Guest) -> None:
    started = time.monotonic()
    response = any_guest.run(method="GET", path="/spin")
    assert code_of(response) == "guest_timeout"
    assert 4.5 < time.monotonic() - started < 8


@pytest.mark.parametrize("guest", ["cpython"], indirect=True)
def test_a_guest_that_sleeps_is_timed_out_at_its_deadline(guest: Guest) -> None:
    guest.count()
    response = guest.run(method="GET", path="/sleep", query="ms=60000", timeout_ms=300)
    assert (code_of(response), response.status) == ("guest_timeout", 504)
    assert response.usage.duration_ms < 2_000
    response = guest.run(method="GET", path="/sleep", query="ms=50", timeout_ms=5_000)
    assert json_of(response)["slept_ms"] >= 50


def test_a_component_that_sleeps_in_wasi_is_timed_out_at_its_deadline(any_guest: Guest) -> None:
    content_hash = any_guest.runner.publish(wat.guest(SLEEP, wasi=["sleep"]))
    response = any_guest.runner.execute(envelope(content_hash, timeout_ms=300))
    assert (code_of(response), response.status) == ("guest_timeout", 504)


def test_a_guest_that_allocates_without_end_is_out_of_memory(guest: Guest) -> None:
    response = guest.run(method="GET", path="/alloc", memory_mb=64, timeout_ms=20_000)
    assert (code_of(response), response.status, response.body_b64) == ("guest_out_of_memory", 502, None)
    assert response.error is not None
    assert "64" in response.error.message


def test_a_guest_may_use_memory_within_its_limit(guest: Guest) -> None:
    response = guest.run(method="GET", path="/alloc", query="mib=40", memory_mb=128, timeout_ms=20_000)
    assert (response.error, response.status) == (None, 200)


def test_a_guest_that_uses_up_its_fuel_is_out_of_fuel(guest: Guest) -> None:
    response = guest.run(method="GET", path="/spin", fuel=50_000_000, timeout_ms=20_000)
    assert (code_of(response), response.status) == ("guest_out_of_fuel", 502)


def test_a_guest_within_its_fuel_runs(guest: Guest) -> None:
    response = guest.run(method="GET", path="/count", fuel=500_000_000)
    assert response.error is None
    assert response.usage.fuel is not None
    assert 0 < response.usage.fuel < 500_000_000


def test_a_guest_that_traps_is_trapped_and_the_message_names_no_path(guest: Guest) -> None:
    response = guest.run(method="GET", path="/throw", query="message=on-purpose")
    assert (code_of(response), response.status, response.body_b64, response.headers) == ("guest_trapped", 502, None, {})
    assert response.error is not None
    assert response.error.message
    assert "/" not in response.error.message


def test_a_guest_that_recurses_without_end_is_ended(guest: Guest) -> None:
    response = guest.run(method="GET", path="/recurse", timeout_ms=20_000)
    assert (code_of(response), response.status) in (("guest_trapped", 502), ("guest_out_of_memory", 502))


@pytest.mark.parametrize("guest", LANGUAGES, indirect=True)
@pytest.mark.parametrize("path", ["/call/nothing/at-all", "/call/storage/nothing"])
def test_an_import_the_contract_does_not_have_is_the_guests_own_mistake(guest: Guest, path: str) -> None:
    assert code_of(guest.run(path=path)) == "guest_trapped"


def test_a_guests_own_refusal_is_its_answer_and_no_error(guest: Guest) -> None:
    response = guest.run(method="GET", path="/nowhere")
    assert (response.error, response.status) == (None, 404)


@pytest.mark.parametrize("status", [0, 1])
def test_a_guest_that_calls_exit_is_trapped(any_guest: Guest, status: int) -> None:
    code = f"(call $wasi.exit (i32.const {status}))\n (unreachable)"
    content_hash = any_guest.runner.publish(wat.guest(code, wasi=["exit"]))
    response = any_guest.runner.execute(envelope(content_hash))
    assert (code_of(response), response.status) == ("guest_trapped", 502)


def test_a_thousand_host_calls_are_served_and_not_without_end(guest: Guest) -> None:
    response = guest.ask("storage.get", "ns", "k", times=100, timeout_ms=20_000)
    assert response.error is None
    response = guest.ask("ui-proxy.call-route", "/a\\b", None, times=100_000, timeout_ms=20_000)
    assert (code_of(response), response.status) == ("guest_trapped", 502)


def test_each_error_has_a_sentence_and_its_usage(guest: Guest) -> None:
    for given in ({"path": "/throw"}, {"path": "/spin", "timeout_ms": 200}, {"path": "/status/1"}):
        response = guest.run(method="GET", **given)
        assert response.error is not None
        assert response.error.message[-1] in ".…"
        assert response.usage.duration_ms > 0
        assert response.trace_id
