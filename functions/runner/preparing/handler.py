"""Prepare's Lambda entry point: compiles published components. Trigger: queue ``prepare``."""

from functools import partial
from typing import Any, Final

from alga_ext.calls.messages import Message, PrepareMessage
from alga_ext.edge.batches import answer_batch
from alga_ext.errors import PlatformError
from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from alga_ext.telemetry import logger
from functions.runner.preparing.preparation import Prepare
from functions.runner.preparing.services import build_prepare

SERVICE: Final = "prepare"
_PREPARE = Refreshed(SERVICE, environment(), lambda environ, _: build_prepare(environ))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer one SQS event with its ``batchItemFailures``."""
    return answer_batch(event, SERVICE, partial(_prepare, _PREPARE.current()))


def _prepare(prepare: Prepare, message: Message) -> None:
    if not isinstance(message, PrepareMessage):
        raise PlatformError("invalid_request", "The queue 'prepare' accepts only prepare messages.")
    result = prepare.handle(message)
    extra = {"version_id": result.version_id, "ok": result.ok, "reasons": [reason.code for reason in result.reasons]}
    logger(SERVICE).info("component prepared", extra=extra)
