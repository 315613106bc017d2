"""Delete permanently the data of an install that was uninstalled long enough ago, in bounded batches."""

import json
from datetime import datetime, timedelta
from typing import Final

from alga_ext.stores.database import Database, Tx
from functions.registry.records import audit
from functions.registry.records.audit import Actor

_ROWS_PER_BATCH: Final = 1_000
"""Rows deleted in one transaction. With the triggers that count storage, this stays far below the statement timeout."""

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
_PURGE: Final = """
delete from app.{table}
where ctid in (select ctid from app.{table}
               where tenant_id = :tenant_id and install_id = :install_id {only} limit :rows)
"""
_PURGES: Final = {
    "storage_entries": _PURGE.format(table="extension_storage_entry", only=""),
    "secrets": _PURGE.format(table="extension_install_secret", only=""),
    "deliveries": _PURGE.format(table="extension_delivery", only=""),
    "schedules": _PURGE.format(table="extension_schedule", only=""),
    "metrics": _PURGE.format(table="extension_metric_total", only=""),
    "limits": _PURGE.format(table="extension_limit", only=""),
    "requests": _PURGE.format(table="extension_install_request", only=""),
    "namespaces": _PURGE.format(table="extension_storage_usage", only="and key_count = 0"),
}
"""What is deleted of an install, in this order, by the name of its count."""
_LOCK_STORAGE: Final = "select app.lock_storage(:install_id)"
"""Taken before entries are deleted; the runner takes it before it writes one. The same order prevents a deadlock."""
_NOTE_PURGED: Final = """
update app.tenant_extension_install set purged_rows = cast(:counts as jsonb), purged_at = :purged_at
where tenant_id = :tenant_id and install_id = :install_id
"""


def waiting(tx: Tx, tenant_id: str, now: datetime, grace: timedelta) -> list[str]:
    """Return the ids of a tenant's installs that are to be purged, ten at most, those that wait longest."""
    return [str(row["install_id"]) for row in tx.rows(_TO_PURGE, tenant_id=tenant_id, before=now - grace)]


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
