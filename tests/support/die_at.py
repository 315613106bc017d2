"""Run one registry request and die, as by SIGKILL, when the n-th of the watched calls begins.

Usage: ``python -m tests.support.die_at N < request.json``; exits 0, the answer on stdout, when there was no n-th call.
The calls watched are those that touch the world: object store, queue, and every statement of a transaction.
"""

import json
import os
import signal
import sys
from types import FrameType
from typing import Any

WATCHED = {
    ("alga_ext/aws.py", "_put"),
    ("alga_ext/aws.py", "download"),
    ("alga_ext/aws.py", "delete"),
    ("alga_ext/aws.py", "send"),
    ("pg8000/native.py", "run"),
}


def main() -> None:
    """Read the event from stdin and serve it."""
    limit = int(sys.argv[1])
    event = json.load(sys.stdin)
    from functions.registry.handler import handler
    from tests.support.registry import Context

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
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
