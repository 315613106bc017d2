"""Export a tenant: every table as gzipped JSON Lines in the object store, in parts, with a manifest (ADR 0045).

A request records the export, and the sweeper writes it. A part is an object of some MiB; when it is stored, its place
in the tables is noted. So memory is bounded, and a sweeper that dies repeats one part at most. Keys of objects contain
the hash of their content: what a repeated part left behind is in no manifest, and expires with the others.
"""

import gzip
import hashlib
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from alga_ext.stores import object_keys
from alga_ext.stores.database import Database, Row, Tx
from alga_ext.stores.objects import ObjectStore
from functions.registry.records import audit
from functions.registry.records.audit import Actor
from functions.registry.tenant_data import erasure, lock
from functions.registry.tenant_data.export_lines import line_of
from functions.registry.tenant_data.tables import EXPORTED, WIDE

LIFETIME: Final = timedelta(days=7)
"""How long an export can be fetched, from its request on. The object store deletes its objects a day later."""
_PART_BYTES: Final = 8 * 1024 * 1024
"""A part ends with the page of rows that reaches this size, before compression."""
_ROWS_PER_PAGE: Final = 1_000
_WIDE_ROWS_PER_PAGE: Final = 50

_LOAD: Final = """
select tenant_id, export_id, state, requested_at, requested_by, expires_at, finished_at, next_table, after_key, parts,
       counts, manifest_sha256
from app.tenant_export where tenant_id = :tenant_id
"""
_DELETE: Final = "delete from app.tenant_export where tenant_id = :tenant_id"
_INSERT: Final = """
insert into app.tenant_export (tenant_id, requested_at, requested_by, expires_at, next_table)
values (:tenant_id, :now, :actor, :expires_at, :first)
"""
_READ: Final = "select key_texts, line from app.export_rows(:table, cast(:after_key as jsonb), :rows)"
_LOCK: Final = """
select from app.tenant_export
where tenant_id = :tenant_id and export_id = :export_id and state = 'running' and parts = :parts
  and next_table is not distinct from :table
for no key update
"""
_INSERT_PART: Final = """
insert into app.tenant_export_part (tenant_id, number, table_name, row_count, size_bytes, sha256)
values (:tenant_id, :number, :table, :rows, :size_bytes, :sha256)
"""
_ADVANCE: Final = """
update app.tenant_export
set next_table = :next_table, after_key = cast(:after_key as jsonb), parts = :parts,
    counts = counts || jsonb_build_object(cast(:table as text), coalesce((counts ->> :table)::bigint, 0) + :rows)
where tenant_id = :tenant_id
"""
_LIST_PARTS: Final = """
select number, table_name, row_count, size_bytes, sha256 from app.tenant_export_part
where tenant_id = :tenant_id and number > :after order by number limit :page_size
"""
_FINISH: Final = """
update app.tenant_export set state = 'done', finished_at = :now, manifest_sha256 = :sha256
where tenant_id = :tenant_id and export_id = :export_id and state = 'running' and next_table is null
"""


class _Part(NamedTuple):
    data: bytes
    rows: int
    after_key: Any
    """The key of the last row, or None when the table has no more."""


def start(tx: Tx, tenant_id: str, actor: Actor, now: datetime, *, again: bool) -> Row:
    """Return the tenant's export, which begins now unless one is there that is running or can still be fetched.

    With ``again``, another one takes the place of one that is done.

    Raises:
        PlatformError: ``tenant_being_erased``.
    """
    lock.take(tx, tenant_id)
    found = tx.row(_LOAD, tenant_id=tenant_id)
    if found is not None and found["expires_at"] > now and (found["state"] == "running" or not again):
        return found
    erasure.require_none(tx, tenant_id)
    tx.execute(_DELETE, tenant_id=tenant_id)
    first = EXPORTED[0]
    tx.execute(_INSERT, tenant_id=tenant_id, now=now, actor=actor.subject, expires_at=now + LIFETIME, first=first)
    made = tx.one(_LOAD, tenant_id=tenant_id)
    audit.record(tx, tenant_id, actor, "tenant.export", tenant_id, after={"export_id": str(made["export_id"])})
    return made


def list_parts(tx: Tx, tenant_id: str, after: int, page_size: int) -> list[Row]:
    """Return the parts after number ``after``, in order."""
    return tx.rows(_LIST_PARTS, tenant_id=tenant_id, after=after, page_size=page_size)


def work(database: Database, objects: ObjectStore, tenant_id: str, now: datetime, has_time: Callable[[], bool]) -> int:
    """Write parts as far as the time goes, and at the end the manifest; return how many parts were written."""
    written = 0
    while has_time():
        with database.tenant(tenant_id) as tx:
            export = tx.row(_LOAD, tenant_id=tenant_id)
        if export is None or export["state"] == "done":
            break
        if export["next_table"] is None:
            _finish(database, objects, export, now)
            break
        written += _write_part(database, objects, export)
    return written


def _write_part(database: Database, objects: ObjectStore, export: Row) -> int:
    """Write the next part, and note where the one after it begins. Return 0 when the table had no more rows."""
    tenant_id, table = export["tenant_id"], export["next_table"]
    part = _read_part(database, tenant_id, table, export["after_key"])
    sha256, number = hashlib.sha256(part.data).hexdigest(), export["parts"] + (part.rows > 0)
    if part.rows:
        key = object_keys.export_part(str(export["export_id"]), number, table, sha256)
        objects.put_new(key, part.data, "application/gzip")
    following = EXPORTED[EXPORTED.index(table) + 1 :]
    next_table = table if part.after_key is not None else following[0] if following else None
    with database.tenant(tenant_id) as tx:
        place = {"tenant_id": tenant_id, "export_id": export["export_id"], "parts": export["parts"], "table": table}
        if not tx.rows(_LOCK, **place):
            return 0  # another sweeper was faster, or another export has begun
        if part.rows:
            size_bytes = len(part.data)
            tx.execute(
                _INSERT_PART, tenant_id=tenant_id, number=number, table=table, rows=part.rows, size_bytes=size_bytes,
                sha256=sha256,
            )  # fmt: skip
        tx.execute(
            _ADVANCE, tenant_id=tenant_id, next_table=next_table, after_key=json.dumps(part.after_key), parts=number,
            table=table, rows=part.rows,
        )  # fmt: skip
    return int(part.rows > 0)


def _read_part(database: Database, tenant_id: str, table: str, after_key: Any) -> _Part:
    """Read rows until the part is large enough or the table ends."""
    page_size = _WIDE_ROWS_PER_PAGE if table in WIDE else _ROWS_PER_PAGE
    packed, size_bytes, rows = io.BytesIO(), 0, 0
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as lines:
        while True:
            with database.tenant(tenant_id) as tx:
                given = None if after_key is None else json.dumps(after_key)
                page = tx.rows(_READ, table=table, after_key=given, rows=page_size)
            for row in page:
                size_bytes += lines.write(line_of(table, row["line"]))
            rows += len(page)
            after_key = page[-1]["key_texts"] if len(page) == page_size else None
            if after_key is None or size_bytes >= _PART_BYTES:
                break
    return _Part(packed.getvalue(), rows, after_key)


def _finish(database: Database, objects: ObjectStore, export: Row, now: datetime) -> None:
    tenant_id = export["tenant_id"]
    with database.tenant(tenant_id) as tx:
        parts = list_parts(tx, tenant_id, 0, export["parts"])
    manifest = {
        "tenant_id": tenant_id,
        "export_id": str(export["export_id"]),
        "requested_at": export["requested_at"].isoformat(),
        "finished_at": now.isoformat(),
        "rows": {table: export["counts"].get(table, 0) for table in EXPORTED},
        "parts": parts,
    }
    data = json.dumps(manifest, indent=1).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    objects.put_new(object_keys.export_manifest(str(export["export_id"]), sha256), data, "application/json")
    with database.tenant(tenant_id) as tx:
        tx.execute(_FINISH, tenant_id=tenant_id, export_id=export["export_id"], now=now, sha256=sha256)
