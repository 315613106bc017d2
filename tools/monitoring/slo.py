"""The service level objectives in monitoring/slo.toml, and what Prometheus is asked about them."""

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec

from alga_ext.calls.outcomes import Outcome
from functions.registry.metering import buckets, openmetrics

FOLDER: Final = Path(__file__).parent.parent.parent / "monitoring"
BOUNDS_S: Final = {
    openmetrics.OVERHEAD.name: [bound / 1000 for bound in buckets.OVERHEAD_MS],
    openmetrics.LAG.name: [bound / 1000 for bound in buckets.LAG_MS],
    openmetrics.DELIVERY_LAG.name: [bound / 1000 for bound in buckets.LAG_MS],
}
"""The histograms that an objective may be about, with the upper bounds of their buckets in seconds."""

_Part = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class Objective(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One objective: about outcomes, or about the time in a histogram. See monitoring/slo.toml."""

    title: str
    objective: _Part
    outcomes: list[Outcome] = []
    family: str = ""
    threshold_s: float = 0

    def bad_part(self, window: str) -> str:
        """Return the PromQL expression of the part of calls that were bad, in a window such as ``5m``."""
        if self.outcomes:
            named = "|".join(outcome for outcome in self.outcomes if outcome is not Outcome.UNKNOWN)
            bad = f'sum(rate({openmetrics.CALLS.name}_total{{outcome=~"{named}"}}[{window}]))'
            calls = f"sum(rate({openmetrics.CALLS.name}_total[{window}]))"
            if Outcome.UNKNOWN not in self.outcomes:
                return f"{bad} / {calls}"
            # These are no finished calls. Without "or", a sum over no series would be nothing, and so the whole.
            lost, ended = (
                f"sum(rate({family.name}_total[{window}]))" for family in (openmetrics.UNKNOWN, openmetrics.ENDED_LATE)
            )
            unknown = f"clamp_min({lost} - {ended}, 0)"
            return f"(({bad} or vector(0)) + {unknown}) / (({calls} or vector(0)) + {unknown})"
        good = f'sum(rate({self.family}_bucket{{le="{float(self.threshold_s)!r}"}}[{window}]))'
        return f"1 - {good} / sum(rate({self.family}_count[{window}]))"


class Slo(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All objectives, and the days over which they hold."""

    window_days: Annotated[int, msgspec.Meta(ge=1, le=90)]
    objectives: dict[str, Objective]


def parse(text: str) -> Slo:
    """Return the objectives.

    Raises:
        ValueError: the text is not TOML, a member is wrong, or an objective is about something that is not measured.
    """
    slo = msgspec.convert(tomllib.loads(text), Slo)
    for name, objective in slo.objectives.items():
        if bool(objective.outcomes) == bool(objective.family):
            message = f"objectives.{name}: give either outcomes or family"
            raise ValueError(message)
        if objective.family and objective.threshold_s not in BOUNDS_S.get(objective.family, ()):
            known = {family: bounds for family, bounds in BOUNDS_S.items() if family == objective.family} or BOUNDS_S
            message = (
                f"objectives.{name}: {objective.threshold_s} s is no bucket of {objective.family}; there are {known}"
            )
            raise ValueError(message)
    return slo


def read() -> Slo:
    """Return the objectives of monitoring/slo.toml."""
    return parse((FOLDER / "slo.toml").read_text(encoding="utf-8"))
