"""Pause the deliveries of an install, and let them go on. What is running then is not stopped."""

from typing import Final

from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Tx
from alga_ext.stores.delivery_slots import Queued
from functions.registry.records import audit
from functions.registry.records.audit import Actor

_SET: Final = """
update app.tenant_extension_install
set deliveries_paused_at = case when :paused then coalesce(deliveries_paused_at, now()) end,
    revision = revision + 1, changed_at = now()
where tenant_id = :tenant_id and install_id = :install_id and (deliveries_paused_at is not null) <> :paused
"""


def set_paused(tx: Tx, tenant_id: str, install_id: str, *, paused: bool, actor: Actor) -> list[Queued]:
    """Pause or resume an install's deliveries, and return the deliveries that got a slot.

    The install must be locked (``installs.load_install``). When it is as asked already, nothing is changed.
    """
    delivery_slots.lock(tx, tenant_id)
    if tx.execute(_SET, tenant_id=tenant_id, install_id=install_id, paused=paused):
        action = "deliveries.pause" if paused else "deliveries.resume"
        audit.record(tx, tenant_id, actor, action, install_id, {"paused": not paused}, {"paused": paused})
    return delivery_slots.give(tx, tenant_id)
