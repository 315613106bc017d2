"""Write the platform's totals as OpenMetrics text (pure).

The format is that of OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from functions.registry.metering import buckets

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OTHER: Final = "other"
"""The label of all extensions that are not among the busiest. No extension has this name, because names have a dot."""


class Family(NamedTuple):
    """The head of a metric family. A family with a unit has the unit at the end of its name."""

    name: str
    kind: str
    help: str
    unit: str = ""


CALLS: Final = Family("alga_ext_calls", "counter", "Finished calls.")
UNKNOWN: Final = Family(
    "alga_ext_calls_unknown", "counter", "Accepted calls whose end was not reported within 15 minutes."
)
ENDED_LATE: Final = Family(
    "alga_ext_calls_ended_late", "counter", "Unknown calls whose end was reported later. They are finished calls too."
)
DURATION: Final = Family("alga_ext_call_duration_seconds", "histogram", "Wall time of the guest.", "seconds")
MEMORY: Final = Family(
    "alga_ext_call_memory_peak_bytes", "histogram", "Peak resident memory that a call added.", "bytes"
)
CPU: Final = Family("alga_ext_call_cpu_seconds", "counter", "CPU time of guests.", "seconds")
FUEL: Final = Family("alga_ext_call_fuel", "counter", "Fuel that guests used.")
EGRESS: Final = Family("alga_ext_call_egress_bytes", "counter", "Bytes that guests sent and received by HTTP.", "bytes")
OVERHEAD: Final = Family(
    "alga_ext_call_overhead_seconds",
    "histogram",
    "Time of a call that was not the guest's, of calls that the guest answered.",
    "seconds",
)
LAG: Final = Family(
    "alga_ext_recorder_lag_seconds", "histogram", "Time from the end of a call until it was recorded.", "seconds"
)
DELIVERY_LAG: Final = Family(
    "alga_ext_delivery_lag_seconds",
    "histogram",
    "Time from when an event or a run of a schedule was to be delivered until its first try.",
    "seconds",
)
EXTENSION_CALLS: Final = Family("alga_ext_extension_calls", "counter", "Finished calls of an extension.")
EXTENSION_FAILED: Final = Family(
    "alga_ext_extension_failed_calls", "counter", "Finished calls of an extension whose outcome is not ok."
)
EXTENSION_DURATION: Final = Family(
    "alga_ext_extension_duration_seconds", "counter", "Wall time of an extension's guests.", "seconds"
)
EXTENSION_CPU: Final = Family(
    "alga_ext_extension_cpu_seconds", "counter", "CPU time of an extension's guests.", "seconds"
)
EXTENSION_EGRESS: Final = Family(
    "alga_ext_extension_egress_bytes", "counter", "Bytes that an extension's guests sent and received.", "bytes"
)
ACTIVE_TENANTS: Final = Family("alga_ext_active_tenants", "gauge", "Tenants with a call in the last 15 minutes.")

FAMILIES: Final = (
    CALLS, UNKNOWN, ENDED_LATE, DURATION, MEMORY, CPU, FUEL, EGRESS, OVERHEAD, LAG, DELIVERY_LAG, EXTENSION_CALLS,
    EXTENSION_FAILED, EXTENSION_DURATION, EXTENSION_CPU, EXTENSION_EGRESS, ACTIVE_TENANTS,
)  # fmt: skip


def exposition(
    calls: Sequence[Mapping[str, Any]],
    extensions: Sequence[Mapping[str, Any]],
    unknown: Mapping[str, Any],
    deliveries: Sequence[Mapping[str, Any]],
    active_tenants: int,
) -> str:
    """Return the whole text, with the ``# EOF`` that ends it.

    Args:
        calls: a total for each outcome, as ``reading.load_calls`` returns them.
        extensions: the totals of the busiest extensions and of all others, as ``reading.load_extensions`` returns them.
        unknown: the totals of calls whose end was lost or late, as ``reading.load_unknown`` returns them.
        deliveries: totals of first tries, as ``reading.load_deliveries`` returns them.
        active_tenants: how many tenants had a call in the last 15 minutes.
    """
    lines: list[str] = []
    lines += _counters(CALLS, calls, "outcome", "calls")
    lines += [*_head(UNKNOWN), f"{UNKNOWN.name}_total {unknown['calls']}"]
    lines += [*_head(ENDED_LATE), f"{ENDED_LATE.name}_total {unknown['ended_late']}"]
    lines += _histograms(DURATION, calls, "duration_buckets", "duration_ms", _seconds(buckets.DURATION_MS), 1e-3)
    lines += _histograms(MEMORY, calls, "memory_buckets", "memory_peak_bytes", buckets.MEMORY_BYTES, 1)
    lines += _counters(CPU, calls, "outcome", "cpu_ms", 1e-3)
    lines += _counters(FUEL, calls, "outcome", "fuel")
    lines += _counters(EGRESS, calls, "outcome", "egress_bytes")
    lines += _total_histogram(OVERHEAD, calls, "overhead_buckets", "overhead_ms", _seconds(buckets.OVERHEAD_MS))
    lines += _total_histogram(LAG, calls, "lag_buckets", "lag_ms", _seconds(buckets.LAG_MS))
    lines += _total_histogram(DELIVERY_LAG, deliveries, "lag_buckets", "lag_ms", _seconds(buckets.LAG_MS))
    lines += _counters(EXTENSION_CALLS, extensions, "extension", "calls")
    lines += _counters(EXTENSION_FAILED, extensions, "extension", "failed_calls")
    lines += _counters(EXTENSION_DURATION, extensions, "extension", "duration_ms", 1e-3)
    lines += _counters(EXTENSION_CPU, extensions, "extension", "cpu_ms", 1e-3)
    lines += _counters(EXTENSION_EGRESS, extensions, "extension", "egress_bytes")
    lines += [*_head(ACTIVE_TENANTS), f"{ACTIVE_TENANTS.name} {active_tenants}"]
    return "\n".join([*lines, "# EOF", ""])


def _head(family: Family) -> Iterable[str]:
    yield f"# TYPE {family.name} {family.kind}"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {family.help}"


def _counters(
    family: Family, totals: Iterable[Mapping[str, Any]], label: str, member: str, factor: float = 1
) -> Iterable[str]:
    yield from _head(family)
    for total in totals:
        yield f"{family.name}_total{{{_label(label, total[label])}}} {_number(total[member] * factor)}"


def _histograms(
    family: Family,
    totals: Iterable[Mapping[str, Any]],
    counts: str,
    sum_member: str,
    bounds: Sequence[float],
    factor: float,
) -> Iterable[str]:
    yield from _head(family)
    for total in totals:
        labels = f"{_label('outcome', total['outcome'])},"
        yield from _histogram(family.name, labels, total[counts], total[sum_member] * factor, bounds)


def _total_histogram(
    family: Family, totals: Sequence[Mapping[str, Any]], counts: str, sum_member: str, bounds: Sequence[float]
) -> Iterable[str]:
    """Write one histogram of all totals together."""
    yield from _head(family)
    if totals:
        together = [sum(column) for column in zip(*(total[counts] for total in totals), strict=True)]
        total_ms = sum(total[sum_member] for total in totals)
        yield from _histogram(family.name, "", together, total_ms * 1e-3, bounds)


def _histogram(name: str, labels: str, counts: Sequence[int], total: float, bounds: Sequence[float]) -> Iterable[str]:
    """Write one histogram. ``counts`` are those of single buckets; OpenMetrics wants them cumulated."""
    limits = [*(f"{float(bound)!r}" for bound in bounds), "+Inf"]
    cumulated = list(accumulate(counts))
    for limit, count in zip(limits, cumulated, strict=True):
        yield f'{name}_bucket{{{labels}le="{limit}"}} {count}'
    own = f"{{{labels.rstrip(',')}}}" if labels else ""
    yield f"{name}_count{own} {cumulated[-1]}"
    yield f"{name}_sum{own} {_number(total)}"


def _seconds(bounds_ms: Iterable[float]) -> list[float]:
    return [bound / 1000 for bound in bounds_ms]


def _number(value: float) -> str:
    return repr(round(float(value), 6))


def _label(name: str, value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'{name}="{text}"'
