"""Identifiers of events and deliveries, and the deliveries' limits (pure; docs/reference/events-and-messages.md).

An id is computed from what it identifies. So whoever makes the same event or delivery again, after a failure or at the
same time, gets the same primary key, and the database keeps one of them.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

TRIES_LIMIT: Final = 8
"""How often a delivery is tried before it is dead."""
HOPS_LIMIT: Final = 8
"""An event may be caused by an event, which was caused by an event, and so on; so often at most."""
DELIVERING_PRINCIPALS: Final = ("system:event", "system:schedule")
"""The callers of calls that deliver an event or a schedule's run."""
EVENT_LIMIT_BYTES: Final = 200 * 1024
"""The largest event, as structured JSON in UTF-8."""
DELIVERY_TIMEOUT_LIMIT_MS: Final = 60_000


def event_key(source: str, event_id: str) -> str:
    """Return the key of an event in its tenant. Source and id identify an event (CloudEvents 1.0, section 3.1)."""
    return _id("event", source, event_id)


def event_delivery_id(key: str, install_id: str, handler: str) -> str:
    """Return the id of the delivery of an event to one handler of an install."""
    return _id("event-delivery", key, install_id, handler)


def schedule_delivery_id(schedule_id: str, due_at: datetime) -> str:
    """Return the id of the delivery of a schedule's run that was due at an instant."""
    return _id("schedule-delivery", schedule_id, due_at.astimezone(UTC).isoformat(timespec="seconds"))


def _id(*parts: str) -> str:
    """Return a UUID of version 8 (RFC 9562, section 5.8): the SHA-256 of the parts, each after its length."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    number = int.from_bytes(digest.digest()[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    return str(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))
