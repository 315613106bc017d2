"""A tenant's schedules, as its admins see and change them. Extensions make them by the host import ``scheduler``.

Every change locks the schedule, so it waits for a tick that is firing it, and a tick leaves it alone meanwhile. Before
that, whatever depends on the endpoints of the installed version locks the install's schedules as a whole.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.cron import next_run
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Row, Tx
from functions.registry.records import audit
from functions.registry.records.audit import Actor

REQUESTS_PER_MINUTE: Final = 5
_MINUTE: Final = timedelta(minutes=1)

_COLUMNS: Final = """
  schedule_id, install_id, name, endpoint_method as method, endpoint_path as path, cron, timezone, enabled,
  case when enabled then null else disabled_reason end as disabled_reason,
  coalesce(octet_length(payload), 0) as payload_bytes, next_run_at, last_run_at, last_run_status, last_error,
  consecutive_failures, backs_off_until, created_at, updated_at
"""
_LIST: Final = f"""
select {_COLUMNS} from app.extension_schedule
where tenant_id = :tenant_id and schedule_id > cast(:after as uuid)
  and (cast(:install_id as uuid) is null or install_id = cast(:install_id as uuid))
order by schedule_id limit :page_size
"""  # noqa: S608 - constants only
_GET: Final = (
    f"select {_COLUMNS} from app.extension_schedule where tenant_id = :tenant_id and schedule_id = :schedule_id"  # noqa: S608 - constants only
)
_LOCK: Final = f"{_GET} for no key update"
_LOCK_SCHEDULES: Final = "select app.lock_schedules(cast(:install_id as uuid))"
_OF_INSTALL: Final = f"""
select {_COLUMNS} from app.extension_schedule
where tenant_id = :tenant_id and install_id = :install_id and enabled order by schedule_id for no key update
"""  # noqa: S608 - constants only
_DISABLE: Final = """
update app.extension_schedule set enabled = false, disabled_reason = :reason, next_run_at = null, updated_at = now()
where tenant_id = :tenant_id and schedule_id = any(cast(:schedule_ids as uuid[]))
"""
_ENABLE: Final = """
update app.extension_schedule
set enabled = true, disabled_reason = null, next_run_at = :next_run_at, consecutive_failures = 0,
    backs_off_until = null, updated_at = now()
where tenant_id = :tenant_id and schedule_id = :schedule_id
"""
_MOVE: Final = """
update app.extension_schedule set next_run_at = :next_run_at
where tenant_id = :tenant_id and schedule_id = :schedule_id
"""
_LOCK_REQUESTS: Final = "select pg_advisory_xact_lock(hashtextextended('schedule-request:' || :install_id, 31))"
_FORGET_REQUESTS: Final = """
delete from app.extension_schedule_request
where tenant_id = :tenant_id and install_id = :install_id and requested_at <= :before
"""
_REQUESTS: Final = """
select count(*) as requests, min(requested_at) as first_at from app.extension_schedule_request
where tenant_id = :tenant_id and install_id = :install_id
"""
_REQUEST: Final = """
insert into app.extension_schedule_request (tenant_id, install_id) values (:tenant_id, :install_id)
"""
_DELIVER: Final = """
insert into app.extension_delivery
  (tenant_id, delivery_id, install_id, trigger, subject, schedule_id, due_at, method, path, payload)
select tenant_id, cast(:delivery_id as uuid), install_id, 'schedule', coalesce(name, schedule_id::text), schedule_id,
       :now, endpoint_method, endpoint_path, payload
from app.extension_schedule where tenant_id = :tenant_id and schedule_id = :schedule_id
"""


def list_schedules(tx: Tx, tenant_id: str, install_id: str | None, after: str, page_size: int) -> list[Row]:
    """Return the tenant's schedules after the id ``after``, ordered by id, of one install or of all."""
    return tx.rows(_LIST, tenant_id=tenant_id, install_id=install_id, after=after, page_size=page_size)


def load(tx: Tx, tenant_id: str, schedule_id: str, *, lock: bool = False) -> Row:
    """Return a schedule of the tenant, locked until the transaction ends if asked.

    Raises:
        PlatformError: ``schedule_not_found``.
    """
    row = None
    if is_uuid(schedule_id):
        row = tx.row(_LOCK if lock else _GET, tenant_id=tenant_id, schedule_id=schedule_id)
    if row is None:
        raise PlatformError("schedule_not_found", f"There is no schedule {schedule_id} in this tenant.")
    return row


def lock_beside(tx: Tx, tenant_id: str, schedule_id: str) -> None:
    """Wait for transactions that enable schedules of the same install, or move it to another version.

    Call it before ``load`` locks the schedule, and before the installed version is read.

    Raises:
        PlatformError: ``schedule_not_found``.
    """
    tx.execute(_LOCK_SCHEDULES, install_id=load(tx, tenant_id, schedule_id)["install_id"])


def disable(tx: Tx, tenant_id: str, schedule_id: str, actor: Actor) -> None:
    """Disable a schedule, so that it runs no more and the extension cannot enable it again.

    When an admin has disabled it already, nothing is changed or recorded.
    """
    before = load(tx, tenant_id, schedule_id, lock=True)
    if before["enabled"] or before["disabled_reason"] != "admin":
        _disable(tx, tenant_id, [before], "admin")
        _record(tx, tenant_id, actor, "schedule.disabled", before, enabled=False)


def enable(tx: Tx, tenant_id: str, schedule_id: str, manifest: Manifest, now: datetime, actor: Actor) -> None:
    """Enable a schedule and end its back-off; its next run is the first one after now.

    When it is enabled, has a next run and does not back off, nothing is changed or recorded.

    Args:
        tx: a transaction of the tenant that has called ``lock_beside``.
        tenant_id: the tenant.
        schedule_id: the schedule.
        manifest: of the version that its install has.
        now: the present instant.
        actor: who enables it.

    Raises:
        PlatformError: ``schedule_not_found``; ``conflict`` when that version has no such endpoint for schedules, or
            when the system does not know the schedule's time zone.
    """
    before = load(tx, tenant_id, schedule_id, lock=True)
    is_on = before["enabled"] and before["next_run_at"] is not None
    if is_on and before["consecutive_failures"] == 0 and before["backs_off_until"] is None:
        return
    _require_endpoint(before, manifest)
    try:
        next_at = next_run(before["cron"], before["timezone"], now)
    except ValueError:
        raise PlatformError(
            "conflict",
            f"The platform does not know the schedule's time zone {before['timezone']} any more. Let the extension "
            "change it.",
        ) from None
    tx.execute(_ENABLE, tenant_id=tenant_id, schedule_id=schedule_id, next_run_at=next_at)
    _record(tx, tenant_id, actor, "schedule.enabled", before, enabled=True)


def run(tx: Tx, tenant_id: str, schedule_id: str, manifest: Manifest, now: datetime, actor: Actor) -> str:
    """Run a schedule now, besides its own times; return the id of the delivery. A disabled one can be run too.

    The delivery waits for a slot. Arguments as for ``enable``.

    Raises:
        PlatformError: ``schedule_not_found``; ``conflict`` as for ``enable``; ``rate_limited`` when admins have asked
            for five runs of this install in the last minute.
    """
    schedule = load(tx, tenant_id, schedule_id)
    _require_endpoint(schedule, manifest)
    _count_request(tx, tenant_id, str(schedule["install_id"]), now)
    delivery_id = str(uuid4())  # not computed from the time: each request is a run of its own
    tx.execute(_DELIVER, tenant_id=tenant_id, schedule_id=schedule_id, delivery_id=delivery_id, now=now)
    audit.record(tx, tenant_id, actor, "schedule.run", schedule_id, after={"delivery_id": delivery_id})
    return delivery_id


def disable_without_endpoint(tx: Tx, tenant_id: str, install_id: str, manifest: Manifest, actor: Actor) -> None:
    """Disable the schedules of an install whose endpoint its version does not have, and record it for the tenant.

    Call it in the transaction that moves the install to the version of ``manifest``.
    """
    tx.execute(_LOCK_SCHEDULES, install_id=install_id)
    enabled = tx.rows(_OF_INSTALL, tenant_id=tenant_id, install_id=install_id)
    lost = [row for row in enabled if not _has_endpoint(row, manifest)]
    if not lost:
        return
    _disable(tx, tenant_id, lost, "endpoint")
    shown = [
        {"schedule_id": str(row["schedule_id"]), "name": row["name"], "endpoint": f"{row['method']} {row['path']}"}
        for row in lost
    ]
    after = {"disabled_reason": "endpoint", "schedules": shown}
    audit.record(tx, tenant_id, actor, "install.schedules-disabled", install_id, after=after)


def resume(tx: Tx, tenant_id: str, install_id: str) -> None:
    """Compute the next runs of an install that becomes active. What was due meanwhile does not run."""
    enabled = tx.rows(_OF_INSTALL, tenant_id=tenant_id, install_id=install_id)
    now = tx.one("select now() as now")["now"]
    for row in enabled:
        try:
            next_at = next_run(row["cron"], row["timezone"], now)
        except ValueError:  # the system no longer knows its time zone; the others go on
            next_at = None
        tx.execute(_MOVE, tenant_id=tenant_id, schedule_id=row["schedule_id"], next_run_at=next_at)


def _disable(tx: Tx, tenant_id: str, rows: Iterable[Row], reason: str) -> None:
    schedule_ids = [str(row["schedule_id"]) for row in rows]
    tx.execute(_DISABLE, tenant_id=tenant_id, schedule_ids=schedule_ids, reason=reason)


def _has_endpoint(schedule: Row, manifest: Manifest) -> bool:
    return any(
        (endpoint.method, endpoint.path) == (schedule["method"], schedule["path"]) and endpoint.can_be_scheduled
        for endpoint in manifest.api.endpoints
    )


def _require_endpoint(schedule: Row, manifest: Manifest) -> None:
    if not _has_endpoint(schedule, manifest):
        raise PlatformError(
            "conflict",
            f"The installed version has no endpoint {schedule['method']} {schedule['path']} that can be scheduled. "
            "Update or roll back the install, or let the extension change the schedule.",
        )


def _count_request(tx: Tx, tenant_id: str, install_id: str, now: datetime) -> None:
    here = {"tenant_id": tenant_id, "install_id": install_id}
    tx.execute(_LOCK_REQUESTS, install_id=install_id)
    tx.execute(_FORGET_REQUESTS, **here, before=now - _MINUTE)
    found = tx.one(_REQUESTS, **here)
    if found["requests"] >= REQUESTS_PER_MINUTE:
        wait_s = max(1, -(-(found["first_at"] + _MINUTE - now) // timedelta(seconds=1)))
        raise PlatformError(
            "rate_limited",
            f"By hand, schedules of an install run {REQUESTS_PER_MINUTE} times a minute; try again in {wait_s} s.",
            retry_after_s=wait_s,
        )
    tx.execute(_REQUEST, **here)


def _record(tx: Tx, tenant_id: str, actor: Actor, action: str, before: Row, *, enabled: bool) -> None:
    shown: dict[str, Any] = {"enabled": before["enabled"], "disabled_reason": before["disabled_reason"]}
    after = {"enabled": enabled, "disabled_reason": None if enabled else "admin", "install_id": before["install_id"]}
    audit.record(tx, tenant_id, actor, action, str(before["schedule_id"]), shown, after)
