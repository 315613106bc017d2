"""Make calls in another process of the gateway, one that dies when the n-th of the watched calls begins.

``python -m tests.support.dying_gateway`` reads lines ``{"step": n, "key": text, "at": text}`` and answers each with a
line: the status of a POST with that idempotency key (null for none), or ``null`` when the process died, as by SIGKILL.
Every call is a fork, before any connection is made. With ``"at": "world"``, a step is what touches the world: database,
queue and runner. With ``"at": "all"`` it is the beginning and the end of every function of the gateway and its layer.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import CodeType, FrameType, TracebackType
from typing import Any, Self

from functions.gateway import call
from functions.gateway.idempotency import once
from functions.gateway.services import Services
from tests.support.gateway import admitted, request
from tests.support.places import ROOT

WATCHED = {
    ("pg8000/native.py", "run"),
    ("pg8000/core.py", "execute_simple"),
    ("alga_ext/stores/aws_calls.py", "send"),
    ("functions/gateway/dispatch.py", "run"),
}
OWN = ("/functions/gateway/", "/alga_ext/")


class DyingGateway:
    """Such a process, from the outside. It ends with its ``with`` block."""

    def __init__(self, environment: dict[str, str], at: str = "world") -> None:
        self._at = at
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.dying_gateway"],
            cwd=ROOT,
            env={**environment, "LOG_LEVEL": "CRITICAL"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def status(self, key: str | None, step: int) -> int | None:
        """Return the status of a call with this key, or None when the process died at the step."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"key": key, "step": step, "at": self._at}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        status: int | None = json.loads(self._process.stdout.readline())
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()


def main() -> None:
    """Answer line by line until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            with os.fdopen(write, "w") as answers:
                json.dump(_status(asked["key"], asked["step"], _STEPS[asked["at"]]), answers)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answers:
            text = answers.read()
        os.waitpid(child, 0)
        print(text or "null", flush=True)


def _touches_the_world(code: CodeType, kind: str) -> bool:
    return kind == "call" and any(code.co_name == name and code.co_filename.endswith(file) for file, name in WATCHED)


def _is_own(code: CodeType, kind: str) -> bool:
    return kind in ("call", "return") and any(folder in code.co_filename for folder in OWN)


_STEPS: dict[str, Callable[[CodeType, str], bool]] = {"world": _touches_the_world, "all": _is_own}


def _status(key: str | None, limit: int, is_step: Callable[[CodeType, str], bool]) -> int:
    """Make a call, unless a step with this number comes first."""
    services = Services.build(os.environ)
    asked = admitted(request("POST", body=b"x"))
    seen = 0

    def watch(frame: FrameType, kind: str, _: Any) -> None:
        nonlocal seen
        if is_step(frame.f_code, kind):
            seen += 1
            if seen == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    with contextlib.redirect_stdout(sys.stderr):  # its metrics are not taken for an answer
        sys.setprofile(watch)
        status = (call.run(asked, services) if key is None else once.run(asked, key, services))[0]
        sys.setprofile(None)
    return status


if __name__ == "__main__":
    main()
