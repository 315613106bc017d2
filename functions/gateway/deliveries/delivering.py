"""Try one delivery: claim it, make its call, note how it ended, and send the messages of those that got its slot."""

import random
from typing import Final

from alga_ext.calls.messages import DeliveryQueued
from alga_ext.errors import PlatformError
from alga_ext.ids import new_execution_id
from alga_ext.platform_metrics import DEAD_DELIVERIES, DELIVERIES, DELIVERY_LAG, Metric
from alga_ext.stores import delivery_slots
from alga_ext.telemetry import emit, log_failure
from functions.gateway import call as calls
from functions.gateway import quotas
from functions.gateway.deliveries import claims, outcomes
from functions.gateway.deliveries.outcomes import Ending, Step, Tried
from functions.gateway.deliveries.requests import Delivery, call_of
from functions.gateway.envelope import time_limit_ms
from functions.gateway.execution import Execution
from functions.gateway.services import DispatcherServices

SERVICE: Final = "dispatcher"
ANSWER_BY_S: Final = 62.0
"""60 s, the longest time limit, and the time that a runner needs to start. The dispatcher's own time limit is 70 s."""


def deliver(message: DeliveryQueued, services: DispatcherServices) -> float | None:
    """Handle the message of a delivery.

    Returns:
        None when the message is done. Otherwise the seconds after which it must come again.

    Raises:
        PlatformError: ``database_unavailable`` in the claim, when nothing has changed.
    """
    execution_id = new_execution_id(services.now())
    tenant_id = message.tenant_id
    enabled = services.settings.extensions_enabled
    claim = claims.claim(services.database, tenant_id, message.delivery_id, execution_id, enabled=enabled)
    delivery_slots.send(services.deliveries, tenant_id, claim.queued, SERVICE)
    if claim.step is Step.BURY:
        _count(Ending("dead"))
    if claim.delivery is None:
        return claim.wait_s if claim.step is Step.WAIT else None
    return _run(claim.delivery, execution_id, services)


def _run(delivery: Delivery, execution_id: str, services: DispatcherServices) -> float | None:
    if delivery.lag_ms is not None:
        emit(SERVICE, {DELIVERY_LAG: delivery.lag_ms})
    tried = _tried(delivery, execution_id, services)
    ending = outcomes.ending(tried, delivery.tries, random.random())  # noqa: S311 - a pause is no secret
    try:
        queued = claims.end(services.database, delivery, tried, ending, execution_id)
    except PlatformError as error:
        # The row still says that it runs. When the lease has ended, the message comes back and it is tried again.
        log_failure(SERVICE, error, delivery.delivery_id)
        return claims.LEASE_S
    if queued is None:
        return None
    _count(ending)
    delivery_slots.send(services.deliveries, delivery.tenant_id, queued, SERVICE)
    return ending.wait_s if ending.state == "retrying" else None


def _tried(delivery: Delivery, execution_id: str, services: DispatcherServices) -> Tried:
    """Admit and make the call of a delivery. Every failure is a result.

    1. The install is active, and receives this delivery still.
    2. The quotas of the install and of its tenant are not used up.
    3. The call is recorded as accepted, run with the install's grants, and recorded as finished.
    """
    now = services.now()
    try:
        install = services.installs.find(
            delivery.tenant_id, delivery.install_id, services.monotonic_s(), now, delivery.version_id
        )
        call = call_of(delivery, install)  # (1)
        quotas.check(call.install.limits, call.install.usage, now)  # (2)
        limit_ms = delivery.timeout_ms or time_limit_ms(call.install, services.default_timeout_ms)
        deadline_s = services.monotonic_s() + limit_ms / 1000
        status, headers, _ = calls.run(
            call, services, Execution(execution_id, limit_ms, deadline_s, ANSWER_BY_S)
        )  # (3)
    except PlatformError as error:
        if not error.is_recorded:
            log_failure(SERVICE, error, delivery.delivery_id)
        return outcomes.of_error(error)
    except Exception as fault:  # noqa: BLE001 - a fault of the platform is a failed try like another
        log_failure(SERVICE, fault, delivery.delivery_id)
        return outcomes.of_error(fault)
    return outcomes.of_answer(status, headers, services.now())


def _count(ending: Ending) -> None:
    values: dict[Metric, float] = {DELIVERIES: 1}
    if ending.state == "dead":
        values[DEAD_DELIVERIES] = 1
    emit(SERVICE, values, state=ending.state)
