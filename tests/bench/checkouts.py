"""Programs that run in several checkouts side by side and answer a line for each line they are sent."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self


class Program:
    """A Python program in the environment of one checkout. Close it.

    Args:
        folder: the checkout, set up (``make setup``).
        source: the program.
        environ: variables of its environment.
    """

    def __init__(self, folder: Path, source: str, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [str(folder / ".venv" / "bin" / "python"), "-c", source],
            cwd=folder,
            env={**environ, "PYTHONPATH": os.pathsep.join([str(folder), str(folder / "layers" / "core" / "python")])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, line: str) -> str:
        """Send one line and return the line that answers it.

        Raises:
            RuntimeError: the program has ended; it wrote the reason to standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            message = f"the program in {self._folder} has ended"
            raise RuntimeError(message)
        return answer.decode().strip()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
