"""Compare a platform with its objectives, from the text of ``GET /metrics`` (pure)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from alga_ext.calls.outcomes import Outcome
from functions.registry.metering.openmetrics import CALLS, ENDED_LATE, UNKNOWN
from tools.monitoring.slo import Objective, Slo

Samples = Mapping[tuple[str, str], float]
"""Values by name and by the one label that objectives look at: ``outcome`` or ``le``."""


class Result(NamedTuple):
    """One objective: how many calls it is about, and how many of them were bad."""

    name: str
    objective: Objective
    calls: int
    bad: int

    @property
    def is_met(self) -> bool:
        """Whether the part of bad calls is within the budget. Without calls it is."""
        return self.bad <= self.calls * (1 - self.objective.objective) + 1e-9


def read_samples(text: str) -> Samples:
    """Return what objectives look at. Text that is not OpenMetrics raises ``ValueError``."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # the parser has no types
        for sample in family.samples:
            key = (sample.name, sample.labels.get("le") or sample.labels.get("outcome", ""))
            found[key] = found.get(key, 0) + sample.value
    return found


def compare(slo: Slo, now: Samples, before: Samples | None = None) -> list[Result]:
    """Return the result of each objective for the calls between two scrapes, or since the platform was made."""
    since = {key: value - (before or {}).get(key, 0) for key, value in now.items()}
    return [_result(name, objective, since) for name, objective in slo.objectives.items()]


def lines(results: Iterable[Result]) -> Iterable[str]:
    """Yield the report as a table in Markdown."""
    yield "| objective | at least | calls | bad | good | budget left | |"
    yield "|---|---|---|---|---|---|---|"
    for name, objective, calls, bad in results:
        good = 1 - bad / calls if calls else 1.0
        left = 1 - bad / (calls * (1 - objective.objective)) if calls else 1.0
        word = "met" if Result(name, objective, calls, bad).is_met else "MISSED"
        yield f"| {objective.title} | {objective.objective:.2%} | {calls} | {bad} | {good:.3%} | {left:.0%} | {word} |"


def _result(name: str, objective: Objective, since: Samples) -> Result:
    if objective.outcomes:
        by_outcome = {label: value for (metric, label), value in since.items() if metric == f"{CALLS.name}_total"}
        if Outcome.UNKNOWN in objective.outcomes:
            lost, ended_late = (since.get((f"{family.name}_total", ""), 0) for family in (UNKNOWN, ENDED_LATE))
            by_outcome[Outcome.UNKNOWN] = max(lost - ended_late, 0)
        bad = sum(by_outcome.get(outcome, 0) for outcome in objective.outcomes)
        return Result(name, objective, int(sum(by_outcome.values())), int(bad))
    calls = since.get((f"{objective.family}_count", ""), 0)
    good = since.get((f"{objective.family}_bucket", repr(float(objective.threshold_s))), 0)
    return Result(name, objective, int(calls), int(calls - good))
