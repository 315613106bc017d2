"""The ticker's Lambda entry point: fires due schedules and sends lost messages again. Trigger: a schedule."""

import time
from typing import Any, Final

from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.registry.scheduling.services import TickerServices
from functions.registry.waking import wait_until_reachable
from functions.registry.whole_tick import run_tick

_ATTEMPTS: Final = 2
"""To reach a database that this run wakes. They take 11 s of the 60 s that a run has; the next run goes on."""
_SERVICES = Refreshed(
    "registry-ticker", environment(), lambda environ, _: TickerServices.build(environ), TickerServices.close
)


def handler(event: dict[str, Any], context: object) -> dict[str, int]:  # noqa: ARG001 - Lambda's signature
    """Fire what is due, and find events and deliveries that were forgotten; return the counts."""
    services = _SERVICES.current()
    wait_until_reachable(services.database, time.sleep, _ATTEMPTS)
    return run_tick(services)
