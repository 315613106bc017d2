"""Which calls are sent to the runner again, when, and how many of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError, Progress
from functions.gateway.retries import RetryBudget, has_run_nothing, may_repeat, pause_s

THROTTLED = PlatformError("runner_throttled", "d", progress=Progress.REFUSED, at_least_s=0)
NOT_CONNECTED = PlatformError("runner_unavailable", "d", progress=Progress.NOT_SENT)
NO_ANSWER = PlatformError("runner_unavailable", "d", progress=Progress.NO_ANSWER)
REFUSED = PlatformError("runner_unavailable", "d", progress=Progress.REFUSED)
FAILED = PlatformError("runner_unavailable", "d")
TIMEOUT = PlatformError("gateway_timeout", "d")
INVALID = PlatformError("bad_gateway", "d")

KEYED, UNKEYED = True, False


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("error", "is_repeated"),
    [
        (THROTTLED, True),
        (NOT_CONNECTED, True),
        (NO_ANSWER, True),
        (REFUSED, False),
        (FAILED, False),
        (TIMEOUT, False),
        (INVALID, False),
    ],
    ids=["throttled", "not connected", "no answer", "refused", "function failed", "timeout", "invalid answer"],
)
def test_a_call_that_reads_is_repeated_after_throttling_and_connection_failures(
    method: str, error: PlatformError, is_repeated: bool
) -> None:
    assert may_repeat(error, method, is_keyed=False) is is_repeated


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    ("error", "is_repeated"),
    [
        (THROTTLED, True),
        (NOT_CONNECTED, True),
        (NO_ANSWER, False),
        (REFUSED, False),
        (FAILED, False),
        (TIMEOUT, False),
        (INVALID, False),
    ],
    ids=["throttled", "not connected", "no answer", "refused", "function failed", "timeout", "invalid answer"],
)
def test_a_call_with_a_key_is_repeated_only_when_it_has_certainly_not_run(
    method: str, error: PlatformError, is_repeated: bool
) -> None:
    assert may_repeat(error, method, is_keyed=True) is is_repeated


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("error", [THROTTLED, NOT_CONNECTED, NO_ANSWER, FAILED, TIMEOUT])
def test_a_call_that_writes_without_a_key_is_never_repeated(method: str, error: PlatformError) -> None:
    assert not may_repeat(error, method, is_keyed=False)


@pytest.mark.parametrize(
    ("error", "nothing"),
    [
        (THROTTLED, True),
        (NOT_CONNECTED, True),
        (REFUSED, True),
        (NO_ANSWER, False),
        (FAILED, False),
        (TIMEOUT, False),
    ],
)
def test_an_attempt_has_run_nothing_only_when_it_was_not_sent_or_was_refused(
    error: PlatformError, nothing: bool
) -> None:
    assert has_run_nothing(error) is nothing


# Pauses


@pytest.mark.parametrize(("retry", "longest_s"), [(1, 0.1), (2, 0.2)])
def test_a_pause_is_anything_up_to_its_longest(retry: int, longest_s: float) -> None:
    assert pause_s(NOT_CONNECTED, retry, 5.0, 0.0) == 0
    assert pause_s(NOT_CONNECTED, retry, 5.0, 0.5) == pytest.approx(longest_s / 2)
    assert pause_s(NOT_CONNECTED, retry, 5.0, 1.0) == pytest.approx(longest_s)


def test_there_is_no_third_retry() -> None:
    assert pause_s(NOT_CONNECTED, 3, 5.0, 0.0) is None


@pytest.mark.parametrize(("left_s", "is_paused"), [(0.21, True), (0.19, False), (0.0, False), (-1.0, False)])
def test_without_a_tenth_of_a_second_after_the_pause_there_is_no_retry(left_s: float, is_paused: bool) -> None:
    assert (pause_s(NOT_CONNECTED, 1, left_s, 1.0) is not None) is is_paused


@pytest.mark.parametrize(("asked_s", "expected_s"), [(0, 0.05), (1, 1.05), (4, 4.05), (5, None), (60, None)])
def test_lambdas_own_pause_is_kept_or_there_is_no_retry(asked_s: int, expected_s: float | None) -> None:
    error = PlatformError("runner_throttled", "d", at_least_s=asked_s)

    assert pause_s(error, 1, 5.0, 0.5) == (None if expected_s is None else pytest.approx(expected_s))


# The budget


def test_a_new_process_has_no_retry() -> None:
    assert not RetryBudget().take()


def test_the_tenth_call_earns_a_retry() -> None:
    budget = RetryBudget()
    for _ in range(9):
        budget.count_call()
    assert not budget.take()

    budget.count_call()
    assert [budget.take(), budget.take()] == [True, False]


def test_at_most_ten_retries_are_saved_up() -> None:
    budget = RetryBudget()
    for _ in range(1_000):
        budget.count_call()

    assert [budget.take() for _ in range(12)] == [True] * 10 + [False] * 2


@given(st.lists(st.integers(0, 3), max_size=300))
def test_retries_are_never_more_than_a_tenth_of_the_calls(wanted: list[int]) -> None:
    budget, retries = RetryBudget(), 0
    for calls, tries in enumerate(wanted, start=1):
        budget.count_call()
        retries += sum(budget.take() for _ in range(tries))
        assert retries * 10 <= calls
