"""Every fuzzer for a few seconds: enough to see that it runs and that nothing easy breaks.

``FUZZ_SECONDS=600 pytest tests/fuzz`` looks longer; ``python -m tests.fuzz.manifest`` runs one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("FUZZ_SECONDS", "3"))
TARGETS = sorted({path.stem for path in Path(__file__).parent.glob("[!t]*.py")} - {"harness"})

pytest.importorskip("atheris", reason="atheris is for Linux and Python below 3.14")


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(target: str) -> None:
    command = [sys.executable, "-m", f"tests.fuzz.{target}", f"-max_total_time={SECONDS}"]
    # A process takes over the peak memory of the one that starts it, which here may have run ten thousand tests; a
    # shell in between starts it afresh.
    command = ["sh", "-c", '"$@"; exit $?', "sh", *command]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS + 120, check=False)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "stat::number_of_executed_units" in done.stderr


def test_there_are_fuzzers() -> None:
    assert {"bundle", "manifest", "signature"} <= set(TARGETS)
