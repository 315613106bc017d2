"""A registry in a process of its own, for what happens at once or ends in the middle."""

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from tests.support.places import ROOT
from tests.support.registry import RegistryWorld


class RegistryProcess:
    """Serves events one after the other; see ``tests.support.die_at``. Ends with its ``with`` block."""

    def __init__(self, world: RegistryWorld) -> None:
        read, write = os.pipe()
        self._answers = os.fdopen(read)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.die_at", str(write)],
            cwd=ROOT,
            env={**os.environ, **world.environment(), "LOG_LEVEL": "CRITICAL"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[write],
            text=True,
        )
        os.close(write)

    def answer(self, event: dict[str, Any], handler: str = "http", step: int | None = None) -> dict[str, Any] | None:
        """Return what a handler answers, or None when its process died at the step."""
        assert self._process.stdin is not None
        request = {"step": step, "handler": handler, "event": event}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer: dict[str, Any] | None = json.loads(self._answers.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
        self._answers.close()
