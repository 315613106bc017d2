"""Deliveries of a registry's tenants, as fan-out and dispatcher leave them."""

import json
import uuid

from alga_ext.calls.deliveries import event_delivery_id, event_key
from tests.support.registry import RegistryWorld

TOPIC, HANDLER = "ticket.created", "/on-ticket"
REASON = "The handler answered with the status 500. That was try 8, the last one."


def delivery(world: RegistryWorld, install_id: str, state: str = "dead", tenant_id: str = "tenant-a") -> str:
    """Store an event with its delivery to an install, in this state."""
    event_id = uuid.uuid4().hex
    key = event_key("/t", event_id)
    delivery_id = event_delivery_id(key, install_id, HANDLER)
    body = json.dumps({"specversion": "1.0", "type": TOPIC, "source": "/t", "id": event_id, "data": {"n": 1}})
    ended = state in ("delivered", "dead", "discarded")
    world.rows(
        "insert into app.extension_event (tenant_id, event_key, topic, source, event_id, hops, origin, body, "
        "fanned_out_at) values (:t, cast(:k as uuid), :topic, '/t', :e, 0, 'api', :body, now())",
        t=tenant_id, k=key, topic=TOPIC, e=event_id, body=body,
    )  # fmt: skip
    world.rows(
        "insert into app.extension_delivery (tenant_id, delivery_id, install_id, trigger, subject, event_key, method, "
        "path, state, tries, ended_at, reason) values (:t, cast(:d as uuid), cast(:i as uuid), 'event', :topic, "
        "cast(:k as uuid), 'POST', :path, :state, :tries, case when :ended then now() end, :reason)",
        t=tenant_id, d=delivery_id, i=install_id, topic=TOPIC, k=key, path=HANDLER, state=state,
        tries=8 if ended else 0, ended=ended, reason=REASON if state == "dead" else None,
    )  # fmt: skip
    return delivery_id


def dead_delivery(world: RegistryWorld, install_id: str) -> str:
    """Store a dead delivery of tenant-a, and return its id."""
    return delivery(world, install_id)
