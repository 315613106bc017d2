"""Handle batches of queue messages one by one, so that only the messages that failed are delivered again.

Lambda calls this partial batch responses ("ReportBatchItemFailures"). Powertools' processor for it is not used:
importing it costs the recorder a third of its start (docs/adr/0031-what-a-start-imports.md).
"""

from collections.abc import Callable
from typing import Any

from alga_ext.calls.messages import Message, decode_message
from alga_ext.telemetry import log_failure


def answer_batch(event: dict[str, Any], service: str, handle: Callable[[Message], object]) -> dict[str, Any]:
    """Handle each message of an SQS event and return ``batchItemFailures``.

    An exception from ``handle`` is logged and marks its message as failed; the queue delivers it again.
    """
    failed = []
    for record in event["Records"]:
        try:
            handle(decode_message(record["body"]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other messages are handled
            log_failure(service, error, record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
