"""A warm call at the runner's handler against another checkout: alternating pairs of runs.

``python -m tests.bench.warm_calls ../other-checkout`` measures small calls of the same guests there and here, in turns
of one process each, so that what else the machine does hits both alike. The other checkout needs its own ``make
setup``. Status 1 when a guest's median ratio is above ``SLOWER_LIMIT``.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Final

from tests.bench.checkouts import Program
from tests.support.places import ROOT

SLOWER_LIMIT: Final = 1.03
"""The largest median ratio: here to there."""

# It uses the bench of its own checkout. A line is the name of a guest and a number of calls; the answer is the median
# time of one in milliseconds.
_PROGRAM: Final = """
import contextlib, io, logging, sys, tempfile
from pathlib import Path
from tests.bench.measure import in_turns
from tests.bench.runner import GUEST_BUILDERS, Prepared
from tests.support.runner_fixture import MAXIMA, RunnerFixture
logging.disable(logging.CRITICAL)
with tempfile.TemporaryDirectory(prefix="bench-") as folder:
    house, hashes = RunnerFixture(Path(folder, "house"), maxima=MAXIMA), {}
    for line in sys.stdin:
        guest, times = line.rstrip().split("\t")
        with contextlib.redirect_stdout(io.StringIO()):
            if guest not in hashes:
                hashes[guest] = house.publish(GUEST_BUILDERS[guest]())
            Prepared(house, hashes[guest], 1, path="/count")()
            (taken,) = in_turns([Prepared(house, hashes[guest], int(times), path="/count")], int(times))
        print(taken.p50_ms, flush=True)
"""
GUESTS: Final = ("trivial (WAT)", "QuickJS 1.6 MB", "StarlingMonkey 12 MB", "CPython 18 MB")


def main() -> int:
    """Run from the command line; return 1 when a ratio is too large, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=151)
    parser.add_argument("--times", type=int, default=40, help="calls of a run")
    options = parser.parse_args()
    worst = 0.0
    with Program(options.other.resolve(), _PROGRAM, os.environ) as there, Program(ROOT, _PROGRAM, os.environ) as here:
        for guest in GUESTS:
            asked = f"{guest}\t{options.times}"
            pairs = []
            for number in range(options.pairs + 1):  # the first pair is not counted
                order = (there, here) if number % 2 else (here, there)
                taken = {one: float(one.ask(asked)) for one in order}
                pairs.append((taken[there], taken[here]))
            ratios = sorted(after / before for before, after in pairs[1:])
            worst = max(worst, statistics.median(ratios))
            before_ms, after_ms = (statistics.median(figures) for figures in zip(*pairs[1:], strict=True))
            print(
                f"{guest}: {before_ms:.3f} ms there, {after_ms:.3f} ms here, median ratio "
                f"{statistics.median(ratios):.3f} of {options.pairs} pairs ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                flush=True,
            )
    return int(worst > SLOWER_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
