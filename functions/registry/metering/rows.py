"""Turn finished calls into the rows that are added to the totals (pure)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from alga_ext.calls.call_times import lag_ms, overhead_ms
from alga_ext.calls.messages import ExecutionFinished
from alga_ext.calls.outcomes import Outcome, outcome_of
from functions.registry.metering import buckets


def metric_rows(finished: Iterable[ExecutionFinished]) -> list[dict[str, Any]]:
    """Return one row for each install, UTC day of acceptance and name of a metric."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for message in finished:
        day = message.accepted_at[:10]
        for total in message.metrics:
            row = found.setdefault(
                (message.install_id, day, total.name),
                {
                    "install_id": message.install_id,
                    "day": day,
                    "name": total.name,
                    "value_count": 0,
                    "value_sum": 0.0,
                    "value_min": total.min,
                    "value_max": total.max,
                },
            )
            row["unit"] = total.unit
            row["value_count"] += total.count
            row["value_sum"] += total.sum
            row["value_min"] = min(row["value_min"], total.min)
            row["value_max"] = max(row["value_max"], total.max)
    return list(found.values())


def call_rows(finished: Iterable[ExecutionFinished], now: datetime) -> list[dict[str, Any]]:
    """Return one row for each outcome. The overhead is that of calls that the guest answered."""
    by_outcome: dict[Outcome, list[ExecutionFinished]] = defaultdict(list)
    for message in finished:
        by_outcome[outcome_of(message.status, message.error_code)].append(message)
    return [_call_row(outcome, calls, now) for outcome, calls in by_outcome.items()]


def extension_rows(finished: Iterable[ExecutionFinished]) -> list[dict[str, Any]]:
    """Return one row for each extension."""
    found: dict[str, dict[str, Any]] = {}
    for message in finished:
        names = ("calls", "failed_calls", "duration_ms", "cpu_ms", "egress_bytes")
        row = found.setdefault(message.extension_id, {"extension_id": message.extension_id, **dict.fromkeys(names, 0)})
        row["calls"] += 1
        row["failed_calls"] += outcome_of(message.status, message.error_code) != Outcome.OK
        row["duration_ms"] += message.usage.duration_ms
        row["cpu_ms"] += message.usage.cpu_ms
        row["egress_bytes"] += message.usage.egress_bytes
    return list(found.values())


def longest_lag_ms(finished: Iterable[ExecutionFinished], now: datetime) -> float:
    """Return how long ago the first of the calls ended, in milliseconds."""
    return round(max(lag_ms(message, now) for message in finished), 3)


def _call_row(outcome: Outcome, calls: Sequence[ExecutionFinished], now: datetime) -> dict[str, Any]:
    durations = [message.usage.duration_ms for message in calls]
    memory = [message.usage.memory_peak_bytes for message in calls]
    overheads = [overhead_ms(message) for message in calls if message.error_code is None]
    lags = [lag_ms(message, now) for message in calls]
    return {
        "outcome": outcome.value,
        "calls": len(calls),
        "duration_ms": sum(durations),
        "cpu_ms": sum(message.usage.cpu_ms for message in calls),
        "memory_peak_bytes": sum(memory),
        "fuel": sum(message.usage.fuel or 0 for message in calls),
        "egress_bytes": sum(message.usage.egress_bytes for message in calls),
        "overhead_ms": sum(overheads),
        "lag_ms": sum(lags),
        "duration_buckets": buckets.count(durations, buckets.DURATION_MS),
        "memory_buckets": buckets.count(memory, buckets.MEMORY_BYTES),
        "overhead_buckets": buckets.count(overheads, buckets.OVERHEAD_MS),
        "lag_buckets": buckets.count(lags, buckets.LAG_MS),
    }
