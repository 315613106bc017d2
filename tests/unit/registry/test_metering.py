"""Buckets, rows that are added to totals, and the OpenMetrics text, as Prometheus' own parser reads it."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.calls.envelope import MetricTotal, Usage
from alga_ext.calls.messages import ExecutionFinished
from functions.registry.metering import buckets, counting, openmetrics, rows
from tests.support.openmetrics import families
from tests.support.reference_pages import REFERENCE

NOW = datetime(2026, 3, 14, 12, 0, 5, tzinfo=UTC)


def finished(**changes: Any) -> ExecutionFinished:
    given = {
        "execution_id": "00000000-0000-4000-8000-000000000009",
        "tenant_id": "tenant-a",
        "install_id": "install-1",
        "extension_id": "extension-1",
        "version_id": "v",
        "content_hash": "sha256:0",
        "request_id": "r",
        "trace_id": "t",
        "method": "GET",
        "path": "/notes/7",
        "principal": "user-1",
        "accepted_at": "2026-03-14T12:00:00+00:00",
        "at": "2026-03-14T12:00:01+00:00",
        "status": 200,
        "usage": Usage(duration_ms=970, cpu_ms=4, memory_peak_bytes=3 << 20, fuel=7, egress_bytes=10),
    }
    return ExecutionFinished(**{**given, **changes})


UNKNOWN = {"calls": 5, "ended_late": 2}
DELIVERIES = [
    {"lag_ms": 700.0, "lag_buckets": [0, 1, *[0] * 9]},
    {"lag_ms": 61_000.0, "lag_buckets": [*[0] * 7, 1, 0, 0, 0]},
]


def total(name: str, *values: float) -> MetricTotal:
    return MetricTotal(name=name, unit="Count", count=len(values), sum=sum(values), min=min(values), max=max(values))


# Buckets


def test_a_bucket_includes_its_upper_bound_and_the_last_has_none() -> None:
    assert buckets.count([1, 2, 2.001, 5, 6, 1e9], (2, 5)) == [2, 2, 2]


@pytest.mark.parametrize(
    ("bounds", "column"),
    [
        (buckets.DURATION_MS, 13),
        (buckets.MEMORY_BYTES, 10),
        (buckets.OVERHEAD_MS, 11),
        (buckets.LAG_MS, 11),
    ],
)
def test_a_row_has_as_many_buckets_as_its_column_takes(bounds: tuple[float, ...], column: int) -> None:
    assert len(buckets.count([], bounds)) == column
    assert list(bounds) == sorted(bounds)


def test_a_shard_is_one_of_eight_and_follows_from_the_execution() -> None:
    ids = [f"00000000-0000-7000-8000-{number:012x}" for number in range(16)]
    assert [counting.shard_of(one) for one in ids] == [*range(8), *range(8)]


# Rows


def test_metrics_of_several_calls_are_added_for_each_install_day_and_name() -> None:
    found = rows.metric_rows(
        [
            finished(metrics=[total("orders", 1, 2), total("errors", 5)]),
            finished(metrics=[total("orders", -4)]),
            finished(metrics=[total("orders", 9)], accepted_at="2026-03-13T23:59:59+00:00"),
            finished(metrics=[total("orders", 9)], install_id="install-2"),
            finished(),
        ]
    )

    keyed = {(row["install_id"], row["day"], row["name"]): row for row in found}
    assert len(found) == len(keyed) == 4
    row = keyed["install-1", "2026-03-14", "orders"]
    assert (row["value_count"], row["value_sum"], row["value_min"], row["value_max"]) == (3, -1, -4, 2)


def test_calls_are_counted_by_outcome_with_their_buckets() -> None:
    found = rows.call_rows([finished(), finished(), finished(status=504, error_code="guest_timeout")], NOW)

    by_outcome = {row["outcome"]: row for row in found}
    assert {outcome: row["calls"] for outcome, row in by_outcome.items()} == {"ok": 2, "timeout": 1}
    ok, timeout = by_outcome["ok"], by_outcome["timeout"]
    assert (ok["duration_ms"], ok["cpu_ms"], ok["memory_peak_bytes"], ok["fuel"], ok["egress_bytes"]) == (
        1940, 8, 6 << 20, 14, 20,
    )  # fmt: skip
    assert (sum(ok["duration_buckets"]), sum(ok["memory_buckets"]), sum(ok["lag_buckets"])) == (2, 2, 2)
    assert (ok["overhead_ms"], ok["lag_ms"]) == (60, 8_000)
    assert (sum(ok["overhead_buckets"]), sum(timeout["overhead_buckets"])) == (2, 0)


def test_an_extensions_failed_calls_are_those_that_did_not_end_well() -> None:
    (row,) = rows.extension_rows([finished(), finished(status=500), finished(status=502, error_code="guest_trapped")])

    assert (row["calls"], row["failed_calls"], row["egress_bytes"]) == (3, 2, 30)


def test_the_lag_of_a_batch_is_its_longest() -> None:
    assert rows.longest_lag_ms([finished(), finished(at="2026-03-14T12:00:04+00:00")], NOW) == 4_000


# OpenMetrics


def exposed(*, extensions: list[dict[str, Any]] | None = None, calls: bool = True) -> dict[str, Any]:
    text = openmetrics.exposition(
        rows.call_rows([finished()], NOW) if calls else [], extensions or [], UNKNOWN, DELIVERIES, 3
    )
    assert text.endswith("# EOF\n")
    return families(text)


def test_every_family_is_parsed_with_its_type_and_unit() -> None:
    found = exposed()

    assert {(name, family.type, family.unit) for name, family in found.items()} == {
        (family.name, family.kind, family.unit) for family in openmetrics.FAMILIES
    }


def test_a_histogram_is_cumulated_and_has_seconds() -> None:
    samples = exposed()["alga_ext_call_duration_seconds"].samples

    counts = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (counts["0.5"], counts["1.0"], counts["+Inf"]) == (0, 1, 1)
    assert {sample.value for sample in samples if sample.name.endswith("_sum")} == {0.97}
    assert {sample.labels["outcome"] for sample in samples} == {"ok"}


def test_the_lag_of_deliveries_is_one_histogram_of_all_its_totals() -> None:
    samples = exposed()["alga_ext_delivery_lag_seconds"].samples

    counts = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (counts["0.1"], counts["0.5"], counts["60.0"], counts["300.0"], counts["+Inf"]) == (0, 1, 1, 2, 2)
    assert [sample.value for sample in samples if sample.name.endswith("_sum")] == [61.7]


def test_a_platform_without_calls_has_valid_metrics() -> None:
    found = exposed(calls=False)

    assert [sample.value for sample in found["alga_ext_active_tenants"].samples] == [3]
    assert found["alga_ext_calls"].samples == []


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "ü 🦊"])
def test_a_label_is_escaped(name: str) -> None:
    zeros = dict.fromkeys(("failed_calls", "duration_ms", "cpu_ms", "egress_bytes"), 0)
    found = exposed(extensions=[{"extension": name, "calls": 2, **zeros}])

    assert [sample.labels for sample in found["alga_ext_extension_calls"].samples] == [{"extension": name}]


def test_no_label_names_a_tenant_install_user_or_path() -> None:
    text = openmetrics.exposition(rows.call_rows([finished()], NOW), [], UNKNOWN, DELIVERIES, 1)

    assert set(re.findall(r'[{,](\w+)="', text)) == {"outcome", "le"}


def test_the_page_lists_every_family() -> None:
    row = re.compile(r"^\| `(alga_ext_\w+)` \| (\w+) \| (?:`\w+` )?\| ([^|]+) \|$", re.MULTILINE)
    rows_of_page = row.findall((REFERENCE / "metrics.md").read_text())

    assert rows_of_page == [(family.name, family.kind, family.help) for family in openmetrics.FAMILIES]
