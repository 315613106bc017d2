"""The recorder's Lambda entry point: records executions. Trigger: queue ``executions``."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from alga_ext.calls.limits import Limits, parse_defaults
from alga_ext.edge.batches import answer_batch
from alga_ext.settings import environment
from alga_ext.stores.database import Database
from alga_ext.stores.refreshed import Refreshed
from functions.registry.records.recording import record
from functions.registry.settings import RecorderSettings

SERVICE: Final = "registry-recorder"


class _Services(NamedTuple):
    database: Database
    default_limits: Limits


def _build(environ: Mapping[str, str], _: _Services | None) -> _Services:
    settings = RecorderSettings.read(environ)
    return _Services(Database(settings.database_url.get_secret_value()), parse_defaults(settings.default_limits))


_SERVICES = Refreshed(SERVICE, environment(), _build, lambda services: services.database.close())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one SQS event and return its ``batchItemFailures``."""
    database, defaults = _SERVICES.current()
    return answer_batch(event, SERVICE, partial(record, database=database, defaults=defaults))
