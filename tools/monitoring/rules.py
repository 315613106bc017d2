"""Make Prometheus' alert rules from the objectives (pure).

An alert goes off when the budget of bad calls is used up so fast that it would not last the window: 14.4 times as fast
for an hour, or 6 times for six hours, and still so in the last minutes. The numbers are those of the chapter
"Alerting on SLOs" of Google's Site Reliability Workbook for a window of 30 days.
"""

from typing import Any, Final

import yaml

from tools.monitoring.slo import Objective, Slo

_BURNS: Final = (("critical", 14.4, "1h", "5m"), ("warning", 6.0, "6h", "30m"))
"""Severity, how many times too fast, the long window, and the short one that says that it still happens."""


def rules(slo: Slo) -> str:
    """Return the rules as YAML."""
    groups = [
        {"name": f"alga-ext-{name.replace('_', '-')}", "rules": [_rule(name, one, *burn) for burn in _BURNS]}
        for name, one in slo.objectives.items()
    ]
    head = "# Written by `make monitoring` from slo.toml. Do not edit.\n"
    text: str = yaml.safe_dump({"groups": groups}, sort_keys=False, width=1_000)
    return head + text


def _rule(name: str, objective: Objective, severity: str, factor: float, long: str, short: str) -> dict[str, Any]:
    limit = f"{factor} * {round(1 - objective.objective, 9)!r}"
    words = "".join(part.capitalize() for part in name.split("_"))
    return {
        "alert": f"AlgaExt{words}Burns{'Fast' if severity == 'critical' else 'Slowly'}",
        "expr": f"({objective.bad_part(long)}) > {limit} and ({objective.bad_part(short)}) > {limit}",
        "labels": {"severity": severity, "objective": name},
        "annotations": {
            "summary": f"{objective.title}: the budget of bad calls is used {factor:g} times too fast",
            "runbook": "docs/how-to/respond-to-alarms.md#when-an-objective-is-missed",
        },
    }
