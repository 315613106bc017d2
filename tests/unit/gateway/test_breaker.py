"""When calls of an install are refused for a short time, and which one is let through to try."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.messages import BreakerState
from functions.gateway.breaker import FAILURES, OPEN_S, Breakers, Outcome, Refused, outcome

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
SUCCESS, FAILURE, NOTHING = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOTHING
NOW_S = 1_000.0


def call(breakers: Breakers, ended: Outcome, now_s: float = NOW_S, install: str = "i") -> BreakerState:
    """Make a call that is let through, and return the state to record."""
    admitted = breakers.admit(install, now_s)
    assert isinstance(admitted, BreakerState)
    return breakers.settle(install, admitted, ended, now_s)


def opened(now_s: float = NOW_S) -> Breakers:
    """Breakers of which that of ``i`` has just opened."""
    breakers = Breakers()
    for _ in range(FAILURES):
        call(breakers, FAILURE, now_s)
    return breakers


def test_the_fifth_failure_in_a_row_opens_it_and_is_recorded_so() -> None:
    breakers = Breakers()

    assert [call(breakers, FAILURE) for _ in range(5)] == [CLOSED] * 4 + [OPEN]
    assert breakers.admit("i", NOW_S) == Refused(10)


def test_a_success_in_between_starts_the_count_again() -> None:
    breakers = Breakers()
    for _ in range(4):
        call(breakers, FAILURE)
    call(breakers, SUCCESS)

    assert [call(breakers, FAILURE) for _ in range(5)] == [CLOSED] * 4 + [OPEN]


def test_a_call_that_says_nothing_changes_no_count() -> None:
    breakers = Breakers()

    assert [call(breakers, ended) for ended in [FAILURE] * 4 + [NOTHING, FAILURE]] == [CLOSED] * 5 + [OPEN]


def test_another_install_is_not_refused() -> None:
    assert opened().admit("other", NOW_S) == CLOSED


@pytest.mark.parametrize(("later_s", "retry_after_s"), [(0, 10), (0.5, 10), (1, 9), (9, 1), (9.99, 1)])
def test_a_refusal_says_the_exact_rest_in_whole_seconds(later_s: float, retry_after_s: int) -> None:
    assert opened().admit("i", NOW_S + later_s) == Refused(retry_after_s)


def test_after_ten_seconds_one_call_is_let_through() -> None:
    breakers = opened()

    assert breakers.admit("i", NOW_S + OPEN_S) == HALF_OPEN
    assert [breakers.admit("i", NOW_S + OPEN_S + later_s) for later_s in (0, 5, 100)] == [Refused(1)] * 3


def test_a_probe_that_succeeds_closes_it() -> None:
    breakers = opened()

    assert call(breakers, SUCCESS, NOW_S + 10) == HALF_OPEN
    assert [call(breakers, FAILURE, NOW_S + 10) for _ in range(5)] == [CLOSED] * 4 + [OPEN]


def test_a_probe_that_fails_opens_it_for_another_ten_seconds() -> None:
    breakers = opened()

    assert call(breakers, FAILURE, NOW_S + 12) == HALF_OPEN
    assert breakers.admit("i", NOW_S + 12 + 9) == Refused(1)
    assert breakers.admit("i", NOW_S + 12 + 10) == HALF_OPEN


def test_after_a_probe_that_says_nothing_the_next_call_is_the_probe() -> None:
    breakers = opened()

    assert call(breakers, NOTHING, NOW_S + 10) == HALF_OPEN
    assert call(breakers, SUCCESS, NOW_S + 10) == HALF_OPEN
    assert breakers.admit("i", NOW_S + 10) == CLOSED


@pytest.mark.parametrize("ended", Outcome)
def test_a_call_from_before_it_opened_changes_nothing(ended: Outcome) -> None:
    breakers = Breakers()
    early = breakers.admit("i", NOW_S)
    assert early is CLOSED
    for _ in range(FAILURES):
        call(breakers, FAILURE)

    assert breakers.settle("i", early, ended, NOW_S + 5) == CLOSED
    assert breakers.admit("i", NOW_S + 9) == Refused(1)
    assert breakers.admit("i", NOW_S + 10) == HALF_OPEN


@pytest.mark.parametrize("back_s", [0.001, 1, 10, 1e9])
def test_a_clock_that_is_put_back_does_not_keep_it_open(back_s: float) -> None:
    assert opened().admit("i", NOW_S - back_s) == HALF_OPEN


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.floats(-100, 100)), max_size=60))
def test_calls_are_let_through_again_whatever_the_clock_does(calls: list[tuple[Outcome, float]]) -> None:
    breakers, now_s = Breakers(), NOW_S
    for ended, step_s in calls:
        now_s += step_s
        admitted = breakers.admit("i", now_s)
        if isinstance(admitted, Refused):
            assert 1 <= admitted.retry_after_s <= OPEN_S
        else:
            breakers.settle("i", admitted, ended, now_s)

    assert not isinstance(breakers.admit("i", now_s + OPEN_S), Refused)


def test_of_many_threads_one_gets_the_probe() -> None:
    breakers, together = opened(), Barrier(16)

    def ask(_: int) -> BreakerState | Refused:
        together.wait()
        return breakers.admit("i", NOW_S + 10)

    with ThreadPoolExecutor(16) as threads:
        admitted = list(threads.map(ask, range(16)))

    assert (admitted.count(HALF_OPEN), admitted.count(Refused(1))) == (1, 15)


def test_the_install_whose_failure_is_the_oldest_is_forgotten_first() -> None:
    breakers = Breakers(capacity=2)
    for install in ("a", "b", "a", "c"):  # "b" goes
        call(breakers, FAILURE, install=install)

    assert [call(breakers, FAILURE, install="a") for _ in range(3)] == [CLOSED, CLOSED, OPEN]
    assert [call(breakers, FAILURE, install="b") for _ in range(5)] == [CLOSED] * 4 + [OPEN]


@pytest.mark.parametrize(
    ("error_code", "is_answered", "expected"),
    [
        (None, True, SUCCESS),
        ("guest_trapped", True, SUCCESS),
        ("guest_out_of_memory", True, SUCCESS),
        ("artifact_not_found", True, SUCCESS),
        ("guest_timeout", True, FAILURE),
        ("runner_unavailable", True, FAILURE),
        ("runner_unavailable", False, FAILURE),
        ("gateway_timeout", False, FAILURE),
        ("runner_throttled", False, NOTHING),
        ("bad_gateway", False, NOTHING),
        ("payload_too_large", False, NOTHING),
    ],
)
def test_only_timeouts_and_runner_failures_count(error_code: str | None, is_answered: bool, expected: Outcome) -> None:
    assert outcome(error_code, is_answered=is_answered) == expected
