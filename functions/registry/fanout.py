"""The fan-out's Lambda entry point: makes the deliveries of events. Trigger: queue ``events``."""

from collections.abc import Mapping
from typing import Any

from alga_ext.edge.batches import answer_batch_of
from alga_ext.settings import environment
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from alga_ext.stores.refreshed import Refreshed
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.events.bus import decode
from functions.registry.events.consuming import SERVICE, Consumer
from functions.registry.settings import FanoutSettings


def _build(environ: Mapping[str, str], _: Consumer | None) -> Consumer:
    settings = FanoutSettings.read(environ)
    database = Database(settings.database_url.get_secret_value())
    deliveries = SqsQueue(settings.deliveries_queue_url, AwsApi(environ))
    return Consumer(database, deliveries, Evaluator(lambda: database.in_transaction))


_CONSUMER = Refreshed(SERVICE, environment(), _build, Consumer.close)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one SQS event and return its ``batchItemFailures``."""
    return answer_batch_of(event, SERVICE, _CONSUMER.current().handle, decode)
