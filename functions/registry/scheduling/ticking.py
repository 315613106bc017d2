"""Fire the schedules that are due.

The transaction of a batch locks due schedules, makes their deliveries and moves the schedules to their next runs: so a
run is fired once, whatever else ticks at the same time or dies. After it, each delivery's message is sent with the
run's delay. When it arrives, the dispatcher gives the tenant's free slots away: a run holds none while it is delayed.

A delivery whose message is not sent, because this process dies, is found later (``recheck_at``).
"""

import json
from collections import defaultdict
from datetime import datetime
from typing import Any, Final

from alga_ext.platform_metrics import SCHEDULES_FIRED, TICK_LAG
from alga_ext.stores.aws_calls import QueuedMessage
from alga_ext.stores.database import Row
from alga_ext.stores.delivery_slots import Queued, message_of
from alga_ext.telemetry import emit, logger
from functions.registry.scheduling.moves import Claimed, Move, move_of
from functions.registry.scheduling.services import TickerServices

BATCH: Final = 500
TIME_S: Final = 40.0
"""A tick begins no batch after this time; the function has 60 s, and reaching a paused database takes some of them."""

_CLAIM: Final = """
select tenant, schedule, install, cron, timezone, due_at, backs_off_until, active
from app.claim_due_schedules(:at, :most)
"""
_FIRE: Final = "select app.fire_schedules(cast(:batch as jsonb))"


def tick(services: TickerServices, time_s: float = TIME_S) -> dict[str, int]:
    """Fire schedules until none is due or the time is up; return how many were ``claimed`` and how many ``fired``.

    Raises:
        PlatformError: ``database_unavailable`` or ``queue_unavailable``. What is fired then stays fired, and the next
            tick goes on.
    """
    ends_at = services.monotonic_s() + time_s
    done = {"claimed": 0, "fired": 0}
    while services.monotonic_s() < ends_at:
        claimed, fired = _fire_batch(services)
        done["claimed"] += claimed
        done["fired"] += fired
        if claimed < BATCH:
            break
    if done["claimed"]:
        logger("registry-ticker").info("ticked", extra=done)
    return done


def _fire_batch(services: TickerServices) -> tuple[int, int]:
    """Fire up to ``BATCH`` schedules; return how many were due, and how many of them run."""
    now = services.now()
    tenants: dict[str, list[dict[str, Any]]] = defaultdict(list)
    fired: list[Claimed] = []
    messages: list[QueuedMessage] = []
    with services.database.system() as tx:
        due = [_claimed(row) for row in tx.rows(_CLAIM, at=now, most=BATCH)]
        for claimed in due:
            move = _move(claimed, now)
            tenants[claimed.tenant_id].append({"schedule_id": claimed.schedule_id, **_shown(move)})
            if move.delivery_id is not None:
                fired.append(claimed)
                messages.append(message_of(claimed.tenant_id, Queued(move.delivery_id, move.delay_s)))
        if due:
            tx.execute(_FIRE, batch=json.dumps(tenants))
    if not fired:
        return len(due), 0
    lag_ms = (now - min(claimed.due_at for claimed in fired)).total_seconds() * 1_000
    emit("registry-ticker", {SCHEDULES_FIRED: len(fired), TICK_LAG: lag_ms})
    services.deliveries_queue.send_all(messages)
    return len(due), len(fired)


def _move(claimed: Claimed, now: datetime) -> Move:
    try:
        return move_of(claimed, now)
    except ValueError as error:  # it must not stop the others, nor come back in each tick
        fields = {"schedule_id": claimed.schedule_id, "tenant_id": claimed.tenant_id, "reason": str(error)[:200]}
        logger("registry-ticker").error("the next run of a schedule cannot be computed", extra=fields)
        return Move(None)


def _claimed(row: Row) -> Claimed:
    return Claimed(
        row["tenant"],
        str(row["schedule"]),
        str(row["install"]),
        row["cron"],
        row["timezone"],
        row["due_at"],
        row["backs_off_until"],
        row["active"],
    )


def _shown(move: Move) -> dict[str, Any]:
    """Return a move as ``app.fire_schedules`` takes it."""
    next_run_at = None if move.next_run_at is None else move.next_run_at.isoformat()
    return {**move._asdict(), "next_run_at": next_run_at}
