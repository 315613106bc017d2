"""Limits, replayed tokens, outcomes, records: small pure rules of the runner."""

import pytest

from alga_ext.calls.envelope import ExecuteLimits, ExecuteResponse, Usage
from alga_ext.errors import PlatformError
from functions.runner import outcome
from functions.runner.limits import Maxima, effective
from functions.runner.replay import UsedTokens
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Done, Failed, Figures
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


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (ExecuteLimits(timeout_ms=1), (1, 128 << 20, 10**12)),
        (ExecuteLimits(timeout_ms=28_999), (28_999, 128 << 20, 10**12)),
        (ExecuteLimits(timeout_ms=29_001), (29_000, 128 << 20, 10**12)),
        (ExecuteLimits(memory_mb=1), (5_000, 1 << 20, 10**12)),
        (ExecuteLimits(memory_mb=257), (5_000, 256 << 20, 10**12)),
        (ExecuteLimits(fuel=1), (5_000, 128 << 20, 1)),
        (ExecuteLimits(fuel=10**12 + 1), (5_000, 128 << 20, 10**12)),
    ],
)
def test_each_limit_is_bounded_by_itself(asked: ExecuteLimits, found: tuple[int, int, int]) -> None:
    assert effective(asked, MAXIMA) == (*found, 4 << 20)


def test_a_call_always_has_a_millisecond() -> None:
    assert effective(ExecuteLimits(), MAXIMA._replace(default_timeout_ms=0)).timeout_ms == 1


def test_a_token_is_remembered_for_seventy_seconds() -> None:
    used = UsedTokens()
    used.use("a", 1_000)
    used.use("b", 1_001)
    with pytest.raises(PlatformError) as refused:
        used.use("a", 1_070)
    assert refused.value.code == "unauthorized"

    used.use("a", 1_071)

    with pytest.raises(PlatformError):
        used.use("b", 1_071)


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
    usage = outcome.usage_of(figures, 1.0, {"storage.get": 7}, {}, 0, 0)
    assert usage.host_calls == {"context.get-context": 2, "storage.get": 7}


def test_lines_that_the_parent_heard_are_counted_although_the_child_said_nothing() -> None:
    usage = outcome.usage_of(Figures(), 1.0, {}, {"logging.log-info": 3}, 0, 0)
    assert usage.host_calls == {"logging.log-info": 3}


def test_lines_that_the_child_dropped_are_counted_too() -> None:
    figures = Figures(host_calls={"logging.log-info": 5_000})
    usage = outcome.usage_of(figures, 1.0, {}, {"logging.log-info": 1_000}, 0, 0)
    assert usage.host_calls == {"logging.log-info": 5_000}


def test_host_calls_that_a_child_counts_zero_times_are_left_out() -> None:
    figures = Figures(host_calls={"config.get": 0, "storage.get": 1})
    assert outcome.usage_of(figures, 1.0, {}, {}, 0, 0).host_calls == {"storage.get": 1}


def test_host_calls_are_in_order_of_name() -> None:
    figures = Figures(host_calls={"storage.get": 1, "config.get": 1})
    assert list(outcome.usage_of(figures, 1.0, {"http.fetch": 1}, {}, 0, 0).host_calls) == [
        "config.get", "http.fetch", "storage.get",
    ]  # fmt: skip


def test_a_trap_names_each_service_that_the_platform_does_not_offer() -> None:
    figures = Figures(cpu_ns=5)
    failed = outcome.explained(Failed("guest_trapped", "It trapped.", figures, "cause"), ["storage", "egress"])

    assert (failed.code, failed.figures, failed.cause) == ("guest_trapped", figures, "cause")
    assert failed.message.startswith("It trapped. ")
    assert failed.message.index("storage") < failed.message.index("egress")


@pytest.mark.parametrize(
    ("code", "missing"), [("guest_trapped", []), ("guest_timeout", ["storage"]), ("guest_timeout", [])]
)
def test_any_other_failure_is_told_as_it_is(code: str, missing: list[str]) -> None:
    failed = Failed(code, "It failed.", Figures())
    assert outcome.explained(failed, missing) is failed


def test_a_response_too_large_for_lambda_is_replaced_and_keeps_its_usage() -> None:
    usage = Usage(duration_ms=2.0)
    response = outcome.too_large(ExecuteResponse(status=200, body_b64="x", usage=usage, trace_id="trace"), 7_000, 6_000)

    assert response.error is not None
    assert (response.status, response.error.code, response.body_b64) == (502, "response_too_large", None)
    assert ("7000" in response.error.message, "6000" in response.error.message) == (True, True)
    assert (response.usage, response.trace_id) == (usage, "trace")


def test_fuel_that_nobody_read_is_unknown() -> None:
    assert outcome.usage_of(outcome.of_ended(Ended("late"), 1).figures, 1.0, {}, {}, 0, 0).fuel is None


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
    usage = outcome.usage_of(figures, 1.0, {}, {}, 0, 0)
    assert (usage.cpu_ms, usage.memory_peak_bytes, usage.fuel, usage.host_calls) == (0, 0, 0, {})


def test_a_child_cannot_claim_what_only_the_parent_decides() -> None:
    response = outcome.answer(Failed("secret_unavailable", "x" * 10_000, Figures()), Usage(), "t", str)
    assert response.error is not None
    assert (response.error.code, len(response.error.message)) == ("guest_trapped", 1_000)


def test_a_bad_response_does_not_go_out() -> None:
    response = outcome.answer(Done(200, [("a", "b\r\nc")], b"secret", Figures()), Usage(), "t", str)
    assert (response.body_b64, response.headers) == (None, {})


def test_each_end_of_a_sandbox_keeps_what_was_measured() -> None:
    for how in ({"timed_out": True}, {"signal_number": 6}, {"signal_number": 11}):
        figures = outcome.of_ended(Ended("gone", cpu_ns=5, memory_peak_bytes=7, **how), 1).figures
        assert (figures.cpu_ns, figures.memory_peak_bytes) == (5, 7)


def test_the_memory_limit_is_told_in_mebibytes() -> None:
    assert "limit is 128 MiB" in outcome.of_ended(Ended("gone", signal_number=6), 128 << 20).message


def test_figures_end_at_what_every_store_holds() -> None:
    most = 9_007_199_254_740_991
    figures = Figures(cpu_ns=most + 1, memory_peak_bytes=most + 1, fuel=most + 1, host_calls={"storage.get": most + 1})

    usage = outcome.usage_of(figures, 1.23456, {}, {}, 17, 19)

    assert (usage.cpu_ms, usage.memory_peak_bytes, usage.fuel) == (round(most / 1e6, 3), most, most)
    assert (usage.host_calls, usage.duration_ms) == ({"storage.get": most}, 1.235)
    assert (usage.egress_bytes, usage.log_bytes) == (17, 19)


def test_cpu_time_is_told_in_milliseconds() -> None:
    assert outcome.usage_of(Figures(cpu_ns=1_234_567), 1.0, {}, {}, 0, 0).cpu_ms == 1.235


@pytest.mark.parametrize(
    "code",
    ["guest_timeout", "guest_out_of_memory", "guest_out_of_fuel", "guest_trapped", "response_too_large",
     "artifact_integrity"],
)  # fmt: skip
def test_a_child_may_report_its_own_failures(code: str) -> None:
    response = outcome.answer(Failed(code, "secret", Figures()), Usage(), "trace", lambda text: text.upper())
    assert response.error is not None
    assert (response.error.code, response.error.message, response.trace_id) == (code, "SECRET", "trace")


def test_a_good_response_goes_out_whole() -> None:
    usage = Usage(duration_ms=2.0)
    response = outcome.answer(Done(201, [("a", "b")], b"body", Figures()), usage, "trace", str)

    assert (response.status, response.headers, response.body_b64) == (201, {"a": "b"}, "Ym9keQ==")
    assert (response.usage, response.trace_id, response.error) == (usage, "trace", None)


def test_a_response_without_a_body_has_none_and_an_empty_body_is_one() -> None:
    bodies = [outcome.answer(Done(204, [], body, Figures()), Usage(), "t", str).body_b64 for body in (None, b"")]

    assert bodies == [None, ""]


def test_what_a_bad_response_quotes_is_scrubbed() -> None:
    response = outcome.answer(Done(200, [("a b", "c")], None, Figures()), Usage(), "t", lambda _: "scrubbed")
    assert response.error is not None
    assert response.error.message == "scrubbed"
