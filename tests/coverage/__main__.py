"""`python -m tests.coverage`: how much of the product code the tests run, in all of their processes.

Writes `.build/coverage/`, with `html/index.html`. The status is 1 when a test fails, and 2 when less is covered than
pyproject.toml demands. Arguments are passed to pytest.

The fuzzers are not run: they have a time limit, and random input would give another figure each time.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from typing import Final

from tests.coverage.process import FOLDER, measurement
from tests.support.places import ROOT

# Sorted after the file that makes this repository importable.
_PTH: Final = Path(sysconfig.get_path("purelib")) / "zz_alga_ext_coverage.pth"
_TESTS: Final = ["-q", "-n", "2", "--dist", "loadfile", "-m", "not soak"]
_TESTS_WITHOUT: Final = ["--ignore", "tests/browser", "--ignore", "tests/fuzz"]


@contextmanager
def every_process_measured() -> Iterator[None]:
    """Let each Python process that starts in this environment measure itself."""
    _PTH.write_text(f"import tests.coverage.process as measured; measured.start({getpid()})\n")
    try:
        yield
    finally:
        _PTH.unlink()


def main(arguments: list[str]) -> int:
    """Run the tests, report, and return the status."""
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with every_process_measured():
        command = [sys.executable, "-m", "pytest", *_TESTS, *_TESTS_WITHOUT, *arguments]
        tests = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"tests ended with status {tests} after {time.monotonic() - started:.0f} s")
    return report() or min(tests, 1)


def report() -> int:
    """Combine what the processes wrote, show it, and return 2 when too little is covered."""
    found = measurement()
    found.combine()
    found.save()
    found.html_report(directory=str(FOLDER / "html"))
    found.json_report(outfile=str(FOLDER / "report.json"))
    total = found.report(skip_covered=True)
    totals = json.loads((FOLDER / "report.json").read_text())["totals"]
    print(f"branches: {totals['covered_branches']} of {totals['num_branches']}")
    least = found.get_option("report:fail_under")
    print(f"details: {(FOLDER / 'html/index.html').relative_to(ROOT)}")
    return 2 if isinstance(least, float | int) and total < least else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
