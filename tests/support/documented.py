"""The payloads that AWS documents, as files in ``tests/events``, for the tests of what is invoked with them.

HTTP APIs: "Create AWS Lambda proxy integrations for HTTP APIs", payload format 2.0. Function URLs: "Invoking Lambda
function URLs". SQS: "Using Lambda with Amazon SQS". EventBridge: "Events". CloudFront: "CloudFront Functions event
structure". The bodies are ours.
"""

import copy
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from tests.support.places import ROOT

FOLDER: Final = ROOT / "tests" / "events"


def documented(name: str, token: str | None = None) -> dict[str, Any]:
    """Return an event of its own to change; with a bearer token, if one is given."""
    event = copy.deepcopy(_read(name))
    if token is not None:
        event["headers"]["authorization"] = f"Bearer {token}"
    return event


def recent_batch() -> dict[str, Any]:
    """Return the documented batch of SQS with messages of today: the recorder takes none that are weeks old."""
    event = documented("sqs_batch")
    for record in event["Records"]:
        record["body"] = record["body"].replace("2026-03-12", f"{datetime.now(UTC):%Y-%m-%d}")
    return event


def members(value: Any, path: str = "") -> set[str]:
    """Return the paths of all members of a document. Of a list, the members of its entries."""
    if isinstance(value, dict):
        below = {member for name, part in value.items() for member in members(part, f"{path}.{name}")}
        return below | {f"{path}.{name}" for name in value}
    return {member for part in value for member in members(part, path)} if isinstance(value, list) else set()


@cache
def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return document
