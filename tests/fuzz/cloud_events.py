"""Fuzz CloudEvents of HTTP requests and of EventBridge: one event, batches, headers, and bodies of the queue."""

import json
import sys
from collections.abc import Sequence

import atheris

with atheris.instrument_imports(include=["alga_ext", "functions.registry.events"]):
    from alga_ext import strict_json
    from alga_ext.errors import PlatformError
    from functions.registry.events.bus import FromBus, decode
    from functions.registry.events.cloudevents import BATCH_LIMIT, check, read
    from functions.registry.events.event import Event

from tests.fuzz.harness import fuzz, refused_or_read

EVENT = {
    "specversion": "1.0", "id": "e-1", "source": "/host", "type": "a.b", "subject": "s", "time": "2026-03-01T12:00:00Z",
    "algatenant": "tenant-a", "algahops": 1, "data": {"a": [1, None]},
}  # fmt: skip
NAMES = ("specversion", "id", "source", "type", "subject", "time", "algatenant", "algahops")


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"\0":
        refused_or_read(lambda: taken(read({"content-type": "application/cloudevents+json"}, rest)))
    elif kind == b"\1":
        refused_or_read(lambda: taken(read({"content-type": "application/cloudevents-batch+json"}, rest)))
    elif kind == b"\2":
        values = rest.decode("utf-8", "replace").split("\n")
        headers = {f"ce-{name}": value for name, value in zip(NAMES, values, strict=False)}
        body = values[-1].encode()
        refused_or_read(lambda: taken(read({"content-type": "application/json", **headers}, body)))
    else:
        refused_or_read(lambda: from_bus(rest.decode("utf-8", "replace")))


def from_bus(body: str) -> None:
    found = decode(body)
    if isinstance(found, FromBus):
        taken([found.event])


def taken(found: Sequence[Event | PlatformError]) -> None:
    """What is taken is stored as strict JSON, and is the same event when it is read again."""
    if len(found) > BATCH_LIMIT:
        message = f"{len(found)} events were taken"
        raise AssertionError(message)
    for event in found:
        if isinstance(event, Event) and check(strict_json.parse(event.body.encode())).document != event.document:
            message = f"the event is another one when it is read again: {event.body}"
            raise AssertionError(message)


def seeds() -> list[bytes]:
    structured = json.dumps(EVENT).encode()
    headers = "\n".join(str(EVENT[name]) for name in NAMES) + '\n{"a": 1}'
    bus = json.dumps({"detail-type": "x", "source": "y", "detail": EVENT}).encode()
    return [b"\0" + structured, b"\1[" + structured + b"]", b"\2" + headers.encode(), b"\3" + bus]


if __name__ == "__main__":
    words = [*NAMES, "data", "data_base64", "datacontenttype", "1.0", "urn:alga:", "detail-type", "%2C", "%ff"]
    fuzz("cloud_events", one_input, seeds(), sys.argv[1:], words)
