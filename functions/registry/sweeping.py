"""Delete expired data and finish delayed work, every minute.

Each step is small, bounded and idempotent. The next run continues with what one run did not reach.
"""

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
from functions.registry.job_services import SweeperServices
from functions.registry.metering.reading import count_active_tenants
from functions.registry.publishing import ui_invalidation, versions, withdrawn_list
from functions.registry.records import days, platform_keys, transparency
from functions.registry.recovery.catching_up import catch_up
from functions.registry.tenant_data import erasure, export
from functions.registry.tenant_sweeping import sweep_tenants

_PREPARE_AGAIN_AFTER: Final = timedelta(minutes=5)
"""The first interval; each further one is twice as long."""
_UPLOAD_MAY_STILL_RUN: Final = timedelta(hours=1)
"""A PUT that began just before its URL expired may write its object after that."""
_JOBS: Final = 20
"""How many erasures and exports one run looks at."""
_JOBS_TAKE_S: Final = 25.0
"""For how long one run works on them, of the function's 60 s. The next run goes on."""

_TENANTS_WITH_JOBS: Final = "select tenant_id, kind from app.tenants_with_jobs(:most)"
_EXPIRED_UPLOADS: Final = """
select upload_id from app.extension_upload where expires_at <= :before order by expires_at limit 100
"""
_DELETE_UPLOAD: Final = "delete from app.extension_upload where upload_id = :upload_id"
_SWEEP_PLATFORM_IDEMPOTENCY: Final = "delete from app.platform_idempotency_record where created_at < :before"


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


def do_jobs(
    database: Database, objects: ObjectStore, now: datetime, monotonic_s: Callable[[], float]
) -> dict[str, int]:
    """Go on with erasures and exports of tenants, the oldest first, as far as the time of one run goes.

    Each has an equal share of the time that is left, so a large one does not keep the others waiting.
    """
    done = {"rows_erased": 0, "parts_exported": 0}
    ends_s = monotonic_s() + _JOBS_TAKE_S
    with database.system() as tx:
        jobs = tx.rows(_TENANTS_WITH_JOBS, most=_JOBS)
    for number, row in enumerate(jobs):
        tenant_id, kind, now_s = row["tenant_id"], row["kind"], monotonic_s()
        share_ends_s = now_s + (ends_s - now_s) / (len(jobs) - number)

        def has_time(until_s: float = share_ends_s) -> bool:
            return monotonic_s() < until_s

        try:
            if kind == "erasure":
                done["rows_erased"] += erasure.work(database, tenant_id, now, has_time)
            else:
                done["parts_exported"] += export.work(database, objects, tenant_id, now, has_time)
        except PlatformError as error:  # a failure for one tenant must not stop the others
            log_failure("registry-sweeper", error, tenant_id)
    return done
