"""Which buckets a call and a refusal count toward, with buckets in memory and a clock of the test's own."""

from alga_ext.calls.limits import (
    PRODUCT,
    EffectiveLimits,
    InstallLimits,
    Limits,
    Rate,
    TenantLimits,
    effective,
)
from alga_ext.errors import PlatformError
from functions.gateway.rates.calls import CallRates
from functions.gateway.rates.limiter import Clocks, RateLimiter
from tests.support.gateway import install, principal
from tests.support.rate_model import ModelBuckets

NOT_FOUND = PlatformError("not_installed", "It is not there.")


class Door:
    """Processes that share buckets. ``now_s`` is the clock of all."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0
        self.buckets = ModelBuckets(lambda: round(self.now_s * 1e6))
        self.rates = self.process("first")

    def process(self, name: str) -> CallRates:
        return CallRates(RateLimiter(self.buckets.of(name)), PRODUCT)

    def call(self, limits: EffectiveLimits, subject: str = "ann") -> str:
        """Make a call as the gateway does, and return the detail of its refusal, or nothing."""
        caller, clocks = principal(subject=subject), Clocks(self.now_s, self.now_s)
        try:
            self.rates.check_known(caller, "acme", clocks)
            self.rates.note("acme", limits, clocks)
            self.rates.take(install(limits=limits), caller, "acme", clocks)
        except PlatformError as error:
            return error.detail
        return ""

    def refusal(self, rates: CallRates, subject: str = "ann") -> bool:
        """Ask for an extension that is not installed, and tell whether the answer is "too many"."""
        caller, clocks = principal(subject=subject), Clocks(self.now_s, self.now_s)
        try:
            rates.check_known(caller, "acme", clocks)
            rates.count_refusal(caller, NOT_FOUND, clocks)
        except PlatformError:
            return True
        return False

    def admitted(self, limits: EffectiveLimits, times: int) -> int:
        return sum(not self.call(limits) for _ in range(times))


def of_tenant(rate: Rate, install_rate: Rate | None = None) -> Limits:
    return Limits(tenant=TenantLimits(user=rate, tenant=rate), install=InstallLimits(rate=install_rate or rate))


ALLOWED = of_tenant(Rate(burst=100, per_second=1))


def test_a_tenant_that_lowers_its_rates_and_raises_them_again_gets_no_full_buckets() -> None:
    door, allowed = Door(), effective(PRODUCT, ALLOWED)
    admitted = door.admitted(allowed, 120)
    for rate in (Rate(burst=1, per_second=1), Rate(burst=100, per_second=0.001)):
        door.now_s += 2
        admitted += door.admitted(effective(PRODUCT, ALLOWED, of_tenant(rate)), 120)
        admitted += door.admitted(allowed, 120)
    assert admitted == 100 + 2 + 2


def test_a_rate_that_the_tenant_lowered_holds_and_the_refusal_names_it() -> None:
    door = Door()
    lowered = effective(PRODUCT, ALLOWED, Limits(tenant=TenantLimits(user=Rate(burst=3, per_second=0.5))))
    assert door.admitted(lowered, 3) == 3
    assert door.call(lowered).startswith("You have made too many calls: 3 at once and 0.5 a second are allowed.")


def test_a_process_that_does_not_know_a_tenants_limits_fills_no_bucket_of_a_slower_rate() -> None:
    door, slow = Door(), effective(PRODUCT, of_tenant(Rate(burst=5, per_second=0.001)))
    assert door.admitted(slow, 6) == 5
    for number in range(3):
        assert not door.refusal(door.process(f"new {number}"))
    assert door.admitted(slow, 6) == 0


def test_refusals_of_many_users_of_a_tenant_count_toward_its_rate_and_then_cost_no_trip() -> None:
    door = Door()
    few = effective(PRODUCT, Limits(tenant=TenantLimits(tenant=Rate(burst=10, per_second=0.001))))
    door.rates.note("acme", few, Clocks(door.now_s, door.now_s))
    answers = [door.refusal(door.rates, f"user-{number}") for number in range(12)]
    assert answers == [False] * 10 + [True] * 2
    trips = door.buckets.trips
    assert door.refusal(door.rates, "user-new")
    assert door.buckets.trips == trips


def test_limits_that_were_noted_long_ago_are_not_used_for_refusals() -> None:
    door, slow = Door(), effective(PRODUCT, of_tenant(Rate(burst=1, per_second=0.001)))
    assert door.admitted(slow, 2) == 1
    assert door.refusal(door.rates)
    door.now_s += 61
    assert not door.refusal(door.rates)
