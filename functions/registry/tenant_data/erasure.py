"""Erase a tenant: delete its rows in bounded batches, and blank the persons in its audit trail (ADR 0045).

A request records the erasure and uninstalls everything. The sweeper does the rest, a batch in each transaction,
together with the counts of the receipt and the place in the tables. So a sweeper that dies at any point loses no count,
and the next one goes on at that place.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database, Row, Tx
from functions.registry.records import audit
from functions.registry.records.audit import Actor
from functions.registry.tenant_data import lock
from functions.registry.tenant_data.tables import AUDIT, ERASED

_SETTLES_AFTER: Final = timedelta(minutes=2)
"""A delivery, the longest call, ends 63 s after it began, and a transaction of the recorder within its function's 30 s;
gateways look up an install anew after seconds. After this time nothing from before the erasure can still write."""
_ROWS_PER_BATCH: Final = 2_000
_ORDER: Final = (*ERASED, AUDIT)
_EXPORT_MAY_RUN_FOR: Final = timedelta(days=1)
"""An export that takes longer has failed again and again, and does not stand in the way of an erasure."""

_NEWEST: Final = """
select erasure_id, tenant_id, state, requested_at, requested_by, settles_at, finished_at, counts
from app.tenant_erasure where tenant_id = :tenant_id order by requested_at desc, erasure_id limit 1
"""
_IS_RUNNING: Final = "select from app.tenant_erasure where tenant_id = :tenant_id and state = 'running'"
_ERASED_UNTIL: Final = """
select bool_or(state = 'running') as is_running, max(finished_at) as finished_at
from app.tenant_erasure where tenant_id = :tenant_id
"""
_IS_ANYTHING_LEFT: Final = f"""
select {" or ".join(f"exists (select from app.{table} where tenant_id = :tenant_id)" for table in ERASED)}
  or exists (select from app.audit_event where tenant_id = :tenant_id and erased_at is null
             and action not in ('tenant.erase', 'tenant.erased', 'tenant.export')) as is_left
"""  # noqa: S608 - the names are constants
_EXPORT_SINCE: Final = """
select requested_at from app.tenant_export
where tenant_id = :tenant_id and state = 'running' and requested_at > :since
"""
_END_EXPORT: Final = "delete from app.tenant_export where tenant_id = :tenant_id and state = 'running'"
_INSERT: Final = """
insert into app.tenant_erasure (tenant_id, requested_at, requested_by, settles_at)
values (:tenant_id, :now, :actor, :settles_at) returning erasure_id
"""
_UNINSTALL: Final = """
update app.tenant_extension_install
set state = 'uninstalled', revision = revision + 1, changed_at = now(), uninstalled_at = now()
where tenant_id = :tenant_id and state <> 'uninstalled'
"""
_SETTLE_LATER: Final = """
update app.tenant_erasure set settles_at = :settles_at where tenant_id = :tenant_id and state = 'running'
"""
_LOCK: Final = """
select tenant_id, erasure_id, settles_at, next_table, pass_began_at
from app.tenant_erasure where tenant_id = :tenant_id and state = 'running'
for no key update skip locked
"""
_LOCK_STORAGE: Final = """
select app.lock_storage(install_id) from (
  select distinct install_id from app.extension_storage_usage where tenant_id = :tenant_id order by 1) as installs
"""
"""Taken before entries are deleted: the runner takes it before it writes one. The same order prevents a deadlock."""
_ERASE: Final = "select app.erase_rows(:table, :rows) as done"
_BLANK: Final = "select app.blank_audit(:rows) as done"
_NOTE: Final = """
update app.tenant_erasure
set counts = case when :done = 0 then counts else counts || jsonb_build_object(
      cast(:table as text), coalesce((counts ->> :table)::bigint, 0) + :done) end,
    next_table = :next_table, pass_began_at = :began_at
where tenant_id = :tenant_id and state = 'running' returning counts
"""
_FINISH: Final = """
update app.tenant_erasure set state = 'done', finished_at = :now where tenant_id = :tenant_id and state = 'running'
"""


def newest(tx: Tx, tenant_id: str) -> Row | None:
    """Return the receipt of the tenant's last erasure, or None when there was none."""
    return tx.row(_NEWEST, tenant_id=tenant_id)


def require_none(tx: Tx, tenant_id: str) -> None:
    """Raise ``tenant_being_erased`` while an erasure of the tenant is running."""
    if tx.rows(_IS_RUNNING, tenant_id=tenant_id):
        raise PlatformError(
            "tenant_being_erased",
            "The tenant's data is being erased. This takes some minutes; try again when the erasure is done.",
        )


def erased_until(tx: Tx, tenant_id: str) -> datetime | None:
    """Return the instant until which what others send is erased, also when it arrives later.

    It is the end of the tenant's last erasure; the end of time while one is running, and None when there was none.
    """
    row = tx.one(_ERASED_UNTIL, tenant_id=tenant_id)
    return datetime.max.replace(tzinfo=UTC) if row["is_running"] else row["finished_at"]


def start(tx: Tx, tenant_id: str, actor: Actor, now: datetime) -> Row:
    """Record an erasure of the tenant and uninstall all its extensions, at once; return its receipt.

    When one is running, or when the last one is done and nothing has come since, its receipt is returned.

    Raises:
        PlatformError: ``export_running`` when an export is running, which would be incomplete.
    """
    lock.take(tx, tenant_id)
    last = newest(tx, tenant_id)
    if last is not None and (last["state"] == "running" or not is_anything_left(tx, tenant_id)):
        return last
    export = tx.row(_EXPORT_SINCE, tenant_id=tenant_id, since=now - _EXPORT_MAY_RUN_FOR)
    if export is not None:
        raise PlatformError(
            "export_running",
            f"An export of this tenant is running since {export['requested_at']:%Y-%m-%d %H:%M} UTC and would be "
            "incomplete. Erase the tenant when the export is done.",
        )
    tx.execute(_END_EXPORT, tenant_id=tenant_id)
    made = tx.one(_INSERT, tenant_id=tenant_id, now=now, actor=actor.subject, settles_at=now + _SETTLES_AFTER)
    uninstalled = tx.execute(_UNINSTALL, tenant_id=tenant_id)
    after = {"erasure_id": str(made["erasure_id"]), "installs": uninstalled}
    audit.record(tx, tenant_id, actor, "tenant.erase", tenant_id, after=after)
    return tx.one(_NEWEST, tenant_id=tenant_id)


def is_anything_left(tx: Tx, tenant_id: str) -> bool:
    """Tell whether the tenant has a row that an erasure would delete or blank."""
    return bool(tx.one(_IS_ANYTHING_LEFT, tenant_id=tenant_id)["is_left"])


def work(database: Database, tenant_id: str, now: datetime, has_time: Callable[[], bool]) -> int:
    """Go on with the pass over all tables, as far as the time goes; return how many rows were deleted or blanked.

    A run goes on where the one before it stopped, and ends with the pass. A pass that began when everything had settled
    (``settles_at``) finishes the erasure; otherwise the next run begins another pass.
    """
    done = 0
    with database.tenant(tenant_id) as tx:
        # An installation that was already running when the erasure was requested.
        if tx.execute(_UNINSTALL, tenant_id=tenant_id):
            tx.execute(_SETTLE_LATER, tenant_id=tenant_id, settles_at=now + _SETTLES_AFTER)
    goes_on = True
    while goes_on and has_time():
        with database.tenant(tenant_id) as tx:
            running = tx.row(_LOCK, tenant_id=tenant_id)
            if running is None:
                break  # another sweeper is at work, or has finished it
            changed, goes_on = _step(tx, running, now)
        done += changed
    return done


def _step(tx: Tx, running: Row, now: datetime) -> tuple[int, bool]:
    """Erase one batch, note where to go on, and finish the erasure when that was the end of its last pass.

    Return how many rows were deleted or blanked, and whether the pass goes on.
    """
    tenant_id, table, began_at = running["tenant_id"], running["next_table"], running["pass_began_at"]
    if table not in _ORDER:  # at the beginning of a pass; or the table has another name in this release
        table, began_at = _ORDER[0], now
    changed = _erase_batch(tx, tenant_id, table)
    following = _ORDER[_ORDER.index(table) + 1 :]
    next_table = table if changed == _ROWS_PER_BATCH else following[0] if following else None
    noted = tx.one(
        _NOTE, tenant_id=tenant_id, table=table, done=changed, next_table=next_table,
        began_at=None if next_table is None else began_at,
    )  # fmt: skip
    if next_table is None and began_at >= running["settles_at"]:
        tx.execute(_FINISH, tenant_id=tenant_id, now=now)
        after = {"erasure_id": str(running["erasure_id"]), "counts": noted["counts"]}
        audit.record(tx, tenant_id, Actor("platform", "sweeper"), "tenant.erased", tenant_id, after=after)
    return changed, next_table is not None


def _erase_batch(tx: Tx, tenant_id: str, table: str) -> int:
    if table == "extension_storage_entry":
        tx.execute(_LOCK_STORAGE, tenant_id=tenant_id)
    if table == AUDIT:
        return int(tx.one(_BLANK, rows=_ROWS_PER_BATCH)["done"])
    return int(tx.one(_ERASE, table=table, rows=_ROWS_PER_BATCH)["done"])
