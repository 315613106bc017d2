"""``alga-ext dev`` as a process of its own, for tests that look at it from the outside."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.local.state import ROOT, read_state

ALGA_EXT = str(Path(sys.executable).with_name("alga-ext"))
READY = "Ready. Ctrl-C stops everything."
START_WITHIN_S = 60
STOP_WITHIN_S = 15


class Dev:
    """A platform on free ports, with its state in a folder of its own."""

    def __init__(self, state: Path, environment: Mapping[str, str], *options: str, samples: bool = False) -> None:
        self.state = state
        self.output = state.with_suffix(".out")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    ALGA_EXT,
                    "dev",
                    "--samples" if samples else "--no-samples",
                    "--port",
                    "0",
                    "--state",
                    str(state),
                    *options,
                ],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that a signal to its group is the terminal's Ctrl-C, and not ours
            )

    def wait_until_ready(self, within_s: float = START_WITHIN_S) -> dict[str, Any]:
        """Wait for the greeting; what the platform says of itself."""
        deadline = time.monotonic() + within_s
        while READY not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)
        document = read_state(self.state)
        assert document is not None
        return document

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_WITHIN_S)


def folder_named(name: str) -> Iterator[Path]:
    """A state folder below the checkout, which the database's own account can reach; removed afterwards."""
    folder = ROOT / ".local" / f"tests-dev-{os.getpid()}-{name}"
    folder.parent.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".out").unlink(missing_ok=True)
