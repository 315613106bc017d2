"""Run the compile worker: it reads and writes files, and its report is checked before it is used."""

import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec

from alga_ext.calls.messages import Reason
from alga_ext.confinement.confine import NOT_CONFINED_EXIT_STATUS
from alga_ext.errors import PlatformError
from alga_ext.loader import loader_environment
from functions.runner.sandboxes.interpreter import interpreter

REPORT_LIMIT_BYTES: Final = 256 * 1024
_NAMES_LIMIT: Final = 500
_NAME_LIMIT: Final = 200
_REASONS_LIMIT: Final = 20
_DETAIL_LIMIT: Final = 1_000
_CODES: Final = frozenset({"component_invalid", "component_world_mismatch"})


class Description(msgspec.Struct):
    """The worker's report about a component. The component can be used when ``reasons`` is empty.

    Attributes:
        reasons: why the component cannot be used, as pairs of code and text.
        imports: names of the imported interfaces.
        exports: names of the exports.
    """

    reasons: list[tuple[str, str]]
    imports: list[str]
    exports: list[str]


class Compiler:
    """Compiles and inspects components. Each run is a separate process.

    Args:
        timeout_s: wall-clock time of one run.
        memory_bytes: private writable memory of the worker.
    """

    def __init__(self, timeout_s: int, memory_bytes: int) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes

    def compile(self, component: Path, code: Path) -> Description:
        """Compile ``component`` into the new file ``code``, which stays empty when the component cannot be used.

        Raises:
            PlatformError: ``runner_unavailable`` when the worker cannot confine itself. Nothing was compiled.
        """
        return self._run("compile", component, code)

    def inspect(self, code: Path) -> Description:
        """Describe native code whose signature was verified.

        Raises:
            PlatformError: see ``compile``.
        """
        return self._run("inspect", code, None)

    def _run(self, mode: Literal["compile", "inspect"], source: Path, target: Path | None) -> Description:
        private = partial(os.open, mode=0o600)
        with (
            source.open("rb") as read,
            open(target or os.devnull, "wb", opener=private) as written,
            tempfile.TemporaryFile() as report,  # not a pipe: the worker would block when the report fills it
        ):
            descriptors = (read.fileno(), written.fileno(), report.fileno())
            arguments = [mode, *map(str, (*descriptors, self._timeout_s * 2, self._memory_bytes))]
            worker = subprocess.Popen(  # noqa: S603 - the platform's own interpreter and code
                interpreter("compiler.main", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=loader_environment(),
                cwd="/",
                pass_fds=descriptors,
            )
            try:
                status = worker.wait(self._timeout_s)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
                return _unusable(
                    f"The component could not be compiled within {self._timeout_s} seconds; make it smaller."
                )
            if status == NOT_CONFINED_EXIT_STATUS:
                raise PlatformError("runner_unavailable", "The compiler cannot be confined on this machine.")
            if status != 0:
                text = "The component could not be compiled within the compiler's limits of memory and time;"
                return _unusable(f"{text} make it smaller.")
            report.seek(0)
            return _checked(report.read(REPORT_LIMIT_BYTES))


def _checked(report: bytes) -> Description:
    """Return a report with known codes and limited sizes.

    The worker has read hostile input, which may have taken it over, so its report is untrusted.
    """
    try:
        found = msgspec.json.decode(report, type=Description)
    except msgspec.DecodeError:
        return _unusable("The compiler gave no valid report about the component.")
    reasons = [
        (code if code in _CODES else "component_invalid", detail[:_DETAIL_LIMIT]) for code, detail in found.reasons
    ]
    return Description(reasons[:_REASONS_LIMIT], _names(found.imports), _names(found.exports))


def _names(names: list[str]) -> list[str]:
    return [name[:_NAME_LIMIT] for name in names[:_NAMES_LIMIT]]


def _unusable(detail: str) -> Description:
    return Description([("component_invalid", detail)], [], [])


def reasons_of(description: Description) -> list[Reason]:
    """Return a description's reasons in the form of the queue message."""
    return [Reason(code=code, detail=detail) for code, detail in description.reasons]
