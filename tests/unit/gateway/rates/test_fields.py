"""The RateLimit header fields: lists of strings with parameters, as RFC 9651 writes them."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alga_ext.calls.limits import (
    AMOUNT_LIMIT,
    PRODUCT,
    Amount,
    Amounts,
    InstallLimits,
    Limits,
    Quotas,
    Rate,
    TenantLimits,
    effective,
)
from alga_ext.edge.http import problem
from alga_ext.errors import PlatformError
from functions.gateway import quotas
from functions.gateway.install import Install
from functions.gateway.quotas import Usage
from functions.gateway.rates.calls import CallRates
from functions.gateway.rates.fields import rate_fields
from functions.gateway.rates.limiter import Clocks, Level, RateLimiter, Verdict
from tests.support.gateway import install, principal
from tests.support.rate_model import ModelBuckets

_STRING: Final = r'"([\x20-\x21\x23-\x5b\x5d-\x7e]*)"'
_INTEGER: Final = r"-?[0-9]{1,15}"
_PARAMETERS: Final = rf"(?:;[a-z*][a-z0-9_.*-]*=(?:{_INTEGER}|{_STRING}))*"
_LIST: Final = re.compile(rf"{_STRING}({_PARAMETERS})(?:, {_STRING}({_PARAMETERS}))*\Z")
_ITEM: Final = re.compile(rf"{_STRING}({_PARAMETERS})(?:, |\Z)")
_PARAMETER: Final = re.compile(rf";([a-z]+)=(?:({_INTEGER})|{_STRING})")


def parsed(value: str) -> dict[str, dict[str, int | str]]:
    """The parameters of each item of a list of strings (RFC 9651, sections 3.1, 3.1.2, 3.3.1 and 3.3.3)."""
    assert _LIST.match(value), value
    return {
        item[1]: {name: int(number) if number else text for name, number, text in _PARAMETER.findall(item[2])}
        for item in _ITEM.finditer(value)
    }


def both(headers: Mapping[str, str]) -> tuple[dict[str, dict[str, int | str]], dict[str, dict[str, int | str]]]:
    policies, states = parsed(headers["ratelimit-policy"]), parsed(headers["ratelimit"])
    assert policies.keys() == states.keys()
    assert all(parameters.keys() >= {"q", "w"} for parameters in policies.values())
    assert all(parameters.keys() == {"r", "t"} for parameters in states.values())
    return policies, states


RATES = st.builds(Rate, burst=st.integers(1, 100_000), per_second=st.floats(0.001, 10_000, allow_nan=False))


class Caller:
    """One user's calls of one install, on buckets in memory."""

    def __init__(self, *rates: Rate) -> None:
        self.now_s = 1_700_000_000.0
        limiter = RateLimiter(ModelBuckets(lambda: round(self.now_s * 1e6)).of("one"))
        self._rates = CallRates(limiter, PRODUCT)
        user, of_install, tenant = rates
        set_limits = Limits(tenant=TenantLimits(user=user, tenant=tenant), install=InstallLimits(rate=of_install))
        self._install: Install = install(limits=effective(PRODUCT, set_limits))

    def take(self) -> Verdict:
        return self._rates.take(self._install, principal(), "acme", Clocks(self.now_s, self.now_s))

    def refusal(self) -> PlatformError | None:
        """Make a call; return the error with which it is refused."""
        try:
            self.take()
        except PlatformError as error:
            return error
        return None


@given(rates=st.tuples(RATES, RATES, RATES))
@example(rates=(Rate(burst=1, per_second=10_000),) * 3)
@settings(max_examples=50, deadline=None)
def test_the_fields_of_an_answer_are_lists_of_whole_numbers(rates: tuple[Rate, Rate, Rate]) -> None:
    policies, states = both(rate_fields(Caller(*rates).take().levels))

    assert list(policies) == ["user", "install", "tenant"]
    assert [parameters["q"] for parameters in policies.values()] == [rate.burst for rate in rates]
    assert [parameters["w"] for parameters in policies.values()] == [
        max(1, math.ceil(rate.burst / rate.per_second)) for rate in rates
    ]
    assert all(int(state["t"]) >= 1 for state in states.values())


@given(
    bursts=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    per_second=st.tuples(*[st.sampled_from([0.1, 0.25, 1.0, 2.0, 50.0])] * 3),
    pauses_s=st.lists(st.sampled_from([0.0, 0.01, 0.4, 1.7, 3.0]), min_size=5, max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_a_refusal_never_asks_to_come_back_before_the_fields_do(
    bursts: tuple[int, int, int], per_second: tuple[float, float, float], pauses_s: list[float]
) -> None:
    caller = Caller(*(Rate(burst=burst, per_second=rate) for burst, rate in zip(bursts, per_second, strict=True)))
    for pause_s in pauses_s:
        caller.now_s += pause_s
        if (error := caller.refusal()) is None:
            continue
        answer = problem(error, "r-1")
        _, states = both(answer["headers"])
        assert list(states) == error.members["violated-policies"]
        assert {state["r"] for state in states.values()} == {0}
        assert int(answer["headers"]["retry-after"]) == max(int(state["t"]) for state in states.values())


@pytest.mark.parametrize("hard", [0, 1, AMOUNT_LIMIT])
def test_a_quota_that_is_used_up_is_in_the_fields(hard: int) -> None:
    amounts = Amounts(calls=Amount(hard=hard), egress_bytes=Amount(hard=hard))
    limits = effective(PRODUCT, Limits(install=InstallLimits(quotas=Quotas(day=amounts, month=amounts))))
    used = {"calls": float(hard), "egress_bytes": float(hard)}
    usage = Usage({"2026-02-14": used, "2026-02": used})
    with pytest.raises(PlatformError) as caught:
        quotas.check(limits, usage, datetime(2026, 2, 14, 12, tzinfo=UTC))

    answer = problem(caught.value, "r-1")
    policies, states = both(answer["headers"])
    shown = min(hard, 10**15 - 1)
    assert policies["install-day-calls"] == {"q": shown, "w": 86_400}
    assert policies["install-month-egress-bytes"] == {"q": shown, "qu": "egress-bytes", "w": 28 * 86_400}
    assert states["install-day-calls"] == {"r": 0, "t": 43_200}
    assert list(policies) == caught.value.members["violated-policies"]
    assert int(answer["headers"]["retry-after"]) == max(int(state["t"]) for state in states.values())


def test_without_a_policy_there_is_no_field() -> None:
    assert rate_fields([]) == {}


def test_a_window_has_at_least_a_second() -> None:
    level = Level("user", Rate(burst=1, per_second=10_000), remaining=1, next_s=1)
    assert rate_fields([level])["ratelimit-policy"] == '"user";q=1;w=1'
