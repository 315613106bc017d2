"""Make the Grafana dashboard from the table of metric families and from the objectives (pure)."""

from collections.abc import Iterable
from typing import Final

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from functions.registry.metering.openmetrics import FAMILIES, Family
from tools.monitoring.slo import Slo

_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_UNITS: Final = {"seconds": "s", "bytes": "bytes"}
_HEIGHT: Final = 8
_WIDTH: Final = 8
"""Of 24: three panels in a row."""


def grafana_dashboard(slo: Slo) -> str:
    """Return the dashboard as JSON. Its data source is chosen in Grafana."""
    made = (
        dashboard.Dashboard("Extension platform")
        .uid("alga-ext")
        .refresh("1m")
        .time("now-6h", "now")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_row(dashboard.Row("Objectives"))
    )
    for objective in slo.objectives.values():
        titled = f"{objective.title}: bad part, at most {round(1 - objective.objective, 9):g}"
        made = made.with_panel(_panel(titled, "percentunit", [(objective.bad_part("1h"), "bad in an hour")]))
    made = made.with_row(dashboard.Row("All metrics"))
    for family in FAMILIES:
        made = made.with_panel(_panel(family.help.rstrip("."), _UNITS.get(family.unit, "short"), _queries(family)))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _queries(family: Family) -> Iterable[tuple[str, str]]:
    """Yield expressions with the legends of their lines."""
    name = family.name
    label = "extension" if "_extension_" in name else "outcome"
    if family.kind == "gauge":
        yield name, "now"
    elif family.kind == "counter":
        rate = f"sum by ({label}) (rate({name}_total[$__rate_interval]))"
        yield (f"topk(10, {rate})" if label == "extension" else rate), f"{{{{{label}}}}}"
    else:
        for part in (0.5, 0.95, 0.99):
            buckets = f"sum by (le) (rate({name}_bucket[$__rate_interval]))"
            yield f"histogram_quantile({part}, {buckets})", f"{part:.0%}"


def _panel(title: str, unit: str, queries: Iterable[tuple[str, str]]) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).unit(unit).datasource(_SOURCE).span(_WIDTH).height(_HEIGHT)
    for letter, (expression, legend) in zip("ABCDEF", queries, strict=False):
        panel = panel.with_target(prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter))
    return panel
