"""Alert rules, dashboard and report are made from one file of objectives."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from functions.registry.metering import openmetrics
from tools.monitoring.__main__ import written
from tools.monitoring.report import compare, lines, read_samples
from tools.monitoring.rules import rules
from tools.monitoring.slo import FOLDER, Slo, parse, read

SLO = read()
GOOD = """
window_days = 30
[objectives.one]
title = "x"
objective = 0.9
outcomes = ["platform_error"]
"""


def test_the_committed_files_are_those_that_are_made() -> None:
    stale = [path.name for path, text in written().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "write them anew: make monitoring"


# The file


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("0.9", "1.0"), "objective"),
        (('["platform_error"]', '["none"]'), "Invalid enum value 'none'"),
        (("outcomes", "outcome"), "unknown field `outcome`"),
        (('outcomes = ["platform_error"]', ""), "give either outcomes or family"),
        (('outcomes = ["platform_error"]', 'family = "alga_ext_recorder_lag_seconds"\nthreshold_s = 7'), "no bucket"),
        (('outcomes = ["platform_error"]', 'family = "alga_ext_calls"\nthreshold_s = 1'), "no bucket"),
        (("window_days = 30", "window_days = 0"), "window_days"),
        (("window_days = 30", "window_days = "), "Invalid value"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(changed: tuple[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(GOOD.replace(*changed))


def test_availability_the_platforms_latency_and_the_recorder_have_objectives() -> None:
    assert set(SLO.objectives) == {"availability", "platform_latency", "recorder_lag", "event_lag"}


# Rules and dashboard


def expressions(document: Any) -> list[str]:
    """Return every ``expr`` below a JSON document."""
    if isinstance(document, list):
        return [found for part in document for found in expressions(part)]
    if isinstance(document, dict):
        own = [document["expr"]] if "expr" in document else []
        return own + [found for part in document.values() for found in expressions(part)]
    return []


SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
EXPOSED = {family.name + suffix for family in openmetrics.FAMILIES for suffix in SUFFIXES[family.kind]}


@pytest.mark.parametrize("name", ["prometheus-rules.yml", "grafana-dashboard.json"])
def test_only_metrics_that_are_exposed_are_asked_for(name: str) -> None:
    found = expressions(yaml.safe_load((FOLDER / name).read_text(encoding="utf-8")))
    assert found
    assert {metric for one in found for metric in re.findall(r"alga_ext_\w+", one)} <= EXPOSED


def test_the_dashboard_shows_every_family_and_objective() -> None:
    document = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    text = " ".join(expressions(document))
    assert [family.name for family in openmetrics.FAMILIES if family.name not in text] == []
    titles = [panel.get("title", "") for panel in document["panels"]]
    for objective in SLO.objectives.values():
        assert any(title.startswith(objective.title) for title in titles)


def test_each_objective_has_a_fast_and_a_slow_alert_with_a_runbook() -> None:
    groups = yaml.safe_load(rules(SLO))["groups"]
    assert [len(group["rules"]) for group in groups] == [2] * len(SLO.objectives)
    page, _, anchor = groups[0]["rules"][0]["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (FOLDER.parent / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="THE ALERT RULES ARE NOT CHECKED: promtool is missing (Debian: apt-get install prometheus)"
)
ALERTS = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'alga_ext_calls_total{{outcome="ok"}}'
        values: '0+98x120'
      - series: 'alga_ext_calls_total{{outcome="{outcome}"}}'
        values: '0+{bad}x120'
      - series: 'alga_ext_calls_unknown_total'
        values: '0+{lost}x120'
      - series: 'alga_ext_calls_ended_late_total'
        values: '0+{late}x120'
      - series: 'alga_ext_recorder_lag_seconds_bucket{{le="10.0"}}'
        values: '0+100x120'
      - series: 'alga_ext_recorder_lag_seconds_count'
        values: '0+100x120'
    promql_expr_test:
      - expr: count by (alertname) (ALERTS{{severity="critical"}})
        eval_time: 90m
        exp_samples:
{alerts}
"""
MISSED = """          - labels: '{alertname="AlgaExtAvailabilityBurnsFast"}'
            value: 1"""


def promtool(*arguments: str | Path) -> None:
    found = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    found = subprocess.run(
        [str(PROMTOOL), "check", "rules", FOLDER / "prometheus-rules.yml"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("outcome", "bad", "lost", "late", "is_missed"),
    [
        ("platform_error", 2, 0, 0, True),
        ("trapped", 2, 0, 0, False),
        ("trapped", 2, 2, 0, True),
        ("trapped", 2, 2, 2, False),
        ("trapped", 2, 0, 2, False),
    ],
    ids=["failed", "the guests' fault", "lost, and no series of failed ones", "reported late", "reported too late"],
)
def test_the_alert_of_a_missed_objective_goes_off_and_no_other(
    tmp_path: Path, outcome: str, bad: int, lost: int, late: int, is_missed: bool
) -> None:
    test = tmp_path / "alerts.yml"
    text = ALERTS.format(
        rules=FOLDER / "prometheus-rules.yml",
        outcome=outcome,
        bad=bad,
        lost=lost,
        late=late,
        alerts=MISSED if is_missed else "",
    )
    test.write_text(text)
    promtool("test", "rules", test)


# The report


UNKNOWN = {"calls": 0, "ended_late": 0}


def exposition(
    ok: int, failed: int, *, slow: int = 0, late: int = 0, unknown: Mapping[str, int] = MappingProxyType(UNKNOWN)
) -> str:
    zeros = dict.fromkeys(
        ("duration_ms", "cpu_ms", "memory_peak_bytes", "fuel", "egress_bytes", "overhead_ms", "lag_ms"), 0
    )
    buckets = {
        "duration_buckets": [0] * 13,
        "memory_buckets": [0] * 10,
        "overhead_buckets": [0, 0, 0, 0, ok - slow, 0, 0, 0, 0, 0, slow],
        "lag_buckets": [ok, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    }
    none = {name: [0] * len(counts) for name, counts in buckets.items()}
    return openmetrics.exposition(
        [
            {"outcome": "ok", "calls": ok, **zeros, **buckets},
            {"outcome": "platform_error", "calls": failed, **zeros, **none},
        ],
        [],
        unknown,
        [{"lag_ms": 0, "lag_buckets": [1_000 - late, *[0] * 6, late, 0, 0, 0]}],
        0,
    )


def results(slo: Slo, now: str, before: str | None = None) -> dict[str, tuple[int, int, bool]]:
    found = compare(slo, read_samples(now), read_samples(before) if before else None)
    return {one.name: (one.calls, one.bad, one.is_met) for one in found}


def test_objectives_are_met_up_to_their_budget_and_missed_beyond() -> None:
    assert results(SLO, exposition(9_990, 10))["availability"] == (10_000, 10, True)
    assert results(SLO, exposition(9_989, 11))["availability"] == (10_000, 11, False)
    assert results(SLO, exposition(1_000, 0, slow=10))["platform_latency"] == (1_000, 10, True)
    assert results(SLO, exposition(1_000, 0, slow=11))["platform_latency"] == (1_000, 11, False)
    assert results(SLO, exposition(1_000, 0, late=10))["event_lag"] == (1_000, 10, True)
    assert results(SLO, exposition(1_000, 0, late=11))["event_lag"] == (1_000, 11, False)


def test_calls_whose_end_is_unknown_miss_availability_until_it_is_reported() -> None:
    lost = exposition(9_989, 0, unknown={"calls": 11, "ended_late": 0})
    assert results(SLO, lost)["availability"] == (10_000, 11, False)
    ended_late = exposition(9_999, 0, unknown={"calls": 11, "ended_late": 10})
    assert results(SLO, ended_late)["availability"] == (10_000, 1, True)
    # In this time, more calls ended late than were lost.
    assert results(SLO, ended_late, lost)["availability"] == (10, 0, True)


def test_only_calls_after_an_earlier_scrape_count() -> None:
    found = results(SLO, exposition(2_000, 100), exposition(1_000, 100))
    assert found["availability"] == (1_000, 0, True)


def test_a_platform_without_calls_misses_nothing() -> None:
    assert all(met for *_, met in results(SLO, openmetrics.exposition([], [], UNKNOWN, [], 0)).values())


def test_the_report_names_what_was_missed_and_how_much_budget_is_left() -> None:
    table = list(lines(compare(SLO, read_samples(exposition(9_980, 20)))))
    assert table[2].endswith("| 99.90% | 10000 | 20 | 99.800% | -100% | MISSED |")
