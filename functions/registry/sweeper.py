"""The sweeper's Lambda entry point: deletes expired data, finishes delayed work. Trigger: a schedule, every minute."""

from typing import Any

from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.registry.job_services import SweeperServices
from functions.registry.sweeping import sweep

_SERVICES = Refreshed(
    "registry-sweeper", environment(), lambda environ, _: SweeperServices.build(environ), SweeperServices.close
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Run every step once and return how many items each step processed."""
    return sweep(_SERVICES.current())
