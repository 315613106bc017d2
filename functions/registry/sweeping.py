"""Delete expired data and finish delayed work, every minute.

Each step is small, bounded and idempotent. The next run continues with what one run did not reach. Steps on tenants'
rows ask for the ids of tenants in which something is due, and then work in one tenant at a time, so row-level security
applies here too.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from alga_ext.calls.messages import PrepareMessage, encode_message
from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import DISTINCT_TENANTS
from alga_ext.stores import object_keys
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from alga_ext.stores.objects import ObjectStore
from alga_ext.telemetry import emit, log_failure, logger
from alga_ext.trust.signing import Signer
from functions.registry.events import expiry
from functions.registry.installing import expiring_secrets
from functions.registry.job_services import SweeperServices
from functions.registry.limiting.endpoint_totals import ADD_UNKNOWN
from functions.registry.metering.counting import count_unknown
from functions.registry.metering.reading import count_active_tenants
from functions.registry.publishing import ui_invalidation, versions, withdrawn_list
from functions.registry.records import audit, days, platform_keys, transparency
from functions.registry.records.audit import Actor
from functions.registry.recovery.catching_up import catch_up
from functions.registry.tenant_data import erasure, export

_PREPARE_AGAIN_AFTER: Final = timedelta(minutes=5)
"""The first interval; each further one is twice as long."""
_UPLOAD_MAY_STILL_RUN: Final = timedelta(hours=1)
"""A PUT that began just before its URL expired may write its object after that."""
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
"""A call takes half a minute at most, and its message was sent before it was answered. The rest is the queue's."""
_OLDEST_MESSAGE: Final = timedelta(days=16)
"""No message, and so no record without an outcome, is older."""
_ANSWERS_PER_BATCH: Final = 100
"""An answer may have 256 KiB, which PostgreSQL stores in more than a hundred parts."""

_JOBS: Final = 20
"""How many erasures and exports one run looks at."""
_JOBS_TAKE_S: Final = 25.0
"""For how long one run works on them, of the function's 60 s. The next run goes on."""

_TENANTS_WITH_JOBS: Final = "select tenant_id, kind from app.tenants_with_jobs(:most)"
_EXPIRED_UPLOADS: Final = """
select upload_id from app.extension_upload where expires_at <= :before order by expires_at limit 100
"""
_DELETE_UPLOAD: Final = "delete from app.extension_upload where upload_id = :upload_id"
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
_SWEEP_PLATFORM_IDEMPOTENCY: Final = "delete from app.platform_idempotency_record where created_at < :before"
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
_TO_PURGE: Final = """
select install_id from app.tenant_extension_install
where tenant_id = :tenant_id and state = 'uninstalled' and purged_at is null and uninstalled_at <= :before
order by uninstalled_at limit 10
"""
_LOCK_TO_PURGE: Final = """
select purged_rows from app.tenant_extension_install
where tenant_id = :tenant_id and install_id = :install_id and state = 'uninstalled' and purged_at is null
  and uninstalled_at <= :before
for no key update skip locked
"""
_PURGES: Final = {
    "storage_entries": """
delete from app.extension_storage_entry
where ctid in (select ctid from app.extension_storage_entry
               where tenant_id = :tenant_id and install_id = :install_id limit :rows)
""",
    "secrets": """
delete from app.extension_install_secret
where ctid in (select ctid from app.extension_install_secret
               where tenant_id = :tenant_id and install_id = :install_id limit :rows)
""",
    "deliveries": """
delete from app.extension_delivery
where ctid in (select ctid from app.extension_delivery
               where tenant_id = :tenant_id and install_id = :install_id limit :rows)
""",
    "schedules": """
delete from app.extension_schedule
where ctid in (select ctid from app.extension_schedule
               where tenant_id = :tenant_id and install_id = :install_id limit :rows)
""",
    "metrics": """
delete from app.extension_metric_total
where ctid in (select ctid from app.extension_metric_total
               where tenant_id = :tenant_id and install_id = :install_id limit :rows)
""",
    "limits": """
delete from app.extension_limit
where ctid in (select ctid from app.extension_limit
               where tenant_id = :tenant_id and install_id = :install_id limit :rows)
""",
    "requests": """
delete from app.extension_install_request
where ctid in (select ctid from app.extension_install_request
               where tenant_id = :tenant_id and install_id = :install_id limit :rows)
""",
    "namespaces": """
delete from app.extension_storage_usage
where ctid in (select ctid from app.extension_storage_usage
               where tenant_id = :tenant_id and install_id = :install_id and key_count = 0 limit :rows)
""",
}
_NOTE_PURGED: Final = """
update app.tenant_extension_install set purged_rows = cast(:counts as jsonb), purged_at = :purged_at
where tenant_id = :tenant_id and install_id = :install_id
"""


def sweep(services: SweeperServices) -> dict[str, Any]:
    """Run every step once and return how many items each step processed.

    A step that fails does not prevent the other steps. The first error is raised at the end, so that the run is
    reported as failed.
    """
    now = services.now()
    steps: dict[str, Callable[[], int | dict[str, int]]] = {
        # First, because pages are not shown without this list.
        "withdrawn_listed": lambda: list_withdrawn(services),
        "caught_up": lambda: catch_up(services),
        "ui_invalidated": lambda: ui_invalidation.invalidate(services),
        "uploads": lambda: sweep_uploads(services.database, services.objects, now),
        "prepared_again": lambda: prepare_again(services.database, services.prepare_queue, now),
        "heads_signed": lambda: sign_head(services.database, services.objects, services.log_signer, now),
        "tenants": lambda: sweep_tenants(services.database, now, services.uninstall_grace),
        "days": lambda: days.sweep(
            services.database,
            services.execution_retention,
            services.log_retention,
            services.egress_retention,
            time.sleep,
        ),
        "jobs": lambda: do_jobs(services.database, services.objects, now, time.monotonic),
        "tenants_counted": lambda: report_tenants(services.database, now),
        "keys_reported": lambda: platform_keys.report(services, now) if services.key_reports.due(now) else 0,
    }
    done: dict[str, Any] = {}
    faults: list[PlatformError] = []
    for name, step in steps.items():
        try:
            outcome = step()
        except PlatformError as error:
            log_failure("registry-sweeper", error, name)
            faults.append(error)
        else:
            done |= outcome if isinstance(outcome, dict) else {name: outcome}
    if any(done.values()):
        logger("registry-sweeper").info("swept", extra=done)
    if faults:
        raise faults[0]
    return done


def list_withdrawn(services: SweeperServices) -> int:
    """Renew the list of withdrawn bundles, note what it names now, and return how many bundles it adds."""
    ended = ui_invalidation.unlisted(services)  # before the list is made, so that the list names them
    added = withdrawn_list.renew(services)
    ui_invalidation.note_listed(services, ended)
    return added


def report_tenants(database: Database, now: datetime) -> dict[str, int]:
    """Write the metric ``DistinctTenants``: how many tenants had a call in the last 15 minutes. Nothing is deleted."""
    with database.system() as tx:
        tenants = count_active_tenants(tx, now)
    emit("registry-sweeper", {DISTINCT_TENANTS: tenants})
    return {}


def sweep_uploads(database: Database, objects: ObjectStore, now: datetime) -> int:
    """Delete uploads that expired at least an hour ago, their staged bytes first; return how many.

    Also delete the idempotency records of platform requests that are older than a day.
    """
    with database.system() as tx:
        ended = now - _UPLOAD_MAY_STILL_RUN
        expired = [str(row["upload_id"]) for row in tx.rows(_EXPIRED_UPLOADS, before=ended)]
        tx.execute(_SWEEP_PLATFORM_IDEMPOTENCY, before=now - timedelta(days=1))
    for upload_id in expired:
        objects.delete(object_keys.staged_archive(upload_id))
        with database.system() as tx:
            tx.execute(_DELETE_UPLOAD, upload_id=upload_id)
    return len(expired)


def prepare_again(database: Database, queue: SqsQueue, now: datetime) -> int:
    """Send the prepare message of pending versions again, see ``versions.claim_unprepared``; return how many."""
    with database.system() as tx:
        waiting = versions.claim_unprepared(tx, now, _PREPARE_AGAIN_AFTER, 50)
    for row in waiting:
        message = PrepareMessage(
            version_id=str(row["version_id"]),
            content_hash=row["content_hash"],
            component_sha256=row["component_sha256"],
        )
        queue.send(encode_message(message), group=row["publisher"])
    return len(waiting)


def sign_head(database: Database, objects: ObjectStore, signer: Signer, now: datetime) -> int:
    """Sign and store the head of the log as far as it is copied, unless it is stored; return 1 if so, else 0.

    So every minute in which the log grew has a signed head, even when no client asks for one.
    """
    with database.system() as tx:
        size = transparency.copy_progress(tx).size
        if size == 0 or objects.size(object_keys.log_head(size)) is not None:
            return 0
        transparency.publish_head(tx, signer, objects, now, size)
    return 1


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


def do_jobs(
    database: Database, objects: ObjectStore, now: datetime, monotonic_s: Callable[[], float]
) -> dict[str, int]:
    """Go on with erasures and exports of tenants, the oldest first, as far as the time of one run goes."""
    done = {"rows_erased": 0, "parts_exported": 0}
    ends_s = monotonic_s() + _JOBS_TAKE_S

    def has_time() -> bool:
        return monotonic_s() < ends_s

    with database.system() as tx:
        jobs = tx.rows(_TENANTS_WITH_JOBS, most=_JOBS)
    for tenant_id, kind in ((row["tenant_id"], row["kind"]) for row in jobs):
        try:
            if kind == "erasure":
                done["rows_erased"] += erasure.work(database, tenant_id, now, has_time)
            else:
                done["parts_exported"] += export.work(database, objects, tenant_id, now, has_time)
        except PlatformError as error:  # a failure for one tenant must not stop the others
            log_failure("registry-sweeper", error, tenant_id)
    return done


def _sweep_tenant(database: Database, tenant_id: str, now: datetime, grace: timedelta, done: dict[str, int]) -> None:
    """Delete one tenant's expired data in batches and count it in ``done``.

    Each batch is one transaction. A single large transaction could run into the statement timeout, be rolled back, and
    fail again in every later run.
    """
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
        waiting = tx.rows(_TO_PURGE, tenant_id=tenant_id, before=now - grace)
    for row in waiting:
        if purge(database, tenant_id, str(row["install_id"]), now, grace):
            done["installs_purged"] += 1
    for name, step in (("events_expired", expiry.expire), ("secrets_told", expiring_secrets.tell)):
        may_have_more = True
        while may_have_more:
            with database.tenant(tenant_id) as tx:
                count, may_have_more = step(tx, tenant_id, now)
            done[name] += count


def _sweep_deliveries(database: Database, tenant_id: str, now: datetime) -> None:
    """Delete deliveries that ended a day ago, and dead ones of two weeks ago."""
    deleted = _ROWS_PER_BATCH
    while deleted == _ROWS_PER_BATCH:
        with database.tenant(tenant_id) as tx:
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


def purge(database: Database, tenant_id: str, install_id: str, now: datetime, grace: timedelta) -> bool:
    """Delete permanently the data of an install that was uninstalled ``grace`` ago or earlier.

    Continues where an earlier run stopped. The transaction that finds no more rows records the row counts in the audit
    trail and marks the install as purged.

    Returns:
        True when this call finished the purge. False when the install is not to be purged, for example because it is
        purged already, or when another sweep has locked it.
    """
    while True:
        with database.tenant(tenant_id) as tx:
            install = tx.row(_LOCK_TO_PURGE, tenant_id=tenant_id, install_id=install_id, before=now - grace)
            if install is None:
                return False
            tx.execute(_LOCK_STORAGE, install_id=install_id)
            deleted = {
                name: tx.execute(sql, tenant_id=tenant_id, install_id=install_id, rows=_ROWS_PER_BATCH)
                for name, sql in _PURGES.items()
            }
            counts = {name: install["purged_rows"].get(name, 0) + deleted[name] for name in _PURGES}
            finished = not any(deleted.values())
            tx.execute(
                _NOTE_PURGED,
                tenant_id=tenant_id,
                install_id=install_id,
                counts=json.dumps(counts),
                purged_at=now if finished else None,
            )
            if finished:
                audit.record(tx, tenant_id, Actor("platform", "sweeper"), "install.purge", install_id, after=counts)
                return True
