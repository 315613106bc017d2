"""Prepare: compiles published components. Trigger: queue ``prepare``, partial batch failures."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from alga_ext.calls.messages import PrepareMessage, decode_message
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure, logger
from functions.runner import compose

SERVICE = "prepare"
_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Lambda entry point; answers ``batchItemFailures``."""
    return process_partial_response(event=event, record_handler=_on_record, processor=_processor, context=context)


def _on_record(record: SQSRecord) -> None:
    try:
        message = decode_message(record.body)
        if not isinstance(message, PrepareMessage):
            raise PlatformError("invalid_request", "The queue message is not one for prepare.")
        result = compose.prepare().handle(message)
    except Exception as error:
        log_failure(SERVICE, error, record.message_id)
        raise
    extra = {"version_id": result.version_id, "ok": result.ok, "reasons": [reason.code for reason in result.reasons]}
    logger(SERVICE).info("component prepared", extra=extra)
