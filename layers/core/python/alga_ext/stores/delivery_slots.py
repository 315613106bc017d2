"""Slots of deliveries: how many of an install and of a tenant may be in flight (``app.queue_deliveries``).

Whoever changes which deliveries of a tenant hold a slot does it in four steps: lock, change, give free slots away, and
after the commit send the messages of those that got one. If the last step fails, the tick sends them later.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from alga_ext.calls.messages import DeliveryQueued, encode_message
from alga_ext.errors import PlatformError
from alga_ext.stores.aws_calls import QueuedMessage, SqsQueue
from alga_ext.stores.database import Tx
from alga_ext.telemetry import log_failure

_LOCK: Final = "select app.lock_deliveries(:tenant_id)"
_GIVE: Final = "select delivery, delay from app.queue_deliveries(:tenant_id)"
_GIVE_SOON: Final = """
update app.extension_delivery set recheck_at = now()
where tenant_id = :tenant_id and delivery_id in
  (select delivery_id from app.extension_delivery where tenant_id = :tenant_id and state = 'pending'
   limit 1 for no key update skip locked)
"""
"""One delivery is enough, because the tick gives slots to a whole tenant. It is any one that waits."""


class Queued(NamedTuple):
    """A delivery that has got a slot, and by how many seconds its message is to be delayed."""

    delivery_id: str
    delay_s: int = 0


def lock(tx: Tx, tenant_id: str) -> None:
    """Wait until no other transaction changes states of the tenant's deliveries. Call it before any row is locked."""
    tx.execute(_LOCK, tenant_id=tenant_id)


def give(tx: Tx, tenant_id: str) -> list[Queued]:
    """Give the tenant's free slots to deliveries that wait for one, and return these."""
    return [Queued(str(row["delivery"]), row["delay"]) for row in tx.rows(_GIVE, tenant_id=tenant_id)]


def give_soon(tx: Tx, tenant_id: str) -> None:
    """Have the next tick give the tenant's free slots away. For a caller that sends no messages."""
    tx.execute(_GIVE_SOON, tenant_id=tenant_id)


def message_of(tenant_id: str, queued: Queued) -> QueuedMessage:
    """Return the message that tells the dispatcher of a delivery that has got a slot."""
    message = DeliveryQueued(tenant_id=tenant_id, delivery_id=queued.delivery_id)
    return QueuedMessage(encode_message(message), tenant_id, queued.delay_s)


def send(queue: SqsQueue, tenant_id: str, queued: Iterable[Queued], service: str) -> None:
    """Send the messages of deliveries that have got a slot, after the commit.

    A failure is only logged: the rows say that the messages are to be sent, and the tick sends them again.
    """
    try:
        queue.send_all([message_of(tenant_id, one) for one in queued])
    except PlatformError as error:
        log_failure(service, error, tenant_id)
