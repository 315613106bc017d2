"""Read what arrives in the queue ``events``: messages of the platform, and events from EventBridge (pure).

The detail of an event from EventBridge is a structured CloudEvent whose attribute ``algatenant`` names the tenant.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from alga_ext import strict_json
from alga_ext.calls.messages import Message, decode_message
from alga_ext.errors import PlatformError
from alga_ext.strict_json import JsonError
from functions.registry.events.cloudevents import TENANT, check
from functions.registry.events.event import Event

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class FromBus(NamedTuple):
    """An event that EventBridge has delivered: checked, or what is wrong with it.

    ``sent_at`` is the envelope's time. An envelope without a valid one counts as older than everything.
    """

    event: Event | PlatformError
    sent_at: datetime


def decode(body: str) -> Message | FromBus:
    """Decode the body of a message.

    Raises:
        PlatformError: ``invalid_request`` when it is neither an event of EventBridge nor a message of the platform.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "detail-type" not in document:
        return decode_message(body)
    return FromBus(_checked(body), _sent_at(document))


def _checked(body: str) -> Event | PlatformError:
    try:
        document: Any = strict_json.parse(body.encode(errors="replace"))
        event = check(document.get("detail"))
    except JsonError as error:
        return PlatformError("event_invalid", f"The event from EventBridge is not valid JSON: {error}.")
    except PlatformError as error:
        return error
    if event.tenant_id is None:
        return PlatformError(
            "event_invalid", f"The event from EventBridge has no {TENANT}, so it belongs to no tenant."
        )
    return event


def _sent_at(envelope: dict[str, Any]) -> datetime:
    try:
        sent_at = datetime.fromisoformat(envelope["time"])
    except (KeyError, TypeError, ValueError):
        return _LONG_AGO
    return sent_at if sent_at.tzinfo is not None else _LONG_AGO
