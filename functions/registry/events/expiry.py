"""Delete events, with their deliveries, when nobody needs them any more."""

from datetime import datetime, timedelta
from typing import Final

from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Tx

KEPT: Final = timedelta(days=14)
"""How long an event is kept of which a delivery is dead, or has not ended. The others are kept for a day."""
_ROWS: Final = 200
_WITHOUT_SLOT: Final = frozenset({"pending", "delivered", "dead", "discarded"})

_DUE: Final = """
select event_key, received_at <= :old or fanned_out_at is not null and not exists (
         select from app.extension_delivery d
         where d.tenant_id = e.tenant_id and d.event_key = e.event_key and d.state not in ('delivered', 'discarded')
       ) as has_ended
from app.extension_event e where tenant_id = :tenant_id and sweep_at <= :now
order by sweep_at limit :rows for update skip locked
"""
_DELETE_DELIVERIES: Final = """
delete from app.extension_delivery where tenant_id = :tenant_id and event_key = any(cast(:keys as uuid[]))
returning state
"""
_DELETE: Final = """
delete from app.extension_event where tenant_id = :tenant_id and event_key = any(cast(:keys as uuid[]))
"""
_KEEP: Final = """
update app.extension_event set sweep_at = received_at + make_interval(days => :days)
where tenant_id = :tenant_id and event_key = any(cast(:keys as uuid[]))
"""


def expire(tx: Tx, tenant_id: str, now: datetime) -> tuple[int, bool]:
    """Delete a batch of a tenant's events; return how many, and whether there may be more to look at.

    An event is deleted after a day when all its deliveries were delivered or discarded, and after ``KEPT`` in any case.
    An event from whose message nothing came, since the queue was lost, is kept for that time too. Slots that become
    free are given away by the next tick.
    """
    delivery_slots.lock(tx, tenant_id)
    due = tx.rows(_DUE, tenant_id=tenant_id, now=now, old=now - KEPT, rows=_ROWS)
    ended = [row["event_key"] for row in due if row["has_ended"]]
    kept = [row["event_key"] for row in due if not row["has_ended"]]
    if ended:
        deleted = tx.rows(_DELETE_DELIVERIES, tenant_id=tenant_id, keys=ended)
        tx.execute(_DELETE, tenant_id=tenant_id, keys=ended)
        if any(row["state"] not in _WITHOUT_SLOT for row in deleted):
            delivery_slots.give_soon(tx, tenant_id)  # their slots, or their places among those that are retried
    if kept:
        tx.execute(_KEEP, tenant_id=tenant_id, keys=kept, days=KEPT.days)
    return len(ended), len(due) == _ROWS
