"""What is counted of one call."""

import pytest

from alga_ext.calls.call_times import overhead_ms
from alga_ext.calls.envelope import ExecuteResponse, Usage
from alga_ext.calls.messages import ExecutionFinished
from functions.gateway import call_metrics

USED = Usage(duration_ms=30, cpu_ms=4.5, memory_peak_bytes=1 << 20, fuel=77, egress_bytes=512)


def finished(error_code: str | None = None, status: int = 200, usage: Usage = USED) -> ExecutionFinished:
    return ExecutionFinished(
        execution_id="e",
        tenant_id="tenant-a",
        install_id="i",
        extension_id="x",
        version_id="v",
        content_hash="sha256:0",
        request_id="r",
        trace_id="t",
        method="GET",
        path="/notes/7",
        principal="user-1",
        accepted_at="2026-03-14T12:00:00+00:00",
        at="2026-03-14T12:00:00.042000+00:00",
        status=status,
        error_code=error_code,
        usage=usage,
    )


def counted(record: ExecutionFinished, *, fetched: bool = False, is_answered: bool = True) -> dict[str, float]:
    answer = ExecuteResponse(status=record.status, program_fetched=fetched)
    return {m.name: v for m, v in call_metrics.of_call(record, answer, is_answered=is_answered).items()}


def test_an_answered_call_counts_what_it_used_and_the_platforms_share() -> None:
    assert counted(finished()) == {
        "Calls": 1,
        "CallDuration": 30,
        "CallCpu": 4.5,
        "CallMemoryPeak": 1 << 20,
        "CallFuel": 77,
        "EgressBytes": 512,
        "ProgramCacheHits": 1,
        "CallOverhead": 12,
    }


def test_a_program_that_was_fetched_is_no_hit() -> None:
    assert counted(finished(), fetched=True)["ProgramCacheHits"] == 0


def test_a_call_without_an_answer_of_the_runner_counts_only_as_a_call() -> None:
    assert counted(finished("runner_unavailable", 503, Usage()), is_answered=False) == {"Calls": 1}


def test_the_overhead_of_a_call_that_the_guest_did_not_answer_is_not_counted() -> None:
    assert "CallOverhead" not in counted(finished("guest_timeout", 504))


def test_a_guest_without_fuel_counts_none() -> None:
    assert "CallFuel" not in counted(finished(usage=Usage(duration_ms=1)))


def test_a_clock_that_was_put_back_gives_no_negative_overhead() -> None:
    assert overhead_ms(finished(usage=Usage(duration_ms=500))) == 0


@pytest.mark.parametrize(
    ("status", "error_code", "expected"),
    [
        (200, None, "ok"),
        (503, None, "guest_error"),
        (504, "guest_timeout", "timeout"),
        (500, "internal", "platform_error"),
    ],
)
def test_the_outcome_is_that_of_the_record(status: int, error_code: str | None, expected: str) -> None:
    assert call_metrics.outcome(finished(error_code, status)) == expected
