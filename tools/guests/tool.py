"""Run a build tool, and show its output when it fails."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.guests.errors import GuestBuildError
from tools.guests.places import NPM_TOOLS, PYTHON_TOOLS

TIMEOUT_S: Final = 600
_SHOWN_LINES: Final = 60


class ToolFailedError(GuestBuildError):
    """A tool ended with an error; ``output`` is the end of what it wrote."""

    def __init__(self, tool: str, exit_code: int, output: str) -> None:
        super().__init__(f"{tool} failed with exit code {exit_code}:\n{output}")
        self.output = output


def run_npm_tool(name: str, arguments: Sequence[str], *, cwd: Path) -> str:
    """Run a locked npm tool of the repository and return its standard output.

    Raises:
        ToolFailedError: the tool fails.
        GuestBuildError: the tool is not installed or takes too long.
    """
    return _run(NPM_TOOLS / name, arguments, cwd=cwd, setup="npm packages")


def run_node_script(script: Path, arguments: Sequence[str], *, cwd: Path) -> str:
    """Run a script of the repository with the machine's Node.js; otherwise like ``run_npm_tool``."""
    node = shutil.which("node")
    if node is None:
        message = "Node.js is not installed; install version 20 or newer, then run `make setup`."
        raise GuestBuildError(message)
    return _run(Path(node), [str(script), *arguments], cwd=cwd, setup="npm packages")


def run_python_tool(
    name: str, arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> str:
    """Run a locked Python tool of the virtual environment; otherwise like ``run_npm_tool``.

    With ``environment``, the tool gets no other variables than these.
    """
    return _run(PYTHON_TOOLS / name, arguments, cwd=cwd, setup="Python packages", environment=environment)


def _run(
    program: Path, arguments: Sequence[str], *, cwd: Path, setup: str, environment: Mapping[str, str] | None = None
) -> str:
    if not program.exists():
        message = f"{program.name} is not installed; `make setup` installs the {setup}."
        raise GuestBuildError(message)
    try:
        done = subprocess.run(
            [str(program), *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"{program.name} was stopped because it did not end within {TIMEOUT_S} s."
        raise GuestBuildError(message) from None
    if done.returncode != 0:
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:])
        raise ToolFailedError(program.name, done.returncode, output)
    return done.stdout
