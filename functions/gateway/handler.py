"""The gateway's Lambda entry point. Trigger: API Gateway HTTP API. The logic is in ``gateway.py``."""

from typing import Any

from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.gateway.gateway import Gateway
from functions.gateway.services import Services

_GATEWAY = Refreshed("gateway", environment(), lambda environ, _: Gateway(Services.build(environ)), Gateway.close)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer one API Gateway v2 event."""
    return _GATEWAY.current().answer(event)
