"""The UI host's Lambda entry point. Trigger: function URL behind CloudFront. The logic is in ``uihost.py``."""

from typing import Any

from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.uihost.services import Services
from functions.uihost.uihost import UiHost

_UI_HOST = Refreshed("uihost", environment(), lambda environ, _: UiHost(Services.build(environ)))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer one API Gateway v2 event."""
    return _UI_HOST.current().answer(event)
