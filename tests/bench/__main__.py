"""``python -m tests.bench``: every benchmark, one after the other; each also runs alone, as ``tests.bench.runner``.

Status 1 when one of them missed a target.
"""

import sys

from tests.bench import asking, gateway, installs, pages, runner, starts, sweeping, ticking

MODULES = (gateway, runner, starts, installs, sweeping, asking, ticking, pages)

if __name__ == "__main__":
    sys.exit(max(module.main() for module in MODULES))
