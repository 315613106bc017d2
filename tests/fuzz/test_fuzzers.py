"""Every fuzzer for a few seconds: enough to see that it runs and that nothing easy breaks.

``FUZZ_SECONDS=600 pytest tests/fuzz`` looks longer; ``python -m tests.fuzz.manifest`` runs one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

SECONDS = int(os.environ.get("FUZZ_SECONDS", "3"))
TARGETS = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - {"harness", Path(__file__).stem})

pytest.importorskip("atheris", reason="atheris is for Linux and Python below 3.14")


def afresh(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a fuzzer to its end.

    A process takes over the peak memory of the one that starts it, which here may have run ten thousand tests; a shell
    in between starts it afresh.
    """
    command = ["sh", "-c", '"$@"; exit $?', "sh", *command]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS + 120, check=False)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(target: str) -> None:
    command = [sys.executable, "-m", f"tests.fuzz.{target}", f"-max_total_time={SECONDS}"]

    done = afresh(command)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "stat::number_of_executed_units" in done.stderr


def test_there_are_fuzzers() -> None:
    assert {"bundle", "manifest", "signature", "trust_bundle", "log_proof"} <= set(TARGETS)


FAULTS = {
    "an exception that is not ours": ("raise RecursionError", "Uncaught Python exception"),
    "a fault of ours that is no refusal": ('raise PlatformError("internal", "x")', "Uncaught Python exception"),
    "memory without bound": ("kept.append(bytearray(600 << 20)); time.sleep(3)", "out-of-memory"),
    "time without bound": ("time.sleep(30)", "ALARM: working on the last Unit"),
}
TARGET = """
import sys, time
from alga_ext.errors import PlatformError
from tests.fuzz.harness import fuzz, refused_or_read
kept = []
def work():
    {fault}
fuzz("harness-test", lambda data: refused_or_read(work), [b"x"], ["-max_total_time=20"])
"""


@pytest.mark.parametrize("fault", FAULTS)
def test_the_harness_finds(fault: str) -> None:
    statement, said = FAULTS[fault]

    done = afresh([sys.executable, "-c", TARGET.format(fault=statement)])

    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_the_harness_lets_refusals_pass() -> None:
    statement = 'raise PlatformError("trust_bundle_invalid", "x")'

    done = afresh([sys.executable, "-c", TARGET.format(fault=statement).replace("max_total_time=20", "runs=50")])

    assert done.returncode == 0, done.stderr[-2000:]
