"""The runner's speed against another checkout: alternating pairs of runs, and the median of their ratios.

``python -m tests.bench.pairs ../other-checkout`` runs ``tests.bench.runner`` there and here in turns, so that what else
the machine does hits both alike. The other checkout needs its own ``make setup``. A ratio above 1 means slower here.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.support.places import ROOT

SLOWER_LIMIT = 1.05
"""The largest median ratio of the warm call, the echo and the cold start that a change may bring."""


def figures(folder: Path, times: int, *, cold: bool) -> dict[str, float]:
    """Run the bench of a checkout once and return milliseconds by figure."""
    python = folder / ".venv" / "bin" / "python"
    command = [str(python), "-m", "tests.bench.runner", "--times", str(times), *([] if cold else ["--no-cold"])]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    written = folder / ".build" / "bench" / "runner.json"
    if ended.returncode not in (0, 1):  # 1: a bound in absolute time was missed, which is not the question here
        message = f"the bench of {folder} failed: {ended.stderr[-500:]}"
        raise RuntimeError(message)
    return dict(_flat(json.loads(written.read_text())))


def _flat(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for row in found["against_bare"]:
        yield f"warm call, {row['guest']}", row["handler"]["p50_ms"]
    for row in found["bodies"]:
        yield f"echo of {row['bytes']} bytes, {row['guest']}", row["handler"]["p50_ms"]
    for row in found.get("cold", ()):
        yield f"cold start, {row['guest']}", row["p50_ms"]


def main() -> int:
    """Run from the command line; return 1 when a median ratio is above the limit, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--times", type=int, default=80, help="calls for each figure of a run")
    parser.add_argument("--no-cold", action="store_true", help="leave out the cold starts")
    options = parser.parse_args()
    runs: list[tuple[dict[str, float], dict[str, float]]] = []
    for number in range(options.pairs):
        order = (options.other, ROOT) if number % 2 == 0 else (ROOT, options.other)
        taken = {folder: figures(folder.resolve(), options.times, cold=not options.no_cold) for folder in order}
        runs.append((taken[options.other], taken[ROOT]))
        print(f"pair {number + 1} of {options.pairs}", file=sys.stderr, flush=True)
    table = Table(title=f"Milliseconds (median of {options.pairs} alternating pairs)")
    for column in ("figure", "there", "here", "here / there", "pairs from to"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    worst = 0.0
    for name in runs[0][1]:
        pairs = [(there[name], here[name]) for there, here in runs if name in there]
        if not pairs:
            continue
        ratios = sorted(here / there for there, here in pairs)
        ratio = statistics.median(ratios)
        worst = max(worst, ratio)
        medians = (statistics.median(values) for values in zip(*pairs, strict=True))
        spread = f"{ratios[0]:.2f}–{ratios[-1]:.2f}"
        table.add_row(name, *(f"{value:.3f}" for value in medians), f"{ratio:.3f}", spread)
    Console(width=120).print(table)
    return int(worst > SLOWER_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
