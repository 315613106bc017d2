"""Alarms on the platform's own metrics (docs/reference/metrics.md).

The metrics come from log lines that CloudWatch reads at least once, so a value may count twice. Each threshold leaves
room for that. A test compares names and dimensions with the lines that the code writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.stages import StageSettings

NAMESPACE: Final = "AlgaExtensions/Platform"
_HOUR: Final = 60
_GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class OwnAlarm:
    """One alarm. It goes off when the statistic of a metric is above a value in so many periods in turn.

    Attributes:
        name: of the alarm, without the stage. It is also the heading in the runbook.
        metric: name of the metric.
        statistic: of its values in one period.
        minutes: the length of a period.
        above: the value.
        why: what it means.
        periods: how many.
        dimensions: of the metric; none for its total.
        share_of: with the name of another metric, the compared value is ``metric`` in per cent of both together, and 0
            when both together are at most ``least``.
        least: see ``share_of``.
    """

    name: str
    metric: str
    statistic: str
    minutes: int
    above: float
    why: str
    periods: int = 1
    dimensions: Mapping[str, str] = field(default_factory=dict)
    share_of: str = ""
    least: int = 0


def own_alarms(stage: StageSettings) -> tuple[OwnAlarm, ...]:
    """Return the alarms of a stage. One about tenants exists only where the number of environments limits them."""
    ceiling = stage.tenant_ceiling
    of_tenants: tuple[OwnAlarm, ...] = ()
    if ceiling is not None:
        of_tenants = (
            OwnAlarm(
                "tenant-ceiling",
                "DistinctTenants",
                "Maximum",
                minutes=15,
                above=int(ceiling * 0.8),
                why=f"More than 80 % of the {ceiling} tenants that can have an environment had a call in 15 minutes.",
            ),
        )
    return (
        OwnAlarm(
            "egress",
            "EgressBytes",
            "Sum",
            minutes=_HOUR,
            above=stage.egress_alarm_gib_per_hour * _GIB,
            why="Extensions sent and received very many bytes in an hour.",
        ),
        OwnAlarm(
            "quota",
            "CallsRefused",
            "Sum",
            minutes=5,
            above=stage.api_rate_per_s * 3,  # one of a hundred requests that the API lets in
            why="Very many calls were refused because a quota is used up.",
            dimensions={"code": "quota_exceeded"},
        ),
        OwnAlarm(
            "calls-refused",
            "CallsRefused",
            "Sum",
            minutes=5,
            above=50,
            why="More than half of all calls were refused before they were accepted.",
            periods=2,
            share_of="Calls",
            least=200,
        ),
        OwnAlarm(
            "precompile-failures",
            "PrecompileResults",
            "Sum",
            minutes=15,
            above=2,
            why="Versions could not be prepared, for a reason that is not in the component.",
            dimensions={"result": "failed"},
        ),
        OwnAlarm(
            "recorder-lag",
            "RecorderLag",
            "p90",
            minutes=5,
            above=60_000,
            why="Calls are recorded more than a minute after their end, so quotas are enforced late.",
            periods=3,
        ),
        OwnAlarm(
            "tick-lag",
            "TickLag",
            "Maximum",
            minutes=5,
            above=(stage.sweep_every_s + 300) * 1_000,
            why="Schedules are fired more than five minutes later than the ticker's interval explains.",
        ),
        OwnAlarm(
            "dead-deliveries",
            "DeadDeliveries",
            "Sum",
            minutes=_HOUR,
            above=100,
            why="Very many deliveries were given up. The tenants see them, and an extension or the host may be broken.",
        ),
        OwnAlarm(
            "delivery-lag",
            "DeliveryLag",
            "p90",
            minutes=5,
            above=60_000,
            why="Events and runs of schedules are tried more than a minute late.",
            periods=3,
        ),
        OwnAlarm(
            "fanout-lag",
            "FanoutLag",
            "p90",
            minutes=5,
            above=60_000,
            why="Events wait for more than a minute until their deliveries are made.",
            periods=3,
        ),
        OwnAlarm(
            "events-refused",
            "EventsRefused",
            "Sum",
            minutes=5,
            above=100,
            why="Very many events were refused. Those from EventBridge are lost.",
        ),
        *of_tenants,
        OwnAlarm(
            "keys-overdue",
            "KeyOverdue",
            "Sum",
            minutes=_HOUR,
            above=0,
            why="A key of the platform is older than it should be.",
        ),
        OwnAlarm(
            "trust-bundle-unreadable",
            "TrustBundleUnreadable",
            "Sum",
            minutes=5,
            above=2,
            why="Functions cannot use the trust bundle in the object store; they use an older one until it expires.",
        ),
        OwnAlarm(
            "trust-bundle-expiring",
            "TrustBundleExpiring",
            "Sum",
            minutes=_HOUR,
            above=0,
            why="The trust bundle expires within seven days. Then nothing runs any more.",
        ),
        OwnAlarm(
            "withdrawn-list-stale",
            "WithdrawnListStale",
            "Sum",
            minutes=5,
            above=2,
            why="The list of withdrawn versions is not renewed. When it expires, no page is shown.",
        ),
        OwnAlarm(
            "withdrawn-list-large",
            "WithdrawnListLarge",
            "Sum",
            minutes=_HOUR,
            above=0,
            why="The list of withdrawn versions is larger than half its limit.",
        ),
    )
