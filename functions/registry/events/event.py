"""An event that was checked (pure)."""

from typing import Any, NamedTuple

from alga_ext.calls.deliveries import event_key


class Event(NamedTuple):
    """A CloudEvent that was checked.

    Attributes:
        document: it as structured JSON, without ``algatenant`` and with ``algahops``.
        body: the same as text: what is stored, and given to guests.
        tenant_id: its ``algatenant``, or None.
    """

    document: dict[str, Any]
    body: str
    tenant_id: str | None = None

    @property
    def topic(self) -> str:
        """Its ``type``."""
        return str(self.document["type"])

    @property
    def hops(self) -> int:
        """How many events in a row caused it."""
        return int(self.document["algahops"])

    @property
    def key(self) -> str:
        """Its key in its tenant."""
        return event_key(self.document["source"], self.document["id"])
