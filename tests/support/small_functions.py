"""Lambda functions for the tests of the local platform itself: each does one thing a real one might do wrong."""

import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

STARTED = time.time()
calls = 0


def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    global calls
    calls += 1
    return {
        "event": event,
        "tenant_id": context.tenant_id,
        "pid": os.getpid(),
        "calls": calls,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
    }


def http(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers with the event it was given; ?sleep=seconds first sleeps."""
    query = event.get("queryStringParameters") or {}
    time.sleep(float(query.get("sleep", "0")))
    body = json.dumps({"event": event, "pid": os.getpid()})
    return {"statusCode": 201, "headers": {"Content-Type": "application/json", "x-made-by": "small"}, "body": body}


def misbehave(event: dict[str, Any], context: Any) -> Any:
    match event.get("do"):
        case "raise":
            raise ValueError("on purpose")
        case "exit":
            sys.exit(3)
        case "crash":
            ctypes.string_at(0)
        case "sleep":
            time.sleep(event["seconds"])
        case "large":
            return "x" * (7 * 1024 * 1024)
        case "touch":
            Path(event["path"]).touch(exist_ok=False)
        case "child":
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
            return {"child": pid}
    return {"pid": os.getpid()}


def batch(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Fails the records whose body says so."""
    failed = [record["messageId"] for record in event["Records"] if json.loads(record["body"]).get("fail")]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def refuse(event: dict[str, Any], context: Any) -> None:
    """Fails on every batch as a whole."""
    raise RuntimeError("not today")
