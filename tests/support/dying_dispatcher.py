"""Dispatch messages in another process of the dispatcher, one that dies when the n-th of the watched calls begins.

``python -m tests.support.dying_dispatcher`` reads lines ``{"step": n, "records": […]}`` and answers each with a line:
the ids of the messages that must come again, or ``null`` when the process died, as by SIGKILL. Every batch is a fork,
before any connection is made. Watched is what touches the world: database, queues and runner.
"""

import contextlib
import json
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from functions.gateway.deliveries.dispatching import dispatch
from functions.gateway.services import DispatcherServices

WATCHED = {
    ("pg8000/native.py", "run"),
    ("pg8000/core.py", "execute_simple"),
    ("alga_ext/stores/aws_calls.py", "_ask"),
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
                json.dump(_again(asked["records"], asked["step"]), answers)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answers:
            text = answers.read()
        os.waitpid(child, 0)
        print(text or "null", flush=True)


def _again(records: list[dict[str, Any]], limit: int) -> list[str]:
    """Dispatch a batch, unless a watched call with this number comes first."""
    services = DispatcherServices.build(os.environ)
    seen = 0

    def watch(frame: FrameType, kind: str, _: Any) -> None:
        nonlocal seen
        code = frame.f_code
        if kind == "call" and any(code.co_name == name and code.co_filename.endswith(file) for file, name in WATCHED):
            seen += 1
            if seen == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)  # deliveries run in threads
    with contextlib.redirect_stdout(sys.stderr):  # its metrics are not taken for an answer
        answer = dispatch({"Records": records}, services)
    return [failed["itemIdentifier"] for failed in answer["batchItemFailures"]]


if __name__ == "__main__":
    main()
