"""The dashboard of a stage in CloudWatch: calls, refusals, resources, the platform's own work, queues."""

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.own_alarms import NAMESPACE
from infra.stages import StageSettings

_PERIOD: Final = Duration.minutes(5)
_WIDTH: Final = 8
"""Of 24: three graphs in a row."""

OUTCOMES: Final = (
    "ok", "guest_error", "timeout", "out_of_memory", "out_of_fuel", "trapped", "invalid_response", "too_large",
    "platform_error",
)  # fmt: skip
CODES: Final = ("rate_limited", "quota_exceeded", "unauthenticated", "forbidden", "not_installed", "policy_unavailable")
"""The refusals with a line of their own; the total has all."""
_DELIVERY_STATES: Final = ("delivered", "retrying", "dead", "discarded")
_RESULTS: Final = ("ok", "rejected", "failed")
_STARTED: Final = ("gateway", "runner", "registry", "uihost")

SUMS: Final = (
    ("Egress", ("EgressBytes",)),
    ("Events", ("EventsReceived", "EventsRefused")),
    ("Sandboxes that ended", ("SandboxKills",)),
    ("Dead deliveries", ("DeadDeliveries",)),
    ("Trust", ("KeyOverdue", "TrustBundleExpiring", "TrustBundleUnreadable")),
    ("Schedules that were fired", ("SchedulesFired",)),
    ("List of withdrawn versions", ("WithdrawnListStale", "WithdrawnListLarge")),
)
"""Title, and the metrics whose sums are shown."""
DISTRIBUTIONS: Final = (
    ("Duration of calls", "CallDuration"),
    ("The platform's share of calls", "CallOverhead"),
    ("CPU time of calls", "CallCpu"),
    ("Memory of calls", "CallMemoryPeak"),
    ("Fuel of calls", "CallFuel"),
    ("Time until calls are recorded", "RecorderLag"),
    ("Time until deliveries of events are made", "FanoutLag"),
    ("Time until due schedules are fired", "TickLag"),
    ("Time until deliveries are tried first", "DeliveryLag"),
)
"""Title, and the metric whose median, 95th and 99th percentile are shown."""


class Dashboard(Construct):
    """The dashboard."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        stage: StageSettings,
        queues: Mapping[str, sqs.Queue],
        functions: Mapping[str, lambda_.Alias],
    ) -> None:
        super().__init__(scope, name)
        graphs = [
            _graph("Calls", [_sum("Calls", outcome=outcome) for outcome in OUTCOMES]),
            _graph("Refused calls", [_sum("CallsRefused"), *(_sum("CallsRefused", code=code) for code in CODES)]),
            _graph("Hits of the program cache", [_own("ProgramCacheHits", "Average")]),
            *(_graph(title, [_own(metric, one) for one in ("p50", "p95", "p99")]) for title, metric in DISTRIBUTIONS),
            *(_graph(title, [_sum(metric) for metric in metrics]) for title, metrics in SUMS),
            _graph("Tries of deliveries", [_sum("Deliveries", state=state) for state in _DELIVERY_STATES]),
            _graph("Cold starts", [_sum("ColdStarts", function=function) for function in _STARTED]),
            _graph("Preparations", [_sum("PrecompileResults", result=result) for result in _RESULTS]),
            _graph("Tenants with a call in 15 minutes", [_own("DistinctTenants", "Maximum")]),
            _graph(
                "Age of the oldest message",
                [
                    queue.metric_approximate_age_of_oldest_message(
                        period=_PERIOD, statistic="Maximum", label=queue_name
                    )
                    for queue_name, queue in queues.items()
                ],
            ),
            _graph(
                "Errors of functions",
                [
                    function.metric_errors(period=_PERIOD, statistic="Sum", label=function_name)
                    for function_name, function in functions.items()
                ],
            ),
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=f"alga-ext-{stage.name}",
            widgets=[list(graphs[first : first + 3]) for first in range(0, len(graphs), 3)],
            default_interval=Duration.hours(12),
        )


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=_WIDTH, period=_PERIOD)


def _sum(name: str, **dimensions: str) -> cloudwatch.Metric:
    return _own(name, "Sum", **dimensions)


def _own(name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    label = next(iter(dimensions.values()), f"{name} {statistic}")
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=_PERIOD,
        label=label,
    )
