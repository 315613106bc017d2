"""Find events and deliveries that were forgotten, and send their messages again. The tick calls this each minute.

A message is lost when a process ends between a commit and the sending, when the queue cannot be reached then, or when
the message has reached the dead-letter queue. A message that was not lost after all becomes a duplicate, which is
harmless: the consumer looks at the row.
"""

from datetime import datetime
from typing import Final, NamedTuple

from alga_ext.calls.messages import EventReceived, encode_message
from alga_ext.errors import PlatformError
from alga_ext.stores import delivery_slots
from alga_ext.stores.aws_calls import QueuedMessage, SqsQueue
from alga_ext.stores.database import Database
from alga_ext.stores.delivery_slots import Queued
from alga_ext.telemetry import log_failure

TENANTS: Final = 500
"""In how many tenants a run of the tick works at most. The next one goes on with the others."""
ROWS: Final = 500
"""How many events and how many deliveries of a tenant one run looks at."""
SERVICE: Final = "registry-ticker"

_TENANTS: Final = "select tenant_id from app.tenants_with_deliveries_due(:now, :most) as t(tenant_id)"
_DUE: Final = """
update app.extension_delivery
set recheck_at = case when state <> 'pending' then cast(:now as timestamptz) + interval '15 minutes'
                      when created_at + make_interval(secs => delay_s) > :now  -- the run of a schedule, still delayed
                      then created_at + make_interval(secs => delay_s) + interval '1 minute' end
where tenant_id = :tenant_id and delivery_id in
  (select delivery_id from app.extension_delivery where tenant_id = :tenant_id and recheck_at <= :now
   order by recheck_at limit :rows)
returning delivery_id, state
"""
"""A pending delivery needs no message. It needs a slot, which is given below or by the end of another delivery."""
_EVENTS: Final = """
update app.extension_event set recheck_at = cast(:now as timestamptz) + interval '5 minutes'
where tenant_id = :tenant_id and event_key in
  (select event_key from app.extension_event
   where tenant_id = :tenant_id and fanned_out_at is null and recheck_at <= :now
   order by recheck_at limit :rows for update skip locked)
returning event_key
"""


class Recovered(NamedTuple):
    """How many messages were sent again: of events, and of deliveries."""

    events: int
    deliveries: int


def recover(
    database: Database, events: SqsQueue, deliveries: SqsQueue, now: datetime, most: int = TENANTS
) -> Recovered:
    """Send the messages of forgotten events and deliveries again, and give free slots away.

    Args:
        database: as ``fn_registry``.
        events: the queue of the fan-out.
        deliveries: the queue of the dispatcher.
        now: the present instant.
        most: in how many tenants it works.

    Raises:
        PlatformError: ``database_unavailable`` while the tenants are listed. A failure in one tenant is only logged;
            its rows are due again some minutes later.
    """
    with database.system() as tx:
        tenants = [str(row["tenant_id"]) for row in tx.rows(_TENANTS, now=now, most=most)]
    done = Recovered(0, 0)
    for tenant_id in tenants:
        try:
            found = _recover(database, events, deliveries, tenant_id, now)
        except PlatformError as error:  # a failure for one tenant must not stop the others
            log_failure(SERVICE, error, tenant_id)
        else:
            done = Recovered(done.events + found.events, done.deliveries + found.deliveries)
    return done


def _recover(database: Database, events: SqsQueue, deliveries: SqsQueue, tenant_id: str, now: datetime) -> Recovered:
    with database.tenant(tenant_id) as tx:
        delivery_slots.lock(tx, tenant_id)
        given = {"tenant_id": tenant_id, "now": now, "rows": ROWS}
        due = [Queued(str(row["delivery_id"])) for row in tx.rows(_DUE, **given) if row["state"] != "pending"]
        waiting = [str(row["event_key"]) for row in tx.rows(_EVENTS, **given)]
        queued = delivery_slots.give(tx, tenant_id)
    delivery_slots.send(deliveries, tenant_id, [*due, *queued], SERVICE)
    messages = (encode_message(EventReceived(tenant_id=tenant_id, event_key=key)) for key in waiting)
    events.send_all(QueuedMessage(message, tenant_id) for message in messages)
    return Recovered(len(waiting), len(due) + len(queued))
