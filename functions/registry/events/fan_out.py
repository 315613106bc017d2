"""Make the deliveries of stored events: one for each handler that subscribes to the topic and whose filter fits."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from alga_ext.calls.deliveries import event_delivery_id
from alga_ext.calls.topics import subscribed_as
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Row, Tx
from alga_ext.stores.delivery_slots import Queued
from functions.registry.events.filters import passes

# An event that another invocation fans out at the moment is skipped: that one makes its deliveries.
_EVENTS: Final = """
select event_key, topic, hops, body, received_at from app.extension_event
where tenant_id = :tenant_id and event_key = any(cast(:keys as uuid[])) and fanned_out_at is null
order by event_key for update skip locked
"""
_SUBSCRIPTIONS: Final = """
select s.install_id, s.topic, s.handler, s.filter, s.timeout_ms
from app.extension_event_subscription s
join app.tenant_extension_install i on i.tenant_id = s.tenant_id and i.install_id = s.install_id
where s.tenant_id = :tenant_id and s.topic = any(cast(:topics as text[])) and i.state = 'enabled'
  and not exists (select from app.extension_install_disabling d
                  where d.tenant_id = s.tenant_id and d.install_id = s.install_id)
"""
_DELIVER: Final = """
insert into app.extension_delivery
  (tenant_id, delivery_id, install_id, trigger, subject, event_key, method, path, timeout_ms, hops)
select :tenant_id, delivery_id, install_id, 'event', subject, event_key, 'POST', path, timeout_ms, hops
from json_to_recordset(cast(:deliveries as json)) as made
  (delivery_id uuid, install_id uuid, subject text, event_key uuid, path text, timeout_ms integer, hops smallint)
order by delivery_id
on conflict (tenant_id, delivery_id) do nothing
"""
_DONE: Final = """
update app.extension_event set fanned_out_at = now()
where tenant_id = :tenant_id and event_key = any(cast(:keys as uuid[]))
"""


class FannedOut(NamedTuple):
    """What was done for a tenant.

    Attributes:
        queued: the deliveries that got a slot, for ``delivery_slots.send``.
        oldest: when the event was received that had waited longest, or None when there was nothing to do.
    """

    queued: list[Queued]
    oldest: datetime | None


def fan_out(tx: Tx, tenant_id: str, keys: Sequence[str]) -> FannedOut:
    """Make the deliveries of a tenant's events, and give free slots to waiting deliveries.

    An event that was fanned out before, or does not exist, has no effect.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        keys: of the events.
    """
    delivery_slots.lock(tx, tenant_id)
    events = tx.rows(_EVENTS, tenant_id=tenant_id, keys=list(keys))
    if not events:
        return FannedOut([], None)
    topics = sorted({name for event in events for name in subscribed_as(event["topic"])})
    subscriptions = tx.rows(_SUBSCRIPTIONS, tenant_id=tenant_id, topics=topics)
    if made := [delivery for event in events for delivery in _deliveries(event, subscriptions)]:
        tx.execute(_DELIVER, tenant_id=tenant_id, deliveries=json.dumps(made))
    tx.execute(_DONE, tenant_id=tenant_id, keys=[event["event_key"] for event in events])
    queued = delivery_slots.give(tx, tenant_id) if made else []
    return FannedOut(queued, min(event["received_at"] for event in events).astimezone(UTC))


def _deliveries(event: Row, subscriptions: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Return the deliveries of one event. A handler that is subscribed twice gets it once, by the narrowest topic."""
    document = json.loads(event["body"])
    order = {name: place for place, name in enumerate(subscribed_as(event["topic"]))}
    fitting = sorted((one for one in subscriptions if one["topic"] in order), key=lambda one: order[one["topic"]])
    seen: set[tuple[str, str]] = set()
    for subscription in fitting:
        whose = (str(subscription["install_id"]), subscription["handler"])
        if whose in seen or not passes(subscription["filter"], document):
            continue
        seen.add(whose)
        yield {
            "delivery_id": event_delivery_id(str(event["event_key"]), *whose),
            "install_id": whose[0],
            "subject": event["topic"],
            "event_key": str(event["event_key"]),
            "path": subscription["handler"],
            "timeout_ms": subscription["timeout_ms"],
            "hops": event["hops"],
        }
