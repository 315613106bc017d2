"""The recorder's Lambda entry point: records executions. Trigger: queue ``executions``."""

from functools import partial
from typing import Any

from alga_ext.edge.batches import answer_batch
from alga_ext.settings import environment
from alga_ext.stores.database import Database
from functions.registry.records.recording import record
from functions.registry.settings import RecorderSettings

_DATABASE = Database(RecorderSettings.read(environment()).database_url.get_secret_value())
_record = partial(record, database=_DATABASE)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one SQS event and return its ``batchItemFailures``."""
    return answer_batch(event, "registry-recorder", _record)
