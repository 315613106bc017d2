"""Delete expired data of tenants and finish their delayed work, as steps of the sweeper.

The database says in which tenants something is due. Work is done in one tenant at a time, so row-level security applies
here too, and in batches of one transaction each. A single large transaction could run into the statement timeout, be
rolled back, and fail again in every later run.
"""

from datetime import datetime, timedelta
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Database
from alga_ext.telemetry import log_failure
from functions.registry.events import expiry
from functions.registry.installing import expiring_secrets, purging
from functions.registry.limiting.endpoint_totals import ADD_UNKNOWN
from functions.registry.metering.counting import count_unknown

_ANSWERS_KEPT: Final = timedelta(days=1)
"""As long as the gateway uses an idempotency key."""
_DELIVERIES_KEPT: Final = timedelta(days=1)
_DEAD_KEPT: Final = timedelta(days=14)
_TENANTS: Final = 5_000
"""In how many tenants one run works at most. The next run goes on with the others."""
_METRICS_KEPT: Final = timedelta(days=400)
"""Totals of extensions' metrics, so that a year can be compared with the one before it."""
_ACTIVITY_KEPT: Final = timedelta(days=1)
"""More than the quarter of an hour in which active tenants are counted."""
_ROWS_PER_BATCH: Final = 1_000
"""Rows deleted in one transaction. With the triggers that count storage, this stays far below the statement timeout."""
_OUTCOME_KNOWN_AFTER: Final = timedelta(minutes=15)
"""A call takes about a minute at most, and its message was sent before it was answered. The rest is the queue's."""
_OLDEST_MESSAGE: Final = timedelta(days=16)
"""No message, and so no record without an outcome, is older."""
_ANSWERS_PER_BATCH: Final = 100
"""An answer may have 256 KiB, which PostgreSQL stores in more than a hundred parts."""

_TENANTS_WITH_DUE: Final = "select tenant_id from app.tenants_with_due(:now, :before, :most) as t(tenant_id)"
"""What it looks for is what the statements below find."""
_NEXT_EXPIRED: Final = """
select install_id from app.extension_storage_entry
where tenant_id = :tenant_id and expires_at <= :now order by expires_at limit 1
"""
_LOCK_STORAGE: Final = "select app.lock_storage(:install_id)"
"""Taken before entries are deleted; the runner takes it before it writes one. The same order prevents a deadlock."""
_SWEEP_STORAGE: Final = """
delete from app.extension_storage_entry
where ctid in (select ctid from app.extension_storage_entry
               where tenant_id = :tenant_id and install_id = :install_id and expires_at <= :now limit :rows)
"""
_SWEEP_IDEMPOTENCY: Final = "delete from app.idempotency_record where tenant_id = :tenant_id and created_at < :before"
_SWEEP_RATES: Final = """
delete from app.call_rate
where ctid in (select ctid from app.call_rate
               where tenant_id = :tenant_id
                 and arrival_us < (extract(epoch from cast(:now as timestamptz) - interval '1 hour') * 1000000)::bigint
               limit :rows for update skip locked)
"""
"""Buckets that have been full for an hour: a full bucket is the same as no bucket. A gateway that takes several of them
locks them in its own order, so this waits for none."""
_SWEEP_CALLS: Final = """
delete from app.call_idempotency
where tenant_id = :tenant_id and scope_sha256 in
  (select scope_sha256 from app.call_idempotency
   where tenant_id = :tenant_id and created_at < :before order by created_at limit :rows)
"""
_SWEEP_METRICS: Final = """
delete from app.extension_metric_total
where ctid in (select ctid from app.extension_metric_total
               where tenant_id = :tenant_id and day < :before limit :rows)
"""
_SWEEP_ACTIVITY: Final = "delete from app.tenant_activity where tenant_id = :tenant_id and active_at < :before"
_LOSE_OUTCOMES: Final = f"""
with lost as (
  update app.extension_execution_log
  set outcome = 'unknown'
  where tenant_id = :tenant_id and outcome is null and (day, execution_id) in
    (select day, execution_id from app.extension_execution_log
     where tenant_id = :tenant_id and outcome is null and accepted_at < :before and day >= :first_day
     order by day, execution_id limit :rows for update skip locked)
  returning install_id, method, path_template, accepted_at),
counted as ({ADD_UNKNOWN})
select count(*) as lost from lost
"""  # noqa: S608 - a constant
"""A row that a recorder has locked is left to it, so neither waits for the other."""
_SWEEP_DELIVERIES: Final = """
delete from app.extension_delivery
where tenant_id = :tenant_id and delivery_id in
  (select delivery_id from app.extension_delivery
   where tenant_id = :tenant_id and (state in ('delivered', 'discarded') and ended_at < :before
                                     or state = 'dead' and ended_at < :dead_before)
   limit :rows)
"""


def sweep_tenants(database: Database, now: datetime, grace: timedelta) -> dict[str, int]:
    """Delete expired storage, kept answers and events, and the data of installs uninstalled ``grace`` ago or earlier.

    Calls that were accepted 15 minutes ago and have no outcome get the outcome ``unknown``. Tenants are told of secrets
    that are about to expire. Return the counts.
    """
    done = {
        "storage_entries_expired": 0,
        "call_answers_expired": 0,
        "outcomes_lost": 0,
        "installs_purged": 0,
        "events_expired": 0,
        "secrets_told": 0,
    }
    with database.system() as tx:
        due = tx.rows(_TENANTS_WITH_DUE, now=now, before=now - grace, most=_TENANTS)
    for row in due:
        try:
            _sweep_tenant(database, row["tenant_id"], now, grace, done)
        except PlatformError as error:  # a failure for one tenant must not stop the others
            log_failure("registry-sweeper", error, row["tenant_id"])
    return done


def _sweep_tenant(database: Database, tenant_id: str, now: datetime, grace: timedelta, done: dict[str, int]) -> None:
    """Delete one tenant's expired data in batches and count it in ``done``."""
    while True:
        with database.tenant(tenant_id) as tx:
            expired = tx.row(_NEXT_EXPIRED, tenant_id=tenant_id, now=now)
            if expired is None:
                break
            here = {"tenant_id": tenant_id, "install_id": expired["install_id"]}
            tx.execute(_LOCK_STORAGE, install_id=expired["install_id"])
            deleted = tx.execute(_SWEEP_STORAGE, **here, now=now, rows=_ROWS_PER_BATCH)
        done["storage_entries_expired"] += deleted
    deleted = _ANSWERS_PER_BATCH
    while deleted == _ANSWERS_PER_BATCH:
        with database.tenant(tenant_id) as tx:
            deleted = tx.execute(_SWEEP_CALLS, tenant_id=tenant_id, before=now - _ANSWERS_KEPT, rows=_ANSWERS_PER_BATCH)
        done["call_answers_expired"] += deleted
    deleted = _ROWS_PER_BATCH
    while deleted == _ROWS_PER_BATCH:
        with database.tenant(tenant_id) as tx:
            deleted = tx.execute(_SWEEP_RATES, tenant_id=tenant_id, now=now, rows=_ROWS_PER_BATCH)
    deleted = _ROWS_PER_BATCH
    while deleted == _ROWS_PER_BATCH:
        with database.tenant(tenant_id) as tx:
            before = (now - _METRICS_KEPT).date()
            deleted = tx.execute(_SWEEP_METRICS, tenant_id=tenant_id, before=before, rows=_ROWS_PER_BATCH)
    _sweep_deliveries(database, tenant_id, now)
    done["outcomes_lost"] += _lose_outcomes(database, tenant_id, now)
    with database.tenant(tenant_id) as tx:
        tx.execute(_SWEEP_ACTIVITY, tenant_id=tenant_id, before=now - _ACTIVITY_KEPT)
        tx.execute(_SWEEP_IDEMPOTENCY, tenant_id=tenant_id, before=now - timedelta(days=1))
        to_purge = purging.waiting(tx, tenant_id, now, grace)
    for install_id in to_purge:
        if purging.purge(database, tenant_id, install_id, now, grace):
            done["installs_purged"] += 1
    for name, step in (("events_expired", expiry.expire), ("secrets_told", expiring_secrets.tell)):
        may_have_more = True
        while may_have_more:
            with database.tenant(tenant_id) as tx:
                count, may_have_more = step(tx, tenant_id, now)
            done[name] += count


def _sweep_deliveries(database: Database, tenant_id: str, now: datetime) -> None:
    """Delete deliveries that ended a day ago, and dead ones of two weeks ago.

    The lock comes first, so that a dead delivery that an admin redrives at this moment is either gone for the admin or
    no longer dead for the sweeper.
    """
    deleted = _ROWS_PER_BATCH
    while deleted == _ROWS_PER_BATCH:
        with database.tenant(tenant_id) as tx:
            delivery_slots.lock(tx, tenant_id)
            ended = {"before": now - _DELIVERIES_KEPT, "dead_before": now - _DEAD_KEPT}
            deleted = tx.execute(_SWEEP_DELIVERIES, tenant_id=tenant_id, rows=_ROWS_PER_BATCH, **ended)


def _lose_outcomes(database: Database, tenant_id: str, now: datetime) -> int:
    """Give calls whose end has not been reported the outcome ``unknown``, and return how many."""
    lost, changed = 0, _ROWS_PER_BATCH
    first_day = (now - _OLDEST_MESSAGE).date()
    while changed == _ROWS_PER_BATCH:
        with database.tenant(tenant_id) as tx:
            row = tx.one(
                _LOSE_OUTCOMES,
                tenant_id=tenant_id,
                before=now - _OUTCOME_KNOWN_AFTER,
                first_day=first_day,
                rows=_ROWS_PER_BATCH,
            )
            changed = int(row["lost"])
            count_unknown(tx, changed)
        lost += changed
    return lost
