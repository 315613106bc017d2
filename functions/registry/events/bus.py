"""Read what arrives in the queue ``events``: messages of the platform, and events from EventBridge (pure).

The detail of an event from EventBridge is a structured CloudEvent whose attribute ``algatenant`` names the tenant.
"""

import json
from typing import Any, NamedTuple

from alga_ext import strict_json
from alga_ext.calls.messages import Message, decode_message
from alga_ext.errors import PlatformError
from alga_ext.strict_json import JsonError
from functions.registry.events.cloudevents import TENANT, check
from functions.registry.events.event import Event


class FromBus(NamedTuple):
    """An event that EventBridge has delivered: checked, or what is wrong with it."""

    event: Event | PlatformError


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
    return FromBus(_checked(body))


def _checked(body: str) -> Event | PlatformError:
    try:
        document: Any = strict_json.parse(body.encode(errors="replace"))
        event = check(document.get("detail"))
    except JsonError as error:
        return PlatformError("event_invalid", f"The event from EventBridge is not valid JSON: {error}.")
    except PlatformError as error:
        return error
    if event.tenant_id is None:
        return PlatformError("event_invalid", f"The event from EventBridge has no {TENANT}, so it is nobody's.")
    return event
