"""Wake fan-out for stored events. The rows are the truth: a message that is lost is sent again by the tick."""

from collections.abc import Iterable
from typing import Final

from alga_ext.calls.messages import EventReceived, encode_message
from alga_ext.errors import PlatformError
from alga_ext.stores.aws_calls import QueuedMessage, SqsQueue
from alga_ext.stores.database import Tx
from alga_ext.telemetry import log_failure

_WAITING: Final = """
select event_key from app.extension_event
where tenant_id = :tenant_id and fanned_out_at is null and origin = 'platform' order by received_at limit 20
"""


def waiting(tx: Tx, tenant_id: str) -> list[str]:
    """Return the keys of a tenant's platform events whose deliveries are not made. Read them at a transaction's end."""
    return [str(row["event_key"]) for row in tx.rows(_WAITING, tenant_id=tenant_id)]


def wake(queue: SqsQueue, tenant_id: str, keys: Iterable[str]) -> None:
    """Send a message for each event, after the transaction that stored it. A failure is logged only."""
    messages = [encode_message(EventReceived(tenant_id=tenant_id, event_key=key)) for key in keys]
    try:
        queue.send_all(QueuedMessage(message, tenant_id) for message in messages)
    except PlatformError as error:
        log_failure("registry", error, tenant_id)
