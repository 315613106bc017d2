"""The recorder's Lambda entry point: records executions. Trigger: queue ``executions``."""

from functools import partial
from typing import Any

from alga_ext.edge.batches import answer_batch
from alga_ext.settings import environment
from functions.registry.job_services import RecorderServices
from functions.registry.records.recording import record

_record = partial(record, services=RecorderServices.build(environment()))


def handler(event: dict[str, Any], context: Any) -> Any:
    """Process one SQS event and return its ``batchItemFailures``."""
    return answer_batch(event, context, "registry-recorder", _record)
