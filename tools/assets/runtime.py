"""The Python of the Lambda runtime: its version, its machine, and where it is installed on this machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from topology.runtime import PYTHON_VERSION


class NoRuntimePythonError(Exception):
    """The runtime's Python is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"Python {PYTHON_VERSION} is needed, the version of the Lambda runtime: its bytecode is built into the "
            f"assets. It was searched for below {_pyenv_root()}, with uv and on the PATH. Get it with "
            f"`.venv/bin/uv python install {PYTHON_VERSION}` or `pyenv install {PYTHON_VERSION}`."
        )


def runtime_python() -> Path:
    """Return the interpreter of the runtime's Python version.

    Raises:
        NoRuntimePythonError: no such interpreter is installed.
    """
    for candidate in _candidates():
        if _kind(candidate) == f"cpython {PYTHON_VERSION} final":
            return candidate.resolve()
    raise NoRuntimePythonError


def program(name: str) -> str | None:
    """Return the path of a program in this virtual environment or on the PATH, or None if it is not installed."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which(name, path=folders)


_SHOW_KIND: Final = "import sys; v = sys.version_info; print(sys.implementation.name, f'{v[0]}.{v[1]}', v.releaselevel)"


def _candidates() -> Iterator[Path]:
    # pyenv first: its shims on the PATH look like an interpreter and fail for a version that is not chosen.
    yield from sorted(_pyenv_root().glob(f"versions/{PYTHON_VERSION}.*/bin/python"), key=_patch_release, reverse=True)
    if uv := program("uv"):
        command = [uv, "python", "find", "--no-python-downloads", "--system", PYTHON_VERSION]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode == 0:
            yield Path(found.stdout.strip())
    if on_path := shutil.which(f"python{PYTHON_VERSION}"):
        yield Path(on_path)


def _patch_release(interpreter: Path) -> int:
    """Return the last number of a version's folder, such as 10 for ``3.13.10``; -1 when it is no number."""
    last = interpreter.parents[1].name.rpartition(".")[2]
    return int(last) if last.isdecimal() else -1


def _pyenv_root() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def _kind(interpreter: Path) -> str:
    try:
        ran = subprocess.run([interpreter, "-I", "-c", _SHOW_KIND], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return ran.stdout.strip()
