"""Limits, replayed tokens, outcomes, records: small pure rules of the runner."""

import pytest

from alga_ext.calls.envelope import ExecuteLimits, Usage
from alga_ext.errors import PlatformError
from functions.runner import outcome
from functions.runner.limits import Maxima, effective
from functions.runner.records import embedded
from functions.runner.replay import UsedTokens
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Done, Failed, Figures, Metric
from functions.runner.sandbox.protocol.verdict import Verdict

MAXIMA = Maxima(5_000, 29_000, 128, 256, 10**12, 4 << 20)


def test_a_call_without_limits_gets_the_defaults() -> None:
    assert effective(ExecuteLimits(), MAXIMA)[:3] == (5_000, 128 << 20, 10**12)


def test_a_call_may_ask_for_less() -> None:
    asked = ExecuteLimits(timeout_ms=100, memory_mb=16, fuel=1_000)
    assert effective(asked, MAXIMA)[:3] == (100, 16 << 20, 1_000)


def test_a_call_that_asks_for_more_gets_the_platforms_most() -> None:
    asked = ExecuteLimits(timeout_ms=10**9, memory_mb=10**6, fuel=2**62)
    assert effective(asked, MAXIMA)[:3] == (29_000, 256 << 20, 10**12)


@pytest.mark.parametrize("nonsense", [0, -1])
def test_a_limit_that_is_not_positive_counts_as_not_asked(nonsense: int) -> None:
    asked = ExecuteLimits(timeout_ms=nonsense, memory_mb=nonsense, fuel=nonsense)
    assert effective(asked, MAXIMA) == effective(ExecuteLimits(), MAXIMA)


def test_a_token_is_good_once() -> None:
    used = UsedTokens()
    used.use("t", 1_000)
    with pytest.raises(PlatformError, match="used already"):
        used.use("t", 1_059)


def test_other_tokens_are_not_disturbed() -> None:
    used = UsedTokens()
    for number in range(1_000):
        used.use(str(number), 1_000)


def test_tokens_past_their_life_are_forgotten() -> None:
    used = UsedTokens()
    for number in range(1_000):
        used.use(str(number), 1_000 + number)
    assert len(used._seen) <= 72


def test_a_sandbox_killed_past_its_deadline_is_a_timeout() -> None:
    assert outcome.of_ended(Ended("late", timed_out=True), 1).code == "guest_timeout"


def test_a_sandbox_that_aborted_ran_out_of_memory() -> None:
    assert outcome.of_ended(Ended("gone", signal_number=6), 1).code == "guest_out_of_memory"


def test_a_sandbox_that_died_otherwise_was_trapped() -> None:
    assert outcome.of_ended(Ended("gone", signal_number=11), 1).code == "guest_trapped"


def test_the_cpu_of_a_killed_sandbox_is_counted() -> None:
    assert outcome.of_ended(Ended("late", timed_out=True, cpu_ns=5), 1).figures.cpu_ns == 5


def test_the_parents_count_of_host_calls_stands_before_the_childs() -> None:
    figures = Figures(host_calls={"storage.get": 1, "context.get-context": 2})
    usage = outcome.usage_of(figures, 1.0, {"storage.get": 7}, {}, 0)
    assert usage.host_calls == {"context.get-context": 2, "storage.get": 7}


def test_lines_that_the_parent_heard_are_counted_although_the_child_said_nothing() -> None:
    usage = outcome.usage_of(Figures(), 1.0, {}, {"logging.log-info": 3}, 0)
    assert usage.host_calls == {"logging.log-info": 3}


def test_lines_that_the_child_dropped_are_counted_too() -> None:
    figures = Figures(host_calls={"logging.log-info": 5_000})
    usage = outcome.usage_of(figures, 1.0, {}, {"logging.log-info": 1_000}, 0)
    assert usage.host_calls == {"logging.log-info": 5_000}


def test_fuel_that_nobody_read_is_unknown() -> None:
    assert outcome.usage_of(outcome.of_ended(Ended("late"), 1).figures, 1.0, {}, {}, 0).fuel is None


def test_a_code_that_does_not_exist_counts_as_a_trap() -> None:
    response = outcome.answer(Failed("made_up", "x", Figures()), Usage(), "t", str)
    assert response.error is not None
    assert (response.status, response.error.code) == (502, "guest_trapped")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("guest_timeout", 504),
        ("guest_out_of_memory", 502),
        ("guest_out_of_fuel", 502),
        ("guest_trapped", 502),
        ("response_too_large", 502),
        ("artifact_not_found", 502),
        ("artifact_integrity", 502),
        ("secret_unavailable", 502),
    ],
)
def test_each_failure_has_the_contracts_status(code: str, status: int) -> None:
    assert outcome.failed(Verdict(code, "x"), Usage(), "t").status == status


def test_counts_that_a_child_makes_up_are_dropped() -> None:
    figures = Figures(cpu_ns=-5, memory_peak_bytes=-1, fuel=-1, host_calls={"made.up": 5, "context.get-context": -3})
    usage = outcome.usage_of(figures, 1.0, {}, {}, 0)
    assert (usage.cpu_ms, usage.memory_peak_bytes, usage.fuel, usage.host_calls) == (0, 0, 0, {})


def test_a_child_cannot_claim_what_only_the_parent_decides() -> None:
    response = outcome.answer(Failed("secret_unavailable", "x" * 10_000, Figures()), Usage(), "t", str)
    assert response.error is not None
    assert (response.error.code, len(response.error.message)) == ("guest_trapped", 1_000)


def test_a_bad_response_does_not_go_out() -> None:
    response = outcome.answer(Done(200, [("a", "b\r\nc")], b"secret", Figures()), Usage(), "t", str)
    assert (response.body_b64, response.headers) == (None, {})


def test_a_guests_metric_cannot_replace_a_field_of_ours() -> None:
    document = embedded(Metric("tenant_id", 1.0, "count", [("_aws", "x")]), {"tenant_id": "acme"}, 0)
    assert document["tenant_id"] == "acme"
