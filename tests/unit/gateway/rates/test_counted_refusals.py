"""Which refusals count toward a user's rate."""

import pytest

from alga_ext.calls.limits import parse_defaults
from alga_ext.errors import CODES, PlatformError
from functions.gateway.rates.calls import CallRates
from functions.gateway.rates.limiter import Clocks, RateLimiter
from tests.support.gateway import principal
from tests.support.rate_model import ModelBuckets

CLOCKS = Clocks(1_700_000_000.0, 1_700_000_000.0)
COUNTED = {code for code in CODES if PlatformError(code, "x").status in (403, 404, 409)}


def rates_of_one_call() -> CallRates:
    """The rates of users who may make one call."""
    defaults = parse_defaults('{"tenant": {"user": {"burst": 1, "per_second": 0.001}}}')
    return CallRates(RateLimiter(ModelBuckets(lambda: 1_700_000_000_000_000).of("one")), defaults)


def is_counted(code: str) -> bool:
    """Whether a user with one call left has none after this refusal."""
    rates = rates_of_one_call()
    rates.count_refusal(principal(), PlatformError(code, "No."), CLOCKS)
    try:
        rates.count_refusal(principal(), PlatformError("not_found", "No."), CLOCKS)
    except PlatformError as error:
        return error.code == "rate_limited"
    return False


@pytest.mark.parametrize("code", sorted(CODES))
def test_refusals_with_403_404_and_409_count_and_others_do_not(code: str) -> None:
    assert is_counted(code) is (code in COUNTED)


def test_a_caller_without_a_tenant_has_no_rate() -> None:
    rates = rates_of_one_call()
    for _ in range(2):
        rates.count_refusal(principal(tenant_id=None), PlatformError("forbidden", "No."), CLOCKS)
