"""Bodies of the queue ``events``: the platform's messages, and events in the form of EventBridge."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.calls.messages import EventReceived, encode_message
from alga_ext.errors import PlatformError
from functions.registry.events.bus import FromBus, decode
from functions.registry.events.event import Event
from tests.support.documented import documented
from tests.support.events import bus_body, event_of
from tests.support.refusals import code_of

LONG_AGO = datetime.min.replace(tzinfo=UTC)


def test_a_message_of_the_platform_is_decoded() -> None:
    message = EventReceived(tenant_id="t", event_key="k")

    assert decode(encode_message(message).decode()) == message


def test_the_detail_of_an_event_from_eventbridge_is_the_event() -> None:
    found = decode(bus_body(event_of(algatenant="tenant-a")))

    assert isinstance(found, FromBus)
    assert isinstance(found.event, Event)
    assert (found.event.tenant_id, found.event.document) == ("tenant-a", {**event_of(), "algahops": 0})


@pytest.mark.parametrize(
    ("time", "sent_at"),
    [
        ("2026-03-12T19:04:05Z", datetime(2026, 3, 12, 19, 4, 5, tzinfo=UTC)),
        ("2026-03-12T19:04:05", LONG_AGO),
        ("yesterday", LONG_AGO),
        (None, LONG_AGO),
        (1_700_000_000, LONG_AGO),
    ],
)
def test_an_event_from_eventbridge_is_of_the_time_that_its_envelope_says(time: Any, sent_at: datetime) -> None:
    found = decode(bus_body(event_of(algatenant="tenant-a"), time=time))

    assert isinstance(found, FromBus)
    assert isinstance(found.event, Event)
    assert found.sent_at == sent_at


@pytest.mark.parametrize("detail", [documented("eventbridge_custom")["detail"], event_of(), None, [], "x"])
def test_a_detail_that_is_not_an_event_of_a_tenant_is_refused(detail: Any) -> None:
    found = decode(bus_body(detail))

    assert isinstance(found, FromBus)
    assert isinstance(found.event, PlatformError)
    assert found.event.code == "event_invalid"


def test_an_event_from_eventbridge_is_strict_json() -> None:
    body = bus_body(event_of(algatenant="tenant-a")).replace('"id": "e-1"', '"id": "e-1", "id": "e-2"')

    found = decode(body)

    assert isinstance(found, FromBus)
    assert isinstance(found.event, PlatformError)


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", json.dumps({"type": "no.such"}), "[" * 100_000])
def test_another_body_is_poison(body: str) -> None:
    assert code_of(lambda: decode(body)) == "invalid_request"
