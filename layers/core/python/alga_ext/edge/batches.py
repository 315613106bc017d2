"""Handle batches of queue messages, so that only the messages that failed are delivered again.

Lambda calls this partial batch responses ("ReportBatchItemFailures"). Powertools' processor for it is not used:
importing it costs the recorder a third of its start (docs/adr/0031-what-a-start-imports.md).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from alga_ext.calls.messages import Message, decode_message
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure

GivenT = TypeVar("GivenT")


def answer_batch(event: Mapping[str, Any], service: str, handle: Callable[[Message], object]) -> dict[str, Any]:
    """Handle each message of an SQS event and return ``batchItemFailures``.

    An exception from ``handle`` is logged and marks its message as failed; the queue delivers it again.
    """

    def handle_each(messages: Sequence[Message]) -> dict[int, Exception]:
        failed: dict[int, Exception] = {}
        for place, message in enumerate(messages):
            try:
                handle(message)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other messages are handled
                failed[place] = error
        return failed

    return answer_whole_batch(event, service, handle_each)


def answer_whole_batch(
    event: Mapping[str, Any], service: str, handle: Callable[[Sequence[Message]], Mapping[int, Exception]]
) -> dict[str, Any]:
    """Handle the messages of an SQS event together and return ``batchItemFailures``.

    ``handle`` returns the errors of the messages that failed, by their places, and the queue delivers these messages
    again. An error is logged once, with the id of one message, however many messages have it. A message that cannot be
    decoded fails alone.
    """
    return answer_batch_of(event, service, handle, decode_message)


def answer_batch_of(
    event: Mapping[str, Any],
    service: str,
    handle: Callable[[Sequence[GivenT]], Mapping[int, Exception]],
    decode: Callable[[str], GivenT],
) -> dict[str, Any]:
    """Do the same for a queue that also carries bodies of another form, which ``decode`` reads.

    ``decode`` raises ``PlatformError`` for a body that cannot be read.
    """
    decoded: dict[str, GivenT] = {}
    failed: dict[str, Exception] = {}
    for record in event["Records"]:
        try:
            decoded[record["messageId"]] = decode(record["body"])
        except PlatformError as error:
            failed[record["messageId"]] = error
    ids = list(decoded)
    failed |= {ids[place]: reason for place, reason in handle(list(decoded.values())).items()}
    for message_id, reason in {id(reason): (message_id, reason) for message_id, reason in failed.items()}.values():
        log_failure(service, reason, message_id)
    in_order = [record["messageId"] for record in event["Records"] if record["messageId"] in failed]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in in_order]}
