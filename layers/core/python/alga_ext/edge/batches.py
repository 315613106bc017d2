"""Handle batches of queue messages one by one, so that only the messages that failed are delivered again."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from alga_ext.calls.messages import Message, decode_message
from alga_ext.telemetry import log_failure


def answer_batch(event: dict[str, Any], context: Any, service: str, handle: Callable[[Message], object]) -> Any:
    """Handle each message of an SQS event and return ``batchItemFailures``.

    An exception from ``handle`` is logged and marks its message as failed.
    """

    def on_record(record: SQSRecord) -> None:
        try:
            handle(decode_message(record.body))
        except Exception as error:
            log_failure(service, error, record.message_id)
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=on_record, processor=processor, context=context)
