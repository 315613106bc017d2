"""Handle a batch of the queue ``deliveries``: all of its deliveries at the same time, each with a verdict of its own.

A message that must come again is hidden for as long as its delivery waits, and is then reported as failed. If hiding it
fails, it comes back when the queue's own visibility timeout ends: later, and otherwise the same, because the row says
what is to be done.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from alga_ext.calls.messages import DeliveryQueued, decode_message
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure
from functions.gateway.deliveries.delivering import SERVICE, deliver
from functions.gateway.services import DispatcherServices

_AGAIN_S: Final = 60
"""When a message comes again whose delivery could not be claimed. Nothing has changed then."""


def dispatch(event: Mapping[str, Any], services: DispatcherServices) -> dict[str, Any]:
    """Handle the messages of an SQS event at the same time, and return ``batchItemFailures``."""
    records: list[Mapping[str, Any]] = event["Records"]
    with ThreadPoolExecutor(len(records), "delivery") as threads:
        is_done = list(threads.map(lambda record: _is_done(record, services), records))
    again = [record["messageId"] for record, done in zip(records, is_done, strict=True) if not done]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _is_done(record: Mapping[str, Any], services: DispatcherServices) -> bool:
    """Handle one message. It must come again when this is false."""
    try:
        message = decode_message(record["body"])
        if not isinstance(message, DeliveryQueued):
            raise PlatformError("invalid_request", f"A {type(message).__name__} is not for the dispatcher.")
        again_s = deliver(message, services)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other messages are handled
        log_failure(SERVICE, error, record["messageId"])
        again_s = _AGAIN_S
    if again_s is None:
        return True
    try:
        services.deliveries.hide(record["receiptHandle"], math.ceil(again_s))
    except PlatformError as error:
        log_failure(SERVICE, error, record["messageId"])
    return False
