"""Serve events of the registry's handlers in another process, one that dies when the n-th of the watched calls begins.

``python -m tests.support.die_at FD`` reads lines ``{"step": n, "handler": name, "event": {…}}`` and answers each with a
line to this file descriptor, because handlers log to the output: the handler's answer, or ``null`` when the process
died, as by SIGKILL. Modules are imported once and every request is a fork, before any client or connection is made.
With ``null`` for a step nothing dies, and the events are served in one process, as Lambda does.
Watched is what touches the world: object store, queue, and every statement of a transaction.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from functions.registry.assets import handler as finish_publications
from functions.registry.fanout import handler as make_deliveries
from functions.registry.handler import handler as answer_http
from functions.registry.recorder import handler as record
from functions.registry.sweeper import handler as sweep
from functions.registry.ticker import handler as tick
from tests.support.registry import Context

WATCHED = {
    ("alga_ext/stores/aws.py", "_put"),
    ("alga_ext/stores/aws.py", "download"),
    ("alga_ext/stores/aws.py", "delete"),
    ("alga_ext/stores/aws.py", "send"),
    ("alga_ext/stores/aws_api.py", "ask"),
    ("alga_ext/stores/aws.py", "invalidate"),
    ("alga_ext/stores/aws_calls.py", "send_all"),
    ("pg8000/native.py", "run"),
    ("pg8000/core.py", "execute_simple"),
}


HANDLERS = {
    "http": answer_http,
    "assets": finish_publications,
    "recorder": record,
    "fanout": make_deliveries,
    "sweeper": sweep,
    "ticker": tick,
}


def main() -> None:
    """Answer line by line until the input ends."""
    answering = os.fdopen(int(sys.argv[1]), "w")
    for line in sys.stdin:
        request = json.loads(line)
        if request["step"] is None:
            print(json.dumps(HANDLERS[request["handler"]](request["event"], Context())), file=answering, flush=True)
            continue
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            with os.fdopen(write, "w") as answers:
                json.dump(serve(HANDLERS[request["handler"]], request["event"], request["step"]), answers)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answers:
            text = answers.read()
        os.waitpid(child, 0)
        print(text or "null", file=answering, flush=True)


def serve(handler: Callable[[dict[str, Any], Any], Any], event: dict[str, Any], limit: int) -> Any:
    """Answer one event, unless a watched call with this number comes first."""
    seen = 0

    def watch(frame: FrameType, kind: str, _: Any) -> None:
        nonlocal seen
        code = frame.f_code
        if kind == "call" and any(code.co_name == name and code.co_filename.endswith(file) for file, name in WATCHED):
            seen += 1
            if seen == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    answer = handler(event, Context())
    sys.setprofile(None)
    return answer


if __name__ == "__main__":
    main()
