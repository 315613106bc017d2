"""Add up the metrics that a guest emits in one call: one total for each name that its manifest declares (pure)."""

import re
from collections.abc import Mapping
from typing import Final, cast

from alga_ext.calls import metrics
from alga_ext.calls.envelope import MetricTotal
from functions.runner.sandbox.child import local_imports
from functions.runner.sandbox.protocol.messages import Metric

_NAME: Final = re.compile(metrics.NAME_PATTERN.removesuffix("$") + r"\Z")


class KeptMetrics:
    """The totals of one call. The guest's own dimensions are not kept, because their values are without bound.

    Args:
        declared: the metrics that the manifest declares, name to unit. Values of other metrics are dropped.
    """

    def __init__(self, declared: Mapping[str, str]) -> None:
        # The gateway sends what a verified manifest declares. The limits are checked again, because each name costs.
        known = [(name, unit) for name, unit in declared.items() if _NAME.match(name)][: metrics.DECLARED_LIMIT]
        self._units = {name: cast("metrics.Unit", unit if unit in metrics.UNITS else "None") for name, unit in known}
        self._totals: dict[str, MetricTotal] = {}
        self._values = 0

    def add(self, metric: Metric) -> bool:
        """Add one value, and return whether it was kept. A call has ``metrics.EMITTED_LIMIT`` values at most."""
        self._values += 1
        kept = local_imports.metric(metric.name, metric.value, metric.unit, [])
        if self._values > metrics.EMITTED_LIMIT or kept is None or kept.name not in self._units:
            return False
        name, value = kept.name, kept.value
        if abs(value) > metrics.VALUE_LIMIT:
            return False
        total = self._totals.get(name)
        if total is None:
            self._totals[name] = MetricTotal(
                name=name, unit=self._units[name], count=1, sum=value, min=value, max=value
            )
        else:
            total.count += 1
            total.sum += value
            total.min = min(total.min, value)
            total.max = max(total.max, value)
        return True

    def totals(self) -> list[MetricTotal]:
        """Return the totals, by name."""
        return [self._totals[name] for name in sorted(self._totals)]
