"""Prepare's Lambda entry point: compiles published components. Trigger: queue ``prepare``."""

from typing import Any, Final

from alga_ext.calls.messages import Message, PrepareMessage
from alga_ext.edge.batches import answer_batch
from alga_ext.errors import PlatformError
from alga_ext.settings import environment
from alga_ext.telemetry import logger
from functions.runner.preparing.services import build_prepare

SERVICE: Final = "prepare"
_PREPARE = build_prepare(environment())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer one SQS event with its ``batchItemFailures``."""
    return answer_batch(event, SERVICE, _prepare)


def _prepare(message: Message) -> None:
    if not isinstance(message, PrepareMessage):
        raise PlatformError("invalid_request", "The queue 'prepare' accepts only prepare messages.")
    result = _PREPARE.handle(message)
    extra = {"version_id": result.version_id, "ok": result.ok, "reasons": [reason.code for reason in result.reasons]}
    logger(SERVICE).info("component prepared", extra=extra)
