"""The totals of the metrics that a guest emits in one call."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls import metrics
from alga_ext.calls.envelope import ExecuteResponse, MetricTotal, decode_response, encode
from functions.runner.kept_metrics import KeptMetrics
from functions.runner.sandbox.child import local_imports
from functions.runner.sandbox.protocol.messages import Metric

DECLARED = {"orders": "Count", "errors": "Percent"}


def kept(*values: tuple[str, float], declared: dict[str, str] | None = None) -> list[MetricTotal]:
    made = KeptMetrics(DECLARED if declared is None else declared)
    for name, value in values:
        made.add(Metric(name, value, "Bytes", [("region", "eu")]))
    return made.totals()


def test_values_of_a_name_become_one_total_with_the_declared_unit() -> None:
    assert kept(("orders", 3.0), ("orders", -1.0), ("orders", 2.5)) == [
        MetricTotal(name="orders", unit="Count", count=3, sum=4.5, min=-1.0, max=3.0)
    ]


def test_totals_are_in_the_order_of_their_names() -> None:
    assert [total.name for total in kept(("orders", 1), ("errors", 1))] == ["errors", "orders"]


@settings(max_examples=60, derandomize=True, database=None)
@given(names=st.lists(st.text(max_size=70) | st.sampled_from(["orders", "errors"]), max_size=40))
def test_only_declared_metrics_are_kept(names: list[str]) -> None:
    made = KeptMetrics(DECLARED)
    added = [made.add(Metric(name, 1.0, "Bytes", [])) for name in names]

    assert added == [name in DECLARED for name in names]
    assert {total.name: total.count for total in made.totals()} == {
        name: names.count(name) for name in DECLARED if name in names
    }


@pytest.mark.parametrize("name", ["", "a b", "1st", "x\n", "ü", "a/b", "n" * 65])
def test_a_declared_name_that_no_manifest_may_have_is_not_kept(name: str) -> None:
    assert kept((name, 1.0), declared={name: "Count"}) == []


def test_at_most_twenty_names_are_taken_from_the_envelope() -> None:
    names = [f"m{number}" for number in range(21)]
    assert len(kept(*((name, 1.0) for name in names), declared=dict.fromkeys(names, "Count"))) == 20


def test_a_call_has_a_hundred_values_and_the_next_is_dropped() -> None:
    made = KeptMetrics(DECLARED)
    added = [made.add(Metric("orders", 1.0, "", [])) for _ in range(101)]

    assert (added.count(True), added[100]) == (100, False)
    assert made.totals()[0].count == 100


def test_the_sandbox_and_the_runner_have_the_same_limit_of_values() -> None:
    assert local_imports.METRICS_LIMIT == metrics.EMITTED_LIMIT == 100


def test_a_unit_that_is_not_known_is_none() -> None:
    assert kept(("m", 1.0), declared={"m": "furlongs"})[0].unit == "None"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.0000001e280, -1e300])
def test_a_value_beyond_the_limit_is_dropped(value: float) -> None:
    assert kept(("orders", value)) == []


@pytest.mark.parametrize("value", [1e280, -1e280])
def test_a_hundred_values_at_the_limit_are_a_valid_answer(value: float) -> None:
    totals = kept(*[("orders", value)] * 100)

    answered = decode_response(encode(ExecuteResponse(status=200, metrics=totals)))
    assert answered.metrics == totals
    assert math.isfinite(answered.metrics[0].sum)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a b"},
        {"name": "x\n"},
        {"unit": "furlongs"},
        {"count": 0},
        {"count": 101},
        {"sum": 1e300},
        {"min": -1e281},
    ],
    ids=str,
)
def test_an_answer_with_a_total_out_of_range_is_not_valid(change: dict[str, object]) -> None:
    total = {"name": "orders", "unit": "Count", "count": 1, "sum": 1.0, "min": 1.0, "max": 1.0, **change}

    with pytest.raises(Exception, match="bad_gateway"):
        decode_response(msgspec.json.encode({"status": 200, "metrics": [total]}))


def test_an_answer_with_more_than_twenty_totals_is_not_valid() -> None:
    total = {"name": "orders", "unit": "Count", "count": 1, "sum": 1.0, "min": 1.0, "max": 1.0}

    with pytest.raises(Exception, match="bad_gateway"):
        decode_response(msgspec.json.encode({"status": 200, "metrics": [total] * 21}))
