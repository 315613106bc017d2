"""The model of cold calls: shares add up, silence makes calls cold, and less memory makes them slower."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.runner.settings import RunnerSettings
from tools.cost.cold_calls import (
    Shares,
    Work,
    kept_sandboxes,
    latency,
    own_environment,
    shared_environment,
)

COLD, NEW, WARM = Work(300, 200), Work(150, 140), Work(5, 5)
rates = st.floats(0.01, 10_000)
minutes = st.floats(1, 60)


def test_a_call_an_hour_is_cold_when_the_ten_minutes_before_it_were_silent() -> None:
    assert own_environment(1, 10).cold == pytest.approx(math.exp(-1 / 6))


@given(rates, minutes, st.integers(1, 1_000), st.integers(1, 25))
def test_the_shares_are_one_together(rate: float, kept_min: float, tenants: int, sandboxes: int) -> None:
    for shares in (own_environment(rate, kept_min), shared_environment(rate, kept_min, tenants, sandboxes)):
        assert sum(shares) == pytest.approx(1)
        assert min(shares) >= 0


@given(rates, minutes)
def test_who_calls_more_often_or_is_kept_longer_has_fewer_cold_calls(rate: float, kept_min: float) -> None:
    cold = own_environment(rate, kept_min).cold

    assert own_environment(2 * rate, kept_min).cold <= cold
    assert own_environment(rate, 2 * kept_min).cold <= cold


@given(rates, minutes, st.integers(1, 25))
def test_a_shared_environment_of_one_tenant_is_its_own(rate: float, kept_min: float, sandboxes: int) -> None:
    assert shared_environment(rate, kept_min, 1, sandboxes) == own_environment(rate, kept_min)


@given(rates, minutes, st.integers(2, 1_000))
def test_sharing_makes_fewer_calls_cold_and_some_without_a_sandbox(rate: float, kept_min: float, tenants: int) -> None:
    shared = shared_environment(rate, kept_min, tenants, tenants - 1)

    assert shared.cold <= own_environment(rate, kept_min).cold
    assert shared.new_sandbox == pytest.approx((1 - shared.cold) / tenants)


def test_as_many_sandboxes_as_tenants_are_enough() -> None:
    assert shared_environment(60, 10, 3, 3).new_sandbox == 0


@pytest.mark.parametrize(
    ("memory_mb", "ms"), [(896, 300 * 1769 / 896), (1_769, 300), (2_432, 300 * 1769 / 2432), (10_240, 200)]
)
def test_a_share_of_a_core_takes_as_much_longer_and_more_cores_no_less_than_the_longest_path(
    memory_mb: int, ms: float
) -> None:
    assert COLD.time_ms(memory_mb) == pytest.approx(ms)


@pytest.mark.parametrize(
    ("shares", "p95_ms"),
    [
        (Shares(0.06, 0, 0.94), 300),
        (Shares(0.05, 0, 0.95), 5),
        (Shares(0.04, 0.02, 0.94), 150),
        (Shares(0.04, 0.01, 0.95), 5),
        (Shares(0, 1, 0), 150),
    ],
)
def test_the_95th_percentile_is_that_of_the_slowest_twentieth(shares: Shares, p95_ms: float) -> None:
    assert latency(shares, COLD, NEW, WARM, 1_769).p95_ms == p95_ms


def test_the_mean_weighs_each_kind_of_call() -> None:
    assert latency(Shares(0.1, 0.2, 0.7), COLD, NEW, WARM, 1_769).mean_ms == pytest.approx(30 + 30 + 3.5)


@pytest.mark.parametrize(
    ("memory_mb", "sandbox_mb", "kept"), [(896, 256, 1), (1_769, 512, 1), (2_432, 512, 3), (10_240, 512, 18)]
)
def test_all_sandboxes_but_the_spare_keep_an_install_warm(memory_mb: int, sandbox_mb: int, kept: int) -> None:
    assert kept_sandboxes(memory_mb, sandbox_mb) == kept


def test_the_default_memory_keeps_one_sandbox_fewer_than_there_are() -> None:
    fields = RunnerSettings.fields()
    memory_mb, sandbox_mb = (fields[name].default for name in ("aws_lambda_function_memory_size", "sandbox_memory_mb"))

    assert kept_sandboxes(memory_mb, sandbox_mb) == 3
