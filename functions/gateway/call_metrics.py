"""What the platform's metrics count of one finished call (pure)."""

from alga_ext.calls.call_times import overhead_ms
from alga_ext.calls.envelope import ExecuteResponse
from alga_ext.calls.messages import ExecutionFinished
from alga_ext.calls.outcomes import Outcome, outcome_of
from alga_ext.platform_metrics import (
    CALL_CPU,
    CALL_DURATION,
    CALL_FUEL,
    CALL_MEMORY_PEAK,
    CALL_OVERHEAD,
    CALLS,
    EGRESS_BYTES,
    PROGRAM_CACHE_HITS,
    Metric,
)


def of_call(finished: ExecutionFinished, answer: ExecuteResponse, *, is_answered: bool) -> dict[Metric, float]:
    """Return the values of one call.

    Args:
        finished: the record of the call.
        answer: what the runner said.
        is_answered: whether the runner gave a valid answer. Without one, nothing is known of what the guest used.
    """
    values: dict[Metric, float] = {CALLS: 1}
    if not is_answered:
        return values
    usage = finished.usage
    values[CALL_DURATION] = usage.duration_ms
    values[CALL_CPU] = usage.cpu_ms
    values[CALL_MEMORY_PEAK] = usage.memory_peak_bytes
    values[EGRESS_BYTES] = usage.egress_bytes
    values[PROGRAM_CACHE_HITS] = 0 if answer.program_fetched else 1
    if usage.fuel is not None:
        values[CALL_FUEL] = usage.fuel
    if finished.error_code is None:
        values[CALL_OVERHEAD] = overhead_ms(finished)
    return values


def outcome(finished: ExecutionFinished) -> Outcome:
    """Return how the call ended."""
    return outcome_of(finished.status, finished.error_code)
