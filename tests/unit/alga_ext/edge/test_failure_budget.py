"""Failing requests: how many an address and a token may send, and what their limit does not touch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.edge.failure_budget import FailureBudget
from alga_ext.errors import CODES, PlatformError
from tests.support.refusals import code_of

HOME, AWAY = "192.0.2.1", "198.51.100.7"
UNAUTHENTICATED = PlatformError("unauthenticated", "Send a token.")


def spent(address: str = HOME, authorization: str = "Bearer a", failures: int = 100) -> FailureBudget:
    """A budget after this many failed authentications at second 0."""
    budget = FailureBudget()
    for _ in range(failures):
        budget.check(address, authorization, 0.0)
        budget.failed(address, authorization, 0.0, UNAUTHENTICATED)
    return budget


def refused(budget: FailureBudget, address: str = HOME, authorization: str = "", now_s: float = 0.0) -> bool:
    """Whether the next request is refused."""
    return code_of(lambda: budget.check(address, authorization, now_s)) == "rate_limited"


def test_the_hundred_and_first_failure_of_an_address_is_refused() -> None:
    assert not refused(spent(failures=99))
    assert refused(spent(failures=100))


def test_a_refusal_says_after_how_many_seconds_the_next_request_is_accepted() -> None:
    budget = spent()
    with pytest.raises(PlatformError) as caught:
        budget.check(HOME, "", 0.25)

    assert caught.value.context == {"retry_after_s": 1}
    assert (refused(budget, now_s=0.9), refused(budget, now_s=1.0)) == (True, False)


def test_a_budget_refills_by_one_failure_a_second() -> None:
    budget = spent()
    for second in range(1, 10):
        assert not refused(budget, now_s=float(second))
        budget.failed(HOME, "", float(second), UNAUTHENTICATED)
        assert refused(budget, now_s=float(second))


def test_another_address_is_not_refused() -> None:
    assert not refused(spent(), AWAY)


def test_a_token_that_fails_everywhere_is_refused_everywhere() -> None:
    budget = FailureBudget()
    for number in range(100):
        budget.failed(f"192.0.2.{number}", "Bearer a", 0.0, UNAUTHENTICATED)

    assert refused(budget, AWAY, "Bearer a")
    assert not refused(budget, AWAY, "Bearer b")


def test_requests_without_a_token_have_only_the_budget_of_their_address() -> None:
    assert not refused(spent(authorization=""), AWAY, "")


def test_a_verified_token_is_not_refused_because_of_its_address() -> None:
    budget = FailureBudget()
    budget.verified("Bearer good", 0.0)
    for _ in range(200):
        budget.failed(HOME, "Bearer bad", 0.0, UNAUTHENTICATED)

    assert not refused(budget, HOME, "Bearer good")


def test_a_verified_token_that_fails_too_often_is_refused_and_its_address_is_not() -> None:
    budget = FailureBudget()
    budget.verified("Bearer good", 0.0)
    for _ in range(100):
        budget.failed(HOME, "Bearer good", 0.0, PlatformError("invalid_request", "No."))

    assert refused(budget, HOME, "Bearer good")
    assert not refused(budget, HOME, "Bearer other")


@pytest.mark.parametrize("code", sorted(CODES))
def test_only_refusals_that_a_correct_caller_does_not_repeat_are_charged(code: str) -> None:
    budget = FailureBudget()
    error = PlatformError(code, "x")
    for _ in range(100):
        budget.failed(HOME, "", 0.0, error)

    assert refused(budget) == (error.status in (400, 401, 403, 413))


def test_an_ipv6_network_of_a_subscriber_is_one_address() -> None:
    budget = FailureBudget()
    for number in range(100):
        budget.failed(f"2001:db8:1:2:{number:x}::1", "", 0.0, UNAUTHENTICATED)

    assert refused(budget, "2001:db8:1:2::ffff")
    assert refused(budget, "2001:db8:1:2:ffff::1")
    assert not refused(budget, "2001:db8:1:3::1")


def test_every_ipv4_address_has_a_budget_of_its_own() -> None:
    assert refused(spent("192.0.2.1"), "192.0.2.1")
    assert not refused(spent("192.0.2.1"), "192.0.2.0")


def test_whatever_is_no_address_shares_one_budget() -> None:
    assert refused(spent("somewhere"), "")
    assert not refused(spent("somewhere"), HOME)


def test_a_token_that_is_no_text_has_a_budget_too() -> None:
    assert refused(spent(authorization="\udcff"), AWAY, "\udcff")


@pytest.mark.parametrize("now_s", [-1e6, -0.5, 1e9])
def test_a_budget_is_full_at_first_whatever_the_clock_shows(now_s: float) -> None:
    budget = FailureBudget()
    for _ in range(100):
        assert not refused(budget, now_s=now_s)
        budget.failed(HOME, "", now_s, UNAUTHENTICATED)

    assert refused(budget, now_s=now_s)


@given(st.lists(st.text(max_size=40), max_size=50))
def test_any_address_and_any_token_have_a_budget(texts: list[str]) -> None:
    budget = FailureBudget()
    for text in texts:
        budget.check(text, text, 0.0)
        budget.failed(text, text, 0.0, UNAUTHENTICATED)


def test_callers_beyond_the_capacity_are_forgotten_oldest_first() -> None:
    budget = spent(authorization="")
    for number in range(4_094):  # with the address and the one of these requests there are 4,096 callers
        budget.failed("", f"Bearer {number}", 0.0, UNAUTHENTICATED)
    assert refused(budget)

    budget.failed("", "Bearer one more", 0.0, UNAUTHENTICATED)

    assert not refused(budget)


def test_a_caller_that_goes_on_failing_is_not_forgotten() -> None:
    budget = spent(authorization="")
    for number in range(8_000):
        budget.failed("", f"Bearer {number}", 0.0, UNAUTHENTICATED)
        if number % 1_000 == 0:
            budget.failed(HOME, "", 0.0, UNAUTHENTICATED)

    assert refused(budget)


def test_a_token_that_was_verified_long_ago_is_forgotten() -> None:
    budget = spent(authorization="")
    budget.verified("Bearer good", 0.0)
    for number in range(4_095):
        budget.verified(f"Bearer {number}", 0.0)
    assert not refused(budget, HOME, "Bearer good")

    budget.verified("Bearer one more", 0.0)

    assert refused(budget, HOME, "Bearer good")
