"""Measure this process: `tests.coverage` lets every Python process call `start` before anything else.

Coverage's own way to measure child processes is an environment variable. That does not reach the functions of the local
platform: as in Lambda, they inherit no variable and are killed when they are no longer needed. Therefore a `.pth` file
starts the measurement, and a function saves what was measured each time it asks for the next invocation.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, Final

from coverage import Coverage

from tests.support.places import ROOT

FOLDER: Final = ROOT / ".build/coverage"
SOURCES: Final = [str(ROOT / "functions"), str(ROOT / "layers/core/python/alga_ext")]


def measurement() -> Coverage:
    """Return a measurement that is set by pyproject.toml, whatever the working folder is."""
    return Coverage(
        data_file=str(FOLDER / "data"),
        data_suffix=True,
        auto_data=True,
        config_file=str(ROOT / "pyproject.toml"),
        source=SOURCES,
        messages=False,
    )


def start(run_pid: int) -> None:
    """Measure this process if the run with this process id has not ended."""
    if Coverage.current() is not None:  # Python may read a .pth file twice
        return
    try:
        os.kill(run_pid, 0)
    except ProcessLookupError:  # a run that was killed could not remove its .pth file
        return
    except PermissionError:  # it runs, under another account
        pass
    measured = measurement()
    measured.start()
    if "awslambdaric" in sys.orig_argv:
        _save_between_invocations(measured.save)


def _save_between_invocations(save: Callable[[], None]) -> None:
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    wait = LambdaRuntimeClient.wait_next_invocation

    def save_and_wait(client: Any) -> Any:
        save()
        return wait(client)

    LambdaRuntimeClient.wait_next_invocation = save_and_wait
