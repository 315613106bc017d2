"""The assets function's Lambda entry point: finishes publications. Trigger: queue ``prepared``."""

from functools import partial
from typing import Any

from alga_ext.edge.batches import answer_batch
from alga_ext.settings import environment
from functions.registry.job_services import AssetsServices
from functions.registry.publishing.finishing import finish_prepared

_finish = partial(finish_prepared, services=AssetsServices.build(environment()))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one SQS event and return its ``batchItemFailures``."""
    return answer_batch(event, "registry-assets", _finish)
