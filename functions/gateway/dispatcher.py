"""The dispatcher's Lambda entry point. Trigger: the queue ``deliveries``. The logic is in ``deliveries/``."""

from typing import Any

from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.gateway.deliveries.dispatching import dispatch
from functions.gateway.services import DispatcherServices

_SERVICES = Refreshed(
    "dispatcher", environment(), lambda environ, _: DispatcherServices.build(environ), DispatcherServices.close
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Try the deliveries of one SQS batch and return the messages that must come again."""
    return dispatch(event, _SERVICES.current())
