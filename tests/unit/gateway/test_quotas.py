"""Quotas: which calls they refuse, until when, and how far a total can go beyond a limit."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from alga_ext.calls.limits import (
    PRODUCT,
    Amount,
    Amounts,
    EffectiveLimits,
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
from functions.gateway.quotas import Totals, Usage

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
DAY, MONTH = "2026-03-14", "2026-03"


def amounts(metric: str = "calls", hard: int | None = 10, warning: int | None = None) -> Amounts:
    return Amounts(**{metric: Amount(hard=hard, warning=warning)})


def limits(install: Quotas | None = None, tenant: Quotas | None = None) -> EffectiveLimits:
    given = Limits(tenant=TenantLimits(quotas=tenant or Quotas()), install=InstallLimits(quotas=install or Quotas()))
    return effective(PRODUCT, given)


def refused(limits: EffectiveLimits, usage: Usage, now: datetime = NOON) -> list[str]:
    return [violation.policy for violation in quotas.violations(limits, usage, now)]


def seconds(limits: EffectiveLimits, usage: Usage, now: datetime) -> int:
    with pytest.raises(PlatformError) as caught:
        quotas.check(limits, usage, now)
    return caught.value.retry_after_s


def test_without_quotas_nothing_is_refused() -> None:
    used: Totals = {DAY: {"calls": 10**9, "cpu_ms": 1e12}, MONTH: {"calls": 10**9}}
    assert refused(limits(), Usage(used, used)) == []


@pytest.mark.parametrize(("used", "expected"), [(9, []), (10, ["install-day-calls"]), (11, ["install-day-calls"])])
def test_a_quota_is_used_up_when_the_total_reaches_it(used: int, expected: list[str]) -> None:
    assert refused(limits(Quotas(day=amounts())), Usage({DAY: {"calls": used}})) == expected


@pytest.mark.parametrize("metric", ["calls", "cpu_ms", "egress_bytes", "log_bytes"])
@pytest.mark.parametrize(("period", "name"), [("day", DAY), ("month", MONTH)])
@pytest.mark.parametrize("owner", ["install", "tenant"])
def test_every_quota_refuses_and_has_a_name_of_its_own(owner: str, period: str, name: str, metric: str) -> None:
    given = limits(**{owner: Quotas(day=amounts(metric)) if period == "day" else Quotas(month=amounts(metric))})
    usage = Usage(**{owner: {name: {metric: 10.0}}})
    assert refused(given, usage) == [f"{owner}-{period}-{metric.replace('_', '-')}"]


def test_the_totals_of_the_install_do_not_use_up_the_tenants_quota() -> None:
    assert refused(limits(tenant=Quotas(day=amounts())), Usage(install={DAY: {"calls": 99}})) == []


def test_a_hard_limit_of_zero_refuses_the_first_call() -> None:
    assert refused(limits(Quotas(day=amounts(hard=0))), Usage()) == ["install-day-calls"]


def test_a_warning_refuses_nothing() -> None:
    given = limits(Quotas(day=amounts(hard=None, warning=1)))
    assert refused(given, Usage({DAY: {"calls": 5}})) == []


def test_storage_refuses_no_call_so_that_an_extension_can_delete() -> None:
    given = limits(Quotas(storage_bytes=Amount(hard=0)), Quotas(storage_bytes=Amount(hard=0)))
    assert refused(given, Usage()) == []


def test_yesterdays_total_in_the_cache_does_not_refuse_todays_call() -> None:
    given, read_yesterday = limits(Quotas(day=amounts())), Usage({DAY: {"calls": 10}})
    assert refused(given, read_yesterday, datetime(2026, 3, 14, 23, 59, 59, 999_999, UTC)) == ["install-day-calls"]
    assert refused(given, read_yesterday, datetime(2026, 3, 15, tzinfo=UTC)) == []


def test_last_months_total_in_the_cache_does_not_refuse_this_months_call() -> None:
    given, read_before = limits(tenant=Quotas(month=amounts())), Usage(tenant={MONTH: {"calls": 10}})
    assert refused(given, read_before, datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)) == ["tenant-month-calls"]
    assert refused(given, read_before, datetime(2026, 4, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(days=1), timedelta(days=400)])
def test_a_clock_that_jumps_to_another_day_takes_that_days_total(jump: timedelta) -> None:
    given = limits(Quotas(day=amounts()))
    assert refused(given, Usage({DAY: {"calls": 10}}), NOON + jump) == []


def test_a_clock_that_returns_finds_the_quota_used_up_again() -> None:
    given, usage = limits(Quotas(day=amounts())), Usage({DAY: {"calls": 10}})
    assert [bool(refused(given, usage, NOON + jump)) for jump in (timedelta(days=1), timedelta())] == [False, True]


def test_days_end_in_utc_whatever_the_time_zone_of_the_instant() -> None:
    evening = datetime(2026, 3, 14, 23, 30, tzinfo=timezone(timedelta(hours=-5)))  # 04:30 of the 15th in UTC
    assert refused(limits(Quotas(day=amounts())), Usage({DAY: {"calls": 10}}), evening) == []


@pytest.mark.parametrize(
    ("now", "day_s", "month_s"),
    [
        (NOON, 12 * 3600, 17 * 86_400 + 12 * 3600),
        (datetime(2026, 3, 14, tzinfo=UTC), 86_400, 18 * 86_400),
        (datetime(2026, 12, 31, 23, 59, 59, 1, UTC), 1, 1),
        (datetime(2028, 2, 28, 12, tzinfo=UTC), 12 * 3600, 86_400 + 12 * 3600),
    ],
)
def test_retry_after_is_the_time_until_the_period_ends(now: datetime, day_s: int, month_s: int) -> None:
    usage = Usage({name: {"calls": 10} for name in quotas.day_and_month(now)})
    assert seconds(limits(Quotas(day=amounts())), usage, now) == day_s
    assert seconds(limits(Quotas(month=amounts())), usage, now) == month_s


def test_the_answer_is_429_and_names_every_quota_that_is_used_up() -> None:
    given = limits(Quotas(day=amounts("cpu_ms"), month=amounts()), Quotas(day=amounts()))
    totals: Totals = {DAY: {"calls": 12, "cpu_ms": 10.5}, MONTH: {"calls": 40}}
    with pytest.raises(PlatformError) as caught:
        quotas.check(given, Usage(totals, totals), NOON)
    answer = problem(caught.value, "r-1")
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (429, str(17 * 86_400 + 12 * 3600))
    assert caught.value.members == {
        "violated-policies": ["install-day-cpu-ms", "install-month-calls", "tenant-day-calls"]
    }
    assert "install-day-cpu-ms (10 of 10)" in caught.value.detail


# How far beyond


class Recorder:
    """Adds a call to the total some time after it was admitted."""

    def __init__(self, lag_s: float) -> None:
        self._lag_s = lag_s
        self._due_s: list[float] = []
        self._total = 0

    def admitted(self, now_s: float) -> None:
        heapq.heappush(self._due_s, now_s + self._lag_s)

    def total(self, now_s: float) -> int:
        while self._due_s and self._due_s[0] <= now_s:
            heapq.heappop(self._due_s)
            self._total += 1
        return self._total


class Bucket:
    """A token bucket, shared by all gateways."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at_s = 0.0

    def take(self, now_s: float) -> bool:
        filled = self._tokens + (now_s - self._at_s) * self._rate.per_second
        self._tokens, self._at_s = min(self._rate.burst, filled), now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def cached(read: Callable[[float], int], lifetime_s: float) -> Callable[[float], Usage]:
    """Return a gateway's view of a total: read again when its lifetime is over."""
    expires_s, usage = -1.0, Usage()

    def view(now_s: float) -> Usage:
        nonlocal expires_s, usage
        if now_s >= expires_s:
            expires_s, usage = now_s + lifetime_s, Usage({DAY: {"calls": read(now_s)}})
        return usage

    return view


@pytest.mark.parametrize("gateways", [1, 16])
@pytest.mark.parametrize(("cache_s", "lag_s"), [(0.0, 0.0), (2.0, 0.0), (0.0, 5.0), (2.0, 5.0), (60.0, 30.0)])
@pytest.mark.parametrize("rate", [Rate(burst=60, per_second=1), Rate(burst=30, per_second=20)])
@pytest.mark.parametrize("hard", [0, 10, 500])
def test_calls_beyond_a_quota_are_at_most_what_the_rate_admits_in_cache_and_lag(
    rate: Rate, cache_s: float, lag_s: float, gateways: int, hard: int
) -> None:
    bucket, recorder, given = Bucket(rate), Recorder(lag_s), limits(Quotas(day=amounts(hard=hard)))
    views = [cached(recorder.total, cache_s) for _ in range(gateways)]
    admitted, step_s = 0, 1 / (2 * rate.per_second)  # twice as many calls as the rate admits
    for turn in range(int((hard + rate.burst) * 3 + (cache_s + lag_s) / step_s)):
        now_s = turn * step_s
        usage = views[turn % gateways](now_s)
        attempts = rate.burst + 1 if turn == 0 else 1
        for _ in range(attempts):
            if not quotas.violations(given, usage, NOON) and bucket.take(now_s):
                admitted += 1
                recorder.admitted(now_s)
    assert min(hard, admitted) == hard, "the quota is not reached, so nothing is shown"
    assert admitted - hard <= rate.burst + rate.per_second * (cache_s + lag_s)


def test_a_quota_without_a_hard_limit_hides_no_other_one() -> None:
    both = Quotas(day=amounts(hard=None, warning=5), month=amounts(hard=10))
    assert refused(limits(both), Usage({DAY: {"calls": 10}, MONTH: {"calls": 10}})) == ["install-month-calls"]


def test_what_was_not_counted_yet_is_zero() -> None:
    assert refused(limits(Quotas(day=amounts(hard=1))), Usage()) == []
    assert refused(limits(Quotas(day=amounts(hard=0))), Usage()) == ["install-day-calls"]
