"""A tenant's deliveries: list and show them, try dead ones again, discard those that have not ended well."""

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Row, Tx
from alga_ext.stores.delivery_slots import Queued
from functions.registry.records import audit
from functions.registry.records.audit import Actor

State = Literal["pending", "queued", "running", "retrying", "delivered", "dead", "discarded"]
Trigger = Literal["event", "schedule"]

REDRIVEN_AT_ONCE: Final = 500
"""How many dead deliveries one request tries again."""
_DISCARDED: Final = "A tenant admin has discarded it."
_DISCARDABLE: Final = ("pending", "queued", "retrying", "dead")
_COLUMNS: Final = """
d.delivery_id, d.install_id, d.trigger, d.subject, d.state, d.tries, d.method, d.path, d.hops, d.due_at, d.missed,
d.created_at, d.next_attempt_at, d.ended_at, d.last_status, d.last_error, d.reason, d.execution_ids
"""
_LIST: Final = f"""
select {_COLUMNS} from app.extension_delivery d
where d.tenant_id = :tenant_id and (d.created_at, d.delivery_id) < (:before_at, cast(:before_id as uuid))
  and (cast(:install_id as uuid) is null or d.install_id = cast(:install_id as uuid))
  and (cast(:trigger as text) is null or d.trigger = :trigger)
  {{of_state}}
order by d.created_at desc, d.delivery_id desc limit :page_size
"""  # noqa: S608 - constants only
_LOAD: Final = f"""
select {_COLUMNS}, e.body as event, d.payload
from app.extension_delivery d
left join app.extension_event e on e.tenant_id = d.tenant_id and e.event_key = d.event_key
where d.tenant_id = :tenant_id and d.delivery_id = cast(:delivery_id as uuid)
"""  # noqa: S608 - constants only
_REDRIVE: Final = """
update app.extension_delivery
set state = 'pending', tries = 0, reason = null, next_attempt_at = null, recheck_at = null, ended_at = null
where tenant_id = :tenant_id and delivery_id = any(cast(:delivery_ids as uuid[])) and state = 'dead'
"""
_DEAD: Final = """
select delivery_id from app.extension_delivery
where tenant_id = :tenant_id and state = 'dead'
  and (cast(:install_id as uuid) is null or install_id = cast(:install_id as uuid))
  and (cast(:trigger as text) is null or trigger = :trigger)
order by created_at, delivery_id limit :most
"""
_DISCARD: Final = """
update app.extension_delivery
set state = 'discarded', reason = :reason, next_attempt_at = null, recheck_at = null, ended_at = now()
where tenant_id = :tenant_id and delivery_id = cast(:delivery_id as uuid)
"""


class Filter(NamedTuple):
    """Which deliveries: of an install, of a trigger, in a state. None means every."""

    install_id: str | None = None
    trigger: Trigger | None = None
    state: State | None = None

    def check(self) -> None:
        """Raise ``install_not_found`` when the install is not given as the id of one."""
        if self.install_id is not None and not is_uuid(self.install_id):
            raise PlatformError("install_not_found", "install must be the id of an install, as GET /installs lists it.")


def list_deliveries(tx: Tx, tenant_id: str, wanted: Filter, before: tuple[datetime, str], page_size: int) -> list[Row]:
    """Return one page of deliveries, newest first.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        wanted: which.
        before: only those after this place in the list: creation and id of a delivery.
        page_size: how many at most.
    """
    # As a constant, because the index of dead deliveries is used for no parameter.
    of_state = f"and d.state = '{wanted.state}'" if wanted.state is not None else ""
    return tx.rows(
        _LIST.format(of_state=of_state),
        tenant_id=tenant_id,
        install_id=wanted.install_id,
        trigger=wanted.trigger,
        before_at=before[0],
        before_id=before[1],
        page_size=page_size,
    )


def load(tx: Tx, tenant_id: str, delivery_id: str) -> Row:
    """Return a delivery of the tenant with its event or payload, or raise ``delivery_not_found``."""
    row = tx.row(_LOAD, tenant_id=tenant_id, delivery_id=delivery_id) if is_uuid(delivery_id) else None
    if row is None:
        raise PlatformError("delivery_not_found", f"There is no delivery {delivery_id} in this tenant.")
    return row


def redrive(tx: Tx, tenant_id: str, delivery: Row, actor: Actor) -> list[Queued]:
    """Try a dead delivery again, as often as a new one, and return the deliveries that got a slot.

    ``tx`` must hold the lock of the tenant's deliveries (``delivery_slots.lock``) since before ``delivery`` was loaded.

    Raises:
        PlatformError: ``delivery_state`` when it is not dead.
    """
    if delivery["state"] != "dead":
        raise _state(delivery, "tried again", ("dead",))
    delivery_id = str(delivery["delivery_id"])
    tx.execute(_REDRIVE, tenant_id=tenant_id, delivery_ids=[delivery_id])
    before = {name: delivery[name] for name in ("state", "tries", "reason")}
    audit.record(tx, tenant_id, actor, "delivery.redrive", delivery_id, before, {"state": "pending", "tries": 0})
    return delivery_slots.give(tx, tenant_id)


def redrive_all(tx: Tx, tenant_id: str, wanted: Filter, actor: Actor) -> tuple[int, list[Queued]]:
    """Try dead deliveries again, the oldest first and ``REDRIVEN_AT_ONCE`` at most.

    Returns:
        how many, and the deliveries that got a slot.
    """
    delivery_slots.lock(tx, tenant_id)
    of_filter = {"install_id": wanted.install_id, "trigger": wanted.trigger}
    rows = tx.rows(_DEAD, tenant_id=tenant_id, most=REDRIVEN_AT_ONCE, **of_filter)
    ids = [str(row["delivery_id"]) for row in rows]
    if ids:
        tx.execute(_REDRIVE, tenant_id=tenant_id, delivery_ids=ids)
        before, after = {"state": "dead", "deliveries": ids}, {"state": "pending", "tries": 0, **of_filter}
        audit.record(tx, tenant_id, actor, "delivery.redrive_all", wanted.install_id or tenant_id, before, after)
    return len(ids), delivery_slots.give(tx, tenant_id)


def discard(tx: Tx, tenant_id: str, delivery: Row, actor: Actor) -> list[Queued]:
    """Discard a delivery that does not run and has not ended well; return the deliveries that got a slot.

    ``tx`` must hold the lock as for ``redrive``.

    Raises:
        PlatformError: ``delivery_state``.
    """
    if delivery["state"] not in _DISCARDABLE:
        raise _state(delivery, "discarded", _DISCARDABLE)
    delivery_id = str(delivery["delivery_id"])
    tx.execute(_DISCARD, tenant_id=tenant_id, delivery_id=delivery_id, reason=_DISCARDED)
    before = {name: delivery[name] for name in ("state", "tries", "reason")}
    after = {**before, "state": "discarded", "reason": _DISCARDED}
    audit.record(tx, tenant_id, actor, "delivery.discard", delivery_id, before, after)
    return delivery_slots.give(tx, tenant_id)


def _state(delivery: Row, verb: str, states: tuple[str, ...]) -> PlatformError:
    found: Any = delivery["state"]
    return PlatformError(
        "delivery_state", f"The delivery is {found}. Only a delivery that is {' or '.join(states)} can be {verb}."
    )
