"""``make monitoring`` writes alert rules and dashboard; ``make slo-report`` compares a platform with the objectives."""

import argparse
import os
import sys
from pathlib import Path

import urllib3

from functions.registry.api.registry import PREFIX
from tools.monitoring.grafana import grafana_dashboard
from tools.monitoring.report import compare, lines, read_samples
from tools.monitoring.rules import rules
from tools.monitoring.slo import FOLDER, read


def written() -> dict[Path, str]:
    """Return every generated file with its text."""
    slo = read()
    return {FOLDER / "prometheus-rules.yml": rules(slo), FOLDER / "grafana-dashboard.json": grafana_dashboard(slo)}


def fetch(base_url: str, token: str) -> str:
    """Return the text of a platform's ``GET /metrics``.

    Raises:
        SystemExit: the platform answers with another status.
    """
    url = f"{base_url.rstrip('/')}{PREFIX}/metrics"
    answer = urllib3.request("GET", url, headers={"authorization": f"Bearer {token}"}, timeout=30, retries=2)
    if answer.status != 200:
        sys.exit(f"{url} answers {answer.status}; give ALGA_TOKEN with the role metrics:read: {answer.data[:300]!r}")
    return answer.data.decode()


def main(arguments: list[str]) -> int:
    """Run one of the two; return the exit status: 1 when an objective is missed."""
    parser = argparse.ArgumentParser(prog="python -m tools.monitoring", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="write monitoring/prometheus-rules.yml and monitoring/grafana-dashboard.json")
    report = commands.add_parser("report", help="compare a platform with monitoring/slo.toml")
    report.add_argument("--url", default="http://127.0.0.1:8700", help="of the platform's API")
    report.add_argument("--since", type=Path, help="the text of an earlier scrape: only calls after it count")
    report.add_argument("--save", type=Path, help="write the text of this scrape, for a later --since")
    given = parser.parse_args(arguments)
    if given.command == "write":
        for path, text in written().items():
            path.write_text(text, encoding="utf-8")
        return 0
    text = fetch(given.url, os.environ.get("ALGA_TOKEN", ""))
    if given.save:
        given.save.write_text(text, encoding="utf-8")
    before = read_samples(given.since.read_text(encoding="utf-8")) if given.since else None
    results = compare(read(), read_samples(text), before)
    print("\n".join(lines(results)))
    return 0 if all(result.is_met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
