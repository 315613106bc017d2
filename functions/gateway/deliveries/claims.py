"""Claim a delivery for one try, and note how the try ended: the states of ``app.extension_delivery``.

Each function is one transaction of the tenant. Times are those of the database. A claim holds the delivery for
``LEASE_S``. If no result is noted by then, the next message claims it again, and that counts as another try.
"""

from typing import Any, Final, NamedTuple
from uuid import UUID

from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Database, Row, Tx
from alga_ext.stores.delivery_slots import Queued
from functions.gateway.deliveries.outcomes import Ending, Found, Step, Tried, next_step
from functions.gateway.deliveries.requests import Delivery

LEASE_S: Final = 90
"""Longer than an invocation of the dispatcher, and shorter than the queue hides a message that was not answered."""
_RECHECK_S: Final = 600
"""How long after a message should have come the tick takes it for lost. Longer than the queue hides one."""
_POSTPONED_S: Final = 60

_LOAD: Final = """
select d.install_id, i.version_id, d.trigger, d.subject, d.schedule_id, d.due_at, d.missed, d.method, d.path, d.payload,
       d.timeout_ms, d.hops, d.state, d.tries, coalesce(d.lease_until > now(), false) as is_leased,
       coalesce(extract(epoch from d.next_attempt_at - now()), 0)::float8 as wait_s,
       case when d.tries = 0 and d.last_status is null and d.execution_ids = '{}'  -- and so was not redriven either
            then greatest(extract(epoch from now() - d.created_at)::float8 * 1000 - d.delay_s * 1000, 0) end as lag_ms,
       e.body as event, e.received_at, i.deliveries_paused_at is not null as is_paused,
       exists (select from app.extension_event_subscription s
               where s.tenant_id = d.tenant_id and s.install_id = d.install_id and s.handler = d.path
                 and (s.topic = d.subject or right(s.topic, 2) = '.*' and starts_with(d.subject, rtrim(s.topic, '*')))
              ) as is_subscribed
from app.extension_delivery d
join app.tenant_extension_install i on i.tenant_id = d.tenant_id and i.install_id = d.install_id
left join app.extension_event e on e.tenant_id = d.tenant_id and e.event_key = d.event_key
where d.tenant_id = :tenant_id and d.delivery_id = :delivery_id for update of d
"""
_USED: Final = """
select count(*) as tenant_used, count(*) filter (where install_id = :install_id) as install_used
from app.extension_delivery where tenant_id = :tenant_id and state in ('queued', 'running')
"""
_RUN: Final = """
update app.extension_delivery
set state = 'running', tries = tries + 1, next_attempt_at = null,
    lease_until = now() + make_interval(secs => :lease_s), recheck_at = now() + make_interval(secs => :recheck_s),
    execution_ids = execution_ids || cast(:execution_id as uuid)
where tenant_id = :tenant_id and delivery_id = :delivery_id
"""
_WAIT: Final = """
update app.extension_delivery
set state = 'pending', lease_until = null, next_attempt_at = null,
    recheck_at = now() + make_interval(secs => cast(:recheck_s as integer))
where tenant_id = :tenant_id and delivery_id = :delivery_id
"""
_BURY: Final = """
update app.extension_delivery
set state = 'dead', lease_until = null, recheck_at = null, ended_at = now(), last_error = 'internal', reason = :reason
where tenant_id = :tenant_id and delivery_id = :delivery_id
"""
_END: Final = """
update app.extension_delivery
set state = :state, lease_until = null, last_status = :status, last_error = :error, reason = :reason,
    next_attempt_at = case when :state = 'retrying' then now() + make_interval(secs => :wait_s) end,
    recheck_at = case when :state = 'retrying' then now() + make_interval(secs => :wait_s + :recheck_s) end,
    ended_at = case when :state <> 'retrying' then now() end,
    execution_ids = case when :is_recorded then execution_ids
                         else array_remove(execution_ids, cast(:execution_id as uuid)) end
where tenant_id = :tenant_id and delivery_id = :delivery_id and state = 'running'
  and execution_ids[cardinality(execution_ids)] = cast(:execution_id as uuid)
"""
_COUNT_LAG: Final = "select app.count_delivery_lag(:row_number, :lag_ms)"
_SHARDS: Final = 8
"""Rows of ``app.platform_delivery_total``."""
_NOTE_RUN: Final = """
select app.note_schedule_run(:tenant_id, cast(:schedule_id as uuid), cast(:delivery_id as uuid), :status, :error)
"""
_LOST: Final = "The platform lost the last try before it noted a result. That was the last one."


class Claim(NamedTuple):
    """What a claim gave.

    Attributes:
        step: what to do.
        delivery: to run; None unless ``step`` is ``RUN``.
        wait_s: of ``WAIT``: seconds until the next try is due.
        queued: deliveries that got a slot; their messages are to be sent.
    """

    step: Step
    delivery: Delivery | None = None
    wait_s: float = 0
    queued: tuple[Queued, ...] = ()


def claim(database: Database, tenant_id: str, delivery_id: str, execution_id: str, *, enabled: bool) -> Claim:
    """Decide what a message of a delivery leads to, and note it in the row.

    A delivery that has no slot gets one first, if one is free: it is the run of a schedule, whose delay is over.

    Args:
        database: as ``fn_gateway``.
        tenant_id, delivery_id: of the message.
        execution_id: the record that the try will have. It is noted now, so that a try that is lost has one too.
        enabled: whether extensions are switched on.

    Raises:
        PlatformError: ``database_unavailable``.
    """
    key = {"tenant_id": tenant_id, "delivery_id": delivery_id}
    with database.tenant(tenant_id) as tx:
        delivery_slots.lock(tx, tenant_id)
        row, queued = tx.row(_LOAD, **key), []
        if row is not None and row["state"] == "pending" and enabled:
            given = delivery_slots.give(tx, tenant_id)
            queued = [one for one in given if one.delivery_id != delivery_id]
            row = tx.row(_LOAD, **key) if len(queued) < len(given) else row
        step = next_step(None if row is None else _found(tx, tenant_id, row), enabled=enabled)
        if row is None or step is Step.DROP:
            return Claim(Step.DROP, queued=tuple(queued))
        if step is Step.WAIT:
            return Claim(step, wait_s=row["wait_s"])
        if step is Step.RUN:
            tx.execute(_RUN, **key, lease_s=LEASE_S, recheck_s=_RECHECK_S, execution_id=execution_id)
            if row["lag_ms"] is not None:
                tx.execute(_COUNT_LAG, row_number=UUID(delivery_id).int % _SHARDS, lag_ms=row["lag_ms"])
            return Claim(step, _delivery(tenant_id, delivery_id, row), queued=tuple(queued))
        if step is Step.BURY:
            tx.execute(_BURY, **key, reason=_LOST)
            _note_run(tx, _delivery(tenant_id, delivery_id, row), Ending("dead", reason=_LOST))
        else:
            tx.execute(_WAIT, **key, recheck_s=_POSTPONED_S if step is Step.POSTPONE else None)
        if step is not Step.POSTPONE:
            queued += delivery_slots.give(tx, tenant_id)
        return Claim(step, queued=tuple(queued))


def end(database: Database, delivery: Delivery, tried: Tried, ending: Ending, execution_id: str) -> list[Queued] | None:
    """Note how a try ended, and give its slot to another delivery.

    Returns:
        the deliveries that got a slot; their messages are to be sent. None when this try no longer holds the delivery:
        its lease had ended, or the tenant has discarded it. Nothing is noted then.

    Raises:
        PlatformError: ``database_unavailable``.
    """
    with database.tenant(delivery.tenant_id) as tx:
        delivery_slots.lock(tx, delivery.tenant_id)
        held = tx.execute(
            _END,
            tenant_id=delivery.tenant_id,
            delivery_id=delivery.delivery_id,
            state=ending.state,
            status=tried.status,
            error=tried.error,
            reason=ending.reason,
            wait_s=ending.wait_s,
            recheck_s=_RECHECK_S,
            is_recorded=tried.is_recorded,
            execution_id=execution_id,
        )
        if not held:
            return None
        _note_run(tx, delivery, ending)
        return delivery_slots.give(tx, delivery.tenant_id)


def _note_run(tx: Tx, delivery: Delivery, ending: Ending) -> None:
    """Note in the schedule how its run ended. A try that is followed by another one is no end."""
    statuses = {"delivered": "succeeded", "dead": "failed"}
    if delivery.schedule_id is not None and ending.state in statuses:
        tx.execute(
            _NOTE_RUN,
            tenant_id=delivery.tenant_id,
            schedule_id=delivery.schedule_id,
            delivery_id=delivery.delivery_id,
            status=statuses[ending.state],
            error=ending.reason,
        )


def _found(tx: Tx, tenant_id: str, row: Row) -> Found:
    used = tx.one(_USED, tenant_id=tenant_id, install_id=row["install_id"])
    names = ("state", "tries", "is_leased", "wait_s", "is_paused")
    return Found(**{name: row[name] for name in names}, **used)


def _delivery(tenant_id: str, delivery_id: str, row: Row) -> Delivery:
    given: dict[str, Any] = {name: row[name] for name in Delivery._fields if name in row}
    schedule_id = None if row["schedule_id"] is None else str(row["schedule_id"])
    ids = {"install_id": str(row["install_id"]), "version_id": str(row["version_id"]), "schedule_id": schedule_id}
    given |= {**ids, "tries": row["tries"] + 1}
    return Delivery(tenant_id=tenant_id, delivery_id=delivery_id, **given)
