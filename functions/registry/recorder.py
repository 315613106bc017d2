"""The recorder's Lambda entry point: records executions. Trigger: queue ``executions``."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from alga_ext.calls.limits import parse_defaults
from alga_ext.edge.batches import answer_whole_batch
from alga_ext.settings import environment
from alga_ext.stores.database import Database
from alga_ext.stores.refreshed import Refreshed
from functions.registry.records.recording import Recorder
from functions.registry.settings import RecorderSettings

SERVICE: Final = "registry-recorder"


class _Services(NamedTuple):
    database: Database
    recorder: Recorder


def _build(environ: Mapping[str, str], _: _Services | None) -> _Services:
    settings = RecorderSettings.read(environ)
    database = Database(settings.database_url.get_secret_value())
    return _Services(database, Recorder(database, parse_defaults(settings.default_limits)))


_SERVICES = Refreshed(SERVICE, environment(), _build, lambda services: services.database.close())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one SQS event and return its ``batchItemFailures``."""
    return answer_whole_batch(event, SERVICE, _SERVICES.current().recorder.record)
