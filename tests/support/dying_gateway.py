"""Make calls in another process of the gateway, one that dies when the n-th of the watched calls begins.

``python -m tests.support.dying_gateway`` reads lines ``{"step": n, "key": text}`` and answers each with a line: the
status of a POST with that idempotency key, or ``null`` when the process died, as by SIGKILL. Every call is a fork,
before any connection is made. Watched is what touches the world: database, queue and runner.
"""

import contextlib
import json
import os
import signal
import sys
from types import FrameType
from typing import Any

from functions.gateway.idempotency import once
from functions.gateway.services import Services
from tests.support.gateway import admitted, request

WATCHED = {
    ("pg8000/native.py", "run"),
    ("pg8000/core.py", "execute_simple"),
    ("alga_ext/stores/aws_calls.py", "send"),
    ("functions/gateway/dispatch.py", "run"),
}


def main() -> None:
    """Answer line by line until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            with os.fdopen(write, "w") as answers:
                json.dump(_status(asked["key"], asked["step"]), answers)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answers:
            text = answers.read()
        os.waitpid(child, 0)
        print(text or "null", flush=True)


def _status(key: str, limit: int) -> int:
    """Make a call, unless a watched call with this number comes first."""
    services = Services.build(os.environ)
    seen = 0

    def watch(frame: FrameType, kind: str, _: Any) -> None:
        nonlocal seen
        code = frame.f_code
        if kind == "call" and any(code.co_name == name and code.co_filename.endswith(file) for file, name in WATCHED):
            seen += 1
            if seen == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    with contextlib.redirect_stdout(sys.stderr):  # its metrics are not taken for an answer
        status = once.run(admitted(request("POST", body=b"x")), key, services)[0]
    sys.setprofile(None)
    return status


if __name__ == "__main__":
    main()
