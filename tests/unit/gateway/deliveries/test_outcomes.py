"""What a message of a delivery leads to, and what becomes of a delivery after a try."""

from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from functions.gateway.deliveries.outcomes import Ending, Found, Step, Tried, ending, next_step, of_answer, of_error

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def found(state: str, **members: Any) -> Found:
    given = {"tries": 1, "is_leased": False, "wait_s": 0.0, "is_paused": False, "install_used": 0, "tenant_used": 0}
    return Found(state=state, **{**given, **members})


@pytest.mark.parametrize(
    ("row", "step"),
    [
        (None, Step.DROP),
        (found("pending"), Step.DROP),
        (found("delivered"), Step.DROP),
        (found("dead"), Step.DROP),
        (found("discarded"), Step.DROP),
        (found("queued"), Step.RUN),
        (found("queued", install_used=4, tenant_used=16), Step.RUN),  # it holds a slot already
        (found("queued", is_paused=True), Step.PAUSE),
        (found("running", is_leased=True), Step.DROP),
        (found("running", install_used=4, tenant_used=16), Step.RUN),
        (found("running", tries=7), Step.RUN),
        (found("running", tries=8), Step.BURY),
        (found("running", tries=8, is_leased=True), Step.DROP),
        (found("running", is_paused=True), Step.PAUSE),
        (found("retrying", install_used=3, tenant_used=15), Step.RUN),
        (found("retrying", install_used=4), Step.PUT_BACK),
        (found("retrying", tenant_used=16), Step.PUT_BACK),
        (found("retrying", wait_s=1.0), Step.RUN),
        (found("retrying", wait_s=1.5), Step.WAIT),
        (found("retrying", wait_s=1.5, is_paused=True), Step.WAIT),
        (found("retrying", is_paused=True), Step.PAUSE),
    ],
)
def test_a_message_leads_to_one_step(row: Found | None, step: Step) -> None:
    assert next_step(row, enabled=True) is step


@pytest.mark.parametrize("state", ["queued", "running", "retrying"])
def test_nothing_runs_while_extensions_are_switched_off(state: str) -> None:
    assert next_step(found(state), enabled=False) is Step.POSTPONE


def tried(status: int, error: str | None = None, retry_after_s: int | None = None) -> Tried:
    return Tried(status, error, "What happened.", retry_after_s, is_recorded=True)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_a_success_delivers(status: int) -> None:
    assert ending(tried(status), 8, 0.0) == Ending("delivered")


def test_a_failure_waits_as_long_as_its_tries_say() -> None:
    assert ending(tried(503), 3, 1.0) == Ending("retrying", wait_s=16)


def test_what_is_not_installed_any_more_is_discarded() -> None:
    assert ending(tried(404, "not_installed"), 1, 0.0) == Ending("discarded", reason="What happened. (not_installed)")


def test_a_call_that_is_too_large_is_not_repeated() -> None:
    assert ending(tried(413, "payload_too_large"), 1, 0.0).state == "dead"


def test_the_last_try_ends_in_death_with_the_reason() -> None:
    assert ending(tried(504, "gateway_timeout"), 8, 0.0) == Ending(
        "dead", reason="What happened. (gateway_timeout) That was try 8, the last one."
    )


def test_a_long_reason_is_cut() -> None:
    reason = ending(Tried(400, "bad_gateway", "x" * 2_000, None, is_recorded=True), 1, 0.0).reason

    assert reason is not None
    assert len(reason) == 512


def test_retry_after_of_an_answer_and_of_an_error_are_read() -> None:
    assert of_answer(503, {"retry-after": "9"}, NOW).retry_after_s == 9
    assert of_error(PlatformError("quota_exceeded", "d", retry_after_s=60)).retry_after_s == 60
    assert of_error(PlatformError("gateway_timeout", "d")).retry_after_s is None


def test_an_error_of_a_store_is_what_a_caller_would_get() -> None:
    given = of_error(PlatformError("queue_unavailable", "d"))

    assert (given.status, given.error) == (503, "queue_unavailable")


def test_an_unexpected_fault_is_a_server_error_that_tells_nothing() -> None:
    given = of_error(ValueError("a secret"))

    assert (given.status, given.error, "secret" in given.detail) == (500, "internal", False)
