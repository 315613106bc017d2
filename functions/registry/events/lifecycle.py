"""Events of the platform itself: each is stored in the transaction of the change that it tells of (ADR 0048)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from alga_ext.calls.deliveries import HOPS_LIMIT
from alga_ext.calls.topics import PLATFORM_SOURCE
from alga_ext.ids import new_id
from alga_ext.platform_metrics import EVENTS_REFUSED
from alga_ext.stores.database import Row, Tx
from alga_ext.telemetry import emit
from functions.registry.events.event import Event
from functions.registry.events.storing import store


def tell(tx: Tx, tenant_id: str, topic: str, data: Mapping[str, Any], hops: int = 0) -> None:
    """Store an event of a tenant. Its deliveries are made after the transaction.

    Args:
        tx: a transaction of the tenant.
        tenant_id: whose event it is.
        topic: one of ``alga_ext.calls.topics.PLATFORM_TOPICS``.
        data: as docs/reference/events.md describes it for this topic.
        hops: how many events in a row caused it. One that has too many is counted as refused, and not stored; the
            change itself is made.
    """
    if hops > HOPS_LIMIT:
        emit("registry", {EVENTS_REFUSED: 1}, code="too_many_hops")
        return
    document = {
        "specversion": "1.0",
        "id": new_id(),
        "source": PLATFORM_SOURCE,
        "type": topic,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "algahops": hops,
        "data": dict(data),
    }
    store(tx, tenant_id, [Event(document, json.dumps(document, ensure_ascii=False))], "platform")


def of_install(install: Row) -> dict[str, Any]:
    """Return the members that every event about an install has, from the row of ``installs.load_install``."""
    return {
        "install_id": str(install["install_id"]),
        "extension": install["name"],
        "publisher": install["publisher"],
        "version": install["version"],
    }
