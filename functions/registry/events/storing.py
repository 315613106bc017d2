"""Store events of a tenant, each once."""

import json
from collections.abc import Sequence
from typing import Final, Literal

from alga_ext.stores.database import Tx
from functions.registry.events.event import Event

Origin = Literal["api", "bus", "platform"]

# In the order of the key, so that two requests with the same events do not wait for each other in a circle.
_INSERT: Final = """
insert into app.extension_event (tenant_id, event_key, topic, source, event_id, hops, origin, body)
select :tenant_id, event_key, topic, source, event_id, hops, :origin, body
from json_to_recordset(cast(:events as json)) as given
  (event_key uuid, topic text, source text, event_id text, hops smallint, body text)
order by event_key
on conflict (tenant_id, event_key) do nothing
returning event_key
"""


def store(tx: Tx, tenant_id: str, events: Sequence[Event], origin: Origin) -> set[str]:
    """Store events and return the keys of those that were not stored before.

    An event with the source and id of one that is stored is a duplicate, whatever it says, and nothing is changed.

    Args:
        tx: a transaction of the tenant.
        tenant_id: whose events they are.
        events: checked ones. One that stands twice among them is stored once.
        origin: the way they came.
    """
    rows = [
        {
            "event_key": event.key,
            "topic": event.topic,
            "source": event.document["source"],
            "event_id": event.document["id"],
            "hops": event.hops,
            "body": event.body,
        }
        for event in events
    ]
    stored = tx.rows(_INSERT, tenant_id=tenant_id, origin=origin, events=json.dumps(rows))
    return {str(row["event_key"]) for row in stored}
