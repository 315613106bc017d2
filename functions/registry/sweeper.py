"""The sweeper's Lambda entry point: deletes expired data, finishes delayed work.

Triggers: a schedule, every minute; and, in a deployment with a restored database, a custom resource of the stack.
"""

import time
from typing import Any, Final

from alga_ext.settings import environment
from alga_ext.stores.refreshed import Refreshed
from functions.registry import stack_resource
from functions.registry.job_services import SweeperServices
from functions.registry.recovery.catching_up import catch_up
from functions.registry.sweeping import sweep
from functions.registry.waking import wait_until_reachable

_ATTEMPTS: Final = 5
"""To reach a database that this run wakes. They take 40 s at most of the 60 s that a run has."""
_SERVICES = Refreshed(
    "registry-sweeper", environment(), lambda environ, _: SweeperServices.build(environ), SweeperServices.close
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Run every step once, or for CloudFormation only catch up; return how many items were processed."""
    if stack_resource.is_request(event):
        return stack_resource.serve(event, "restored-database", lambda: catch_up(_SERVICES.current()))
    services = _SERVICES.current()
    wait_until_reachable(services.database, time.sleep, _ATTEMPTS)
    return sweep(services)
