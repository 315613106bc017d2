"""The platform's own metrics: names, units and dimensions, and their form in CloudWatch's logs (pure).

This table is the only place that defines them; docs/reference/metrics.md explains them. A line of a log is also metrics
when it has the form of the embedded metric format (Amazon CloudWatch User Guide, "Specification: Embedded metric
format"). CloudWatch reads each line at least once, so a value may count twice.

A metric has one dimension at most, and never the tenant or the extension: CloudWatch charges for each combination of
values as for another metric.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple

NAMESPACE: Final = "AlgaExtensions/Platform"
DIRECTIVE_LIMIT: Final = 100
"""How many metrics one directive may have (the specification). The whole table is smaller."""

Unit = Literal["Count", "Milliseconds", "Bytes"]


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: in CloudWatch.
        unit: one of CloudWatch's names of units.
        emitted_by: the functions that write it.
        meaning: one sentence for the reference.
        dimension: the name of its one dimension. Such a metric is also counted without the dimension, as the total.
    """

    name: str
    unit: Unit
    emitted_by: str
    meaning: str
    dimension: str | None = None


CALLS: Final = Metric("Calls", "Count", "gateway", "Accepted calls, when they end.", "outcome")
CALL_DURATION: Final = Metric("CallDuration", "Milliseconds", "gateway", "Wall time of the guest.")
CALL_OVERHEAD: Final = Metric(
    "CallOverhead",
    "Milliseconds",
    "gateway",
    "Time from the acceptance of a call to its end without `CallDuration`, of calls that the guest answered.",
)
CALL_CPU: Final = Metric("CallCpu", "Milliseconds", "gateway", "CPU time of the guest.")
CALL_MEMORY_PEAK: Final = Metric("CallMemoryPeak", "Bytes", "gateway", "Peak resident memory that the call added.")
CALL_FUEL: Final = Metric("CallFuel", "Count", "gateway", "Fuel of the guest, when it is metered.")
EGRESS_BYTES: Final = Metric("EgressBytes", "Bytes", "gateway", "Bytes that the guest sent and received by HTTP.")
PROGRAM_CACHE_HITS: Final = Metric(
    "ProgramCacheHits",
    "Count",
    "gateway",
    "1 when the runner had the program already, 0 when it fetched it, for each call that it answered.",
)
CALLS_REFUSED: Final = Metric(
    "CallsRefused", "Count", "gateway", "Calls that were refused before they were accepted.", "code"
)
COLD_STARTS: Final = Metric("ColdStarts", "Count", "every function", "First invocations of a process.", "function")
SANDBOX_KILLS: Final = Metric("SandboxKills", "Count", "runner", "Sandboxes that ended during a call.")
PRECOMPILE_RESULTS: Final = Metric(
    "PrecompileResults",
    "Count",
    "prepare",
    "Attempts to prepare a version: `ok`, `rejected` (the component cannot be used) or `failed` (it is tried again).",
    "result",
)
RECORDER_LAG: Final = Metric(
    "RecorderLag",
    "Milliseconds",
    "recorder",
    "Time from the end of a call until it is recorded, the longest of a batch.",
)
SCHEDULES_FIRED: Final = Metric("SchedulesFired", "Count", "ticker", "Schedules that were due and run.")
TICK_LAG: Final = Metric(
    "TickLag", "Milliseconds", "ticker", "Time from when a schedule was due until it was fired, the longest of a batch."
)
DISTINCT_TENANTS: Final = Metric(
    "DistinctTenants", "Count", "sweeper", "Tenants with a call in the last 15 minutes, at each run of the sweeper."
)
DELIVERIES: Final = Metric(
    "Deliveries",
    "Count",
    "dispatcher",
    "Tries of deliveries, when they end, by the state that they lead to.",
    "state",
)
DELIVERY_LAG: Final = Metric(
    "DeliveryLag",
    "Milliseconds",
    "dispatcher",
    "Time from when a delivery was to be tried until its first try.",
)
DEAD_DELIVERIES: Final = Metric(
    "DeadDeliveries", "Count", "dispatcher", "Deliveries that failed and are not tried again."
)
EVENTS_RECEIVED: Final = Metric(
    "EventsReceived",
    "Count",
    "registry, fanout",
    "Events that were stored: from the API or from EventBridge.",
    "origin",
)
EVENTS_REFUSED: Final = Metric(
    "EventsRefused",
    "Count",
    "registry, fanout, recorder",
    "Events that were not stored. One from EventBridge is lost then.",
    "code",
)
FANOUT_LAG: Final = Metric(
    "FanoutLag",
    "Milliseconds",
    "fanout",
    "Time from the receipt of an event until its deliveries are made, the longest of a batch.",
)
KEY_OVERDUE: Final = Metric(
    "KeyOverdue", "Count", "sweeper, gateway, runner", "A key of the platform is older than it should be."
)
TRUST_BUNDLE_EXPIRING: Final = Metric(
    "TrustBundleExpiring", "Count", "sweeper", "The trust bundle expires within seven days."
)
TRUST_BUNDLE_UNREADABLE: Final = Metric(
    "TrustBundleUnreadable",
    "Count",
    "every function that verifies signatures",
    "The trust bundle in the object store cannot be used.",
)
WITHDRAWN_LIST_STALE: Final = Metric(
    "WithdrawnListStale", "Count", "uihost", "The list of withdrawn versions is older than half its lifetime."
)
WITHDRAWN_LIST_LARGE: Final = Metric(
    "WithdrawnListLarge",
    "Count",
    "registry, assets, sweeper",
    "The list of withdrawn versions is larger than half its limit.",
)

METRICS: Final = (
    CALLS, CALL_DURATION, CALL_OVERHEAD, CALL_CPU, CALL_MEMORY_PEAK, CALL_FUEL, EGRESS_BYTES, PROGRAM_CACHE_HITS,
    CALLS_REFUSED,
    COLD_STARTS,
    SANDBOX_KILLS,
    PRECOMPILE_RESULTS,
    RECORDER_LAG,
    SCHEDULES_FIRED,
    TICK_LAG,
    DISTINCT_TENANTS,
    KEY_OVERDUE,
    DELIVERIES,
    DELIVERY_LAG,
    DEAD_DELIVERIES,
    EVENTS_RECEIVED,
    EVENTS_REFUSED,
    FANOUT_LAG,
    TRUST_BUNDLE_EXPIRING, TRUST_BUNDLE_UNREADABLE, WITHDRAWN_LIST_STALE, WITHDRAWN_LIST_LARGE,
)  # fmt: skip


def embedded(values: Mapping[Metric, float], at_ms: int, dimensions: Mapping[str, str]) -> dict[str, Any]:
    """Return the members that make a log line the given values in CloudWatch.

    Args:
        values: the value of each metric.
        at_ms: milliseconds since the epoch.
        dimensions: name and value of the dimensions that these metrics have.
    """
    described = {"Timestamp": at_ms, "CloudWatchMetrics": _directives(tuple(values))}
    return {"_aws": described, **{metric.name: value for metric, value in values.items()}, **dimensions}


@cache
def _directives(metrics: tuple[Metric, ...]) -> list[dict[str, Any]]:
    """Return one directive for the totals, and one for the metrics of each dimension."""
    dimensions = dict.fromkeys(metric.dimension for metric in metrics if metric.dimension)
    having = {name: [metric for metric in metrics if metric.dimension == name] for name in dimensions}
    return [_directive([], metrics), *(_directive([name], found) for name, found in having.items())]


def _directive(dimensions: list[str], metrics: Iterable[Metric]) -> dict[str, Any]:
    described = [{"Name": metric.name, "Unit": metric.unit} for metric in metrics]
    return {"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": described}
