"""Give free slots to deliveries, and tell the dispatcher which of them got one."""

from typing import Final

from alga_ext.calls.messages import DeliveryQueued, encode_message
from alga_ext.stores.aws_calls import QueuedMessage, SqsQueue
from alga_ext.stores.database import Row, Tx

_QUEUE: Final = "select tenant, delivery, delay from app.queue_deliveries_of(:tenants)"


def queue(tx: Tx, tenants: list[str]) -> list[Row]:
    """Give the free slots of tenants to their waiting deliveries, and return those that got one for ``send``.

    The deliveries of these tenants are locked until the transaction ends. It sees no rows of a tenant after this.
    """
    return tx.rows(_QUEUE, tenants=tenants)


def send(deliveries_queue: SqsQueue, queued: list[Row]) -> None:
    """Send the messages of deliveries that got a slot, after the transaction in which they got it.

    A message that is not sent, because the queue fails or this process dies, is sent when ``recheck_at`` has passed.

    Args:
        deliveries_queue: the dispatcher's.
        queued: what ``queue`` returned.

    Raises:
        PlatformError: ``queue_unavailable``.
    """
    messages = []
    for row in queued:
        message = DeliveryQueued(tenant_id=row["tenant"], delivery_id=str(row["delivery"]))
        messages.append(QueuedMessage(encode_message(message), row["tenant"], row["delay"]))
    deliveries_queue.send_all(messages)
