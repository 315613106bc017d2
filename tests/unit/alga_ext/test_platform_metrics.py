"""The table of the platform's metrics, the form of their lines, and the page that lists them."""

import json
import re

import pytest

from alga_ext import platform_metrics
from alga_ext.platform_metrics import CALL_DURATION, CALLS, CALLS_REFUSED, KEY_OVERDUE, METRICS, Metric, embedded
from alga_ext.telemetry import emit
from tests.support.reference_pages import REFERENCE

FORBIDDEN_DIMENSIONS = {"tenant", "tenant_id", "install_id", "extension_id", "extension", "principal", "path"}
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (`\w+`|) ?\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_the_table_has_every_metric_that_is_defined_once() -> None:
    defined = [value for value in vars(platform_metrics).values() if isinstance(value, Metric)]

    assert sorted(METRICS) == sorted(defined)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_no_metric_has_a_dimension_for_tenants_or_extensions() -> None:
    assert not {metric.dimension for metric in METRICS} & FORBIDDEN_DIMENSIONS


def test_the_whole_table_fits_into_one_directive() -> None:
    assert len(METRICS) <= 100


def test_the_page_lists_the_table() -> None:
    rows = ROW.findall((REFERENCE / "metrics.md").read_text().partition("## Values of dimensions")[0])

    assert [tuple(cell.strip() for cell in row) for row in rows] == [
        (m.name, m.unit, f"`{m.dimension}`" if m.dimension else "", m.emitted_by, m.meaning) for m in METRICS
    ]


def test_values_are_members_that_one_directive_describes() -> None:
    document = embedded({CALL_DURATION: 12.5}, 1_700_000_000_000, {})

    assert document == {
        "_aws": {
            "Timestamp": 1_700_000_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "AlgaExtensions/Platform",
                    "Dimensions": [[]],
                    "Metrics": [{"Name": "CallDuration", "Unit": "Milliseconds"}],
                }
            ],
        },
        "CallDuration": 12.5,
    }


def test_a_metric_with_a_dimension_is_also_counted_without_it() -> None:
    document = embedded({CALLS: 1, CALL_DURATION: 2}, 0, {"outcome": "ok"})

    described = [
        (directive["Dimensions"], [metric["Name"] for metric in directive["Metrics"]])
        for directive in document["_aws"]["CloudWatchMetrics"]
    ]
    assert described == [([[]], ["Calls", "CallDuration"]), ([["outcome"]], ["Calls"])]
    assert document["outcome"] == "ok"


def test_dimensions_of_two_metrics_are_not_combined() -> None:
    document = embedded({CALLS: 1, CALLS_REFUSED: 1}, 0, {"outcome": "ok", "code": "rate_limited"})

    sets = [directive["Dimensions"] for directive in document["_aws"]["CloudWatchMetrics"]]
    assert sets == [[[]], [["outcome"]], [["code"]]]


@pytest.mark.parametrize("level", ["INFO", "CRITICAL"])
def test_metrics_are_one_line_whatever_the_level_of_the_log(
    level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)

    emit("gateway", {CALLS: 1, CALL_DURATION: 3.25, KEY_OVERDUE: 2}, outcome="timeout")

    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert (document["Calls"], document["CallDuration"], document["KeyOverdue"]) == (1, 3.25, 2)
    assert (document["outcome"], document["service"]) == ("timeout", "gateway")
    assert document["_aws"]["Timestamp"] > 1_700_000_000_000
