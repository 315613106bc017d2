"""What a guest emits reaches its tenant, and what the operator's Prometheus gets, through the whole platform."""

import json
from pathlib import Path

import pytest

from tests.support.openmetrics import families
from tests.support.site import CLAIMS, Site
from tests.support.wat import guest
from tools.monitoring.__main__ import main

EMITTER = guest(
    """
      (call $metrics.emit (i32.const 0) (i32.const 6) (f64.const 2.5) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0))
      (call $metrics.emit (i32.const 0) (i32.const 6) (f64.const -1) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0))
      (call $respond (i32.const 200) (i32.const 0) (i32.const 6))
    """,
    imports=["metrics.emit"],
    data='(data (i32.const 0) "orders")',
)
PATH = "/api/registry/v1"


def test_a_tenant_reads_what_its_extension_emitted(site: Site) -> None:
    install_id = site.install(EMITTER, metrics=[{"name": "orders", "unit": "Count"}])
    for _ in range(2):
        reply = site.call(install_id)
        site.record(reply.headers["x-request-id"])

    answer = site.client("viewer").request("GET", f"{PATH}/installs/{install_id}/metrics")

    (item,) = json.loads(answer.body)["items"]
    assert {name: item[name] for name in ("name", "unit", "count", "sum", "min", "max")} == {
        "name": "orders", "unit": "Count", "count": 4, "sum": 3, "min": -1, "max": 2.5,
    }  # fmt: skip


def test_the_operator_scrapes_the_totals(site: Site, hello: str) -> None:
    reply = site.call(hello)
    site.record(reply.headers["x-request-id"])

    answer = site.client("operator").request("GET", f"{PATH}/metrics")

    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    found = families(answer.body.decode())
    calls = {sample.labels["outcome"]: sample.value for sample in found["alga_ext_calls"].samples}
    assert calls["ok"] >= 1
    assert any(sample.value >= 1 for sample in found["alga_ext_active_tenants"].samples)


def test_the_report_compares_the_platform_with_its_objectives(
    site: Site, hello: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALGA_TOKEN", site.platform.keys.token(CLAIMS["operator"]))
    saved = tmp_path / "scrape.txt"
    assert main(["report", "--url", site.api, "--save", str(saved)]) in (0, 1)
    reply = site.call(hello)
    site.record(reply.headers["x-request-id"])
    capsys.readouterr()

    main(["report", "--url", site.api, "--since", str(saved)])

    (availability,) = [line for line in capsys.readouterr().out.splitlines() if "could run" in line]
    assert availability.endswith("| 1 | 0 | 100.000% | 100% | met |")


def test_the_report_without_the_right_token_says_what_is_missing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGA_TOKEN", site.platform.keys.token(CLAIMS["acme"]))

    with pytest.raises(SystemExit, match="answers 403; give ALGA_TOKEN with the role metrics:read"):
        main(["report", "--url", site.api])
