"""The assets function's Lambda entry point: finishes publications. Trigger: queue ``prepared``."""

from functools import partial
from typing import Any, Final

from alga_ext.edge.batches import answer_batch
from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.registry.job_services import AssetsServices
from functions.registry.publishing.finishing import finish_prepared

SERVICE: Final = "registry-assets"
_SERVICES = Refreshed(SERVICE, environment(), lambda environ, _: AssetsServices.build(environ), AssetsServices.close)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one SQS event and return its ``batchItemFailures``."""
    return answer_batch(event, SERVICE, partial(finish_prepared, services=_SERVICES.current()))
