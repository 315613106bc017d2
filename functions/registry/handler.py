"""The registry's Lambda entry point. Trigger: API Gateway HTTP API. The logic is in ``api/``."""

from typing import Any

from alga_ext.settings import environment
from functions.registry.api.registry import Registry
from functions.registry.services import Services

_REGISTRY = Registry(Services.build(environment()))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one API Gateway v2 event."""
    return _REGISTRY.answer(event, context)
