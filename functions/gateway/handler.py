"""The gateway's Lambda entry point. Trigger: API Gateway HTTP API. The logic is in ``gateway.py``."""

from typing import Any

from alga_ext.settings import environment
from functions.gateway.gateway import Gateway
from functions.gateway.services import Services

_GATEWAY = Gateway(Services.build(environment()))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer one API Gateway v2 event."""
    return _GATEWAY.answer(event)
