"""The registry's Lambda entry point. Trigger: API Gateway HTTP API. The logic is in ``api/``."""

from typing import Any

from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.registry.api.registry import Registry
from functions.registry.services import Services

_REGISTRY = Refreshed("registry", environment(), lambda environ, _: Registry(Services.build(environ)), Registry.close)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one API Gateway v2 event."""
    return _REGISTRY.current().answer(event, context)
