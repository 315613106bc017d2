"""Run tests over a changed module in a forked process, so that neither this process nor a file is ever changed.

The fork has the third-party packages loaded, and imports the product and the tests anew. Processes that the tests start
with a program of their own run the module as it is in the tree: what only they run needs tests that run it in process.
"""

import contextlib
import ctypes
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from tests.support.places import ROOT

PRELOADED = (
    "asyncio", "aws_lambda_powertools.event_handler", "boto3", "botocore.session", "hypothesis", "jsonschema", "jwt",
    "cryptography.hazmat.primitives.asymmetric.ec", "msgspec", "pg8000.native", "pydantic", "pydantic_settings",
    "pytest", "urllib3", "wasmtime.component",
)  # fmt: skip
BASELINE_OUTPUT = ROOT / ".build/mutants/baseline.log"
_DATA_BYTES = 3 << 30
_GRACE_S = 15.0
_PR_SET_PDEATHSIG = 1
_BROKEN = 3


class Module(NamedTuple):
    """A module of the product: its dotted name and its file."""

    name: str
    path: Path


class Finished(NamedTuple):
    """How a run of tests ended: pytest's status, or None when time ran out."""

    status: int | None
    seconds: float


class _Loader(SourceFileLoader):
    def __init__(self, module: Module, code: CodeType) -> None:
        super().__init__(module.name, str(module.path))
        self._changed = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return self._changed


class _Finder(MetaPathFinder):
    def __init__(self, module: Module, code: CodeType) -> None:
        self._module, self._code = module, code

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self._module.name:
            return None
        loader = _Loader(self._module, self._code)
        return spec_from_file_location(fullname, self._module.path, loader=loader)


def preload() -> None:
    """Load what all tests need and no mutant changes."""
    for name in PRELOADED:
        importlib.import_module(name)


class Run:
    """Tests that run in a process group of their own."""

    def __init__(
        self, module: Module, code: Callable[[], CodeType] | None, files: Sequence[str], limit_s: float
    ) -> None:
        self._started = time.monotonic()
        self._limit_s = limit_s
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _be_tested(module, code, files)
            except BaseException:  # noqa: BLE001 - the fork must not return into the caller
                traceback.print_exc()
            finally:
                os._exit(_BROKEN)

    def finished(self) -> Finished | None:
        """Return how the run ended, or None while it goes on. Leaves no process of the run when it ended."""
        seconds = time.monotonic() - self._started
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None and seconds < self._limit_s:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # the group still exists: its leader is not reaped yet
        os.waitpid(self.pid, 0)
        if ended is None:
            return Finished(None, seconds)
        return Finished(ended.si_status if ended.si_code == os.CLD_EXITED else _BROKEN, seconds)

    def stop(self) -> None:
        """End the run and its processes."""
        self._limit_s = 0
        self.finished()


def limit_after(baseline_s: float) -> float:
    """Return the seconds that a mutant may take when the tests took ``baseline_s`` over the module as it is."""
    return baseline_s * 4 + _GRACE_S


def _be_tested(module: Module, code: Callable[[], CodeType] | None, files: Sequence[str]) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # also when the parent is killed
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))
    output = os.open(os.devnull if code else BASELINE_OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    import hypothesis
    import pytest

    # A counterexample need not be small to count, nor be kept.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(
        "default", hypothesis.settings.get_profile("default"), phases=phases, database=None
    )
    hypothesis.settings.load_profile("default")
    if code is not None:
        sys.meta_path.insert(0, _Finder(module, code()))

    status = pytest.main(
        [
            *files,
            "-x",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            "-m",
            "not soak",
        ]
    )
    os._exit(int(status))
