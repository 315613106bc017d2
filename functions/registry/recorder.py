"""The recorder's Lambda entry point: records executions. Trigger: queue ``executions``."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from alga_ext.edge.batches import answer_batch
from alga_ext.settings import environment
from alga_ext.stores.database import Database
from alga_ext.stores.refreshed import Refreshed
from functions.registry.records.recording import record
from functions.registry.settings import RecorderSettings

SERVICE: Final = "registry-recorder"


def _database(environ: Mapping[str, str], _: Database | None) -> Database:
    return Database(RecorderSettings.read(environ).database_url.get_secret_value())


_DATABASE = Refreshed(SERVICE, environment(), _database, Database.close)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one SQS event and return its ``batchItemFailures``."""
    return answer_batch(event, SERVICE, partial(record, database=_DATABASE.current()))
