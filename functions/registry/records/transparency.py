"""The transparency log: every change to what may run is a leaf of a Merkle tree, which its readers can verify.

A leaf is written in the transaction of the change that it records. Appends lock one row, so the leaves have one order.
A head is signed and stored at the first request for it (head, proof, consistency), and by the sweeper each minute. It
covers only leaves whose copy is in the object store (``functions.registry.recovery.log_copy``).
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from alga_ext.errors import Fault, PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.database import Row, Tx
from alga_ext.stores.objects import ObjectStore
from alga_ext.trust import merkle
from alga_ext.trust.log_proof import ORIGIN
from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, Signer, parse_envelope, sign_envelope
from functions.registry.records.audit import Actor

_LOCK_SIZE: Final = "select tree_size from app.transparency_size for update"
_GROW: Final = "update app.transparency_size set tree_size = :size"
_COPY_PROGRESS: Final = "select copied_size, last_batch_first from app.transparency_size"
_NOTE_COPY: Final = """
update app.transparency_size set copied_size = :size, last_batch_first = :first where copied_size <= :size
"""
_FORGET_COPY: Final = "update app.transparency_size set copied_size = 0, last_batch_first = 0"
_INSERT_LEAF: Final = """
insert into app.transparency_leaf (leaf_index, entry, leaf_hash, kind, publisher, extension_id, at)
values (:leaf_index, :entry, :leaf_hash, :kind, :publisher, :extension_id, :at)
"""
_INSERT_NODE: Final = "insert into app.transparency_node (level, node_index, hash) values (:level, :node_index, :hash)"
_NODE: Final = "select hash from app.transparency_node where level = :level and node_index = :node_index"
_LEAF: Final = "select leaf_index, entry, kind, publisher, at from app.transparency_leaf where leaf_index = :leaf_index"
_LEAVES: Final = """
select leaf_index, entry, kind, publisher, at from app.transparency_leaf
where leaf_index >= :first order by leaf_index limit :page_size
"""
_PUBLICATION: Final = """
select leaf_index from app.transparency_leaf
where extension_id = :extension_id and kind = 'version.published'
  and cast(entry as jsonb) ->> 'content_hash' = :content_hash
order by leaf_index limit 1
"""
_OF_TENANT: Final = """
with mine as materialized (
  select i.extension_id, i.publisher, e.publisher as owner, i.log_size_at_install as since
  from app.tenant_extension_install i
  join app.extension_registry e on e.extension_id = i.extension_id
  where i.tenant_id = :tenant_id and i.state <> 'uninstalled'),
publishers as (
  select p.publisher, min(p.since) as since
  from (select publisher, since from mine union all select owner, since from mine) p
  group by p.publisher),
found as (
  select l.leaf_index from mine m cross join lateral (
    select l.leaf_index from app.transparency_leaf l
    where l.extension_id = m.extension_id and l.leaf_index < :before
      and (l.extension_id, l.leaf_index) >= (m.extension_id, m.since)
    order by l.leaf_index desc limit :page_size) l
  union
  select l.leaf_index from publishers p cross join lateral (
    select l.leaf_index from app.transparency_leaf l
    where l.publisher = p.publisher and l.extension_id is null and l.leaf_index < :before
      and (l.publisher, l.leaf_index) >= (p.publisher, p.since)
    order by l.leaf_index desc limit :page_size) l)
select l.leaf_index, l.entry, l.kind, l.publisher, l.at
from (select leaf_index from found order by leaf_index desc limit :page_size) f
join app.transparency_leaf l on l.leaf_index = f.leaf_index
order by l.leaf_index desc
"""
"""Takes the newest page of entries of each extension and of each publisher, and from these the newest page.

The row comparisons mean the same as ``leaf_index >= since``. The planner would take that for a narrow range of the
whole log, and would read this range.
"""
_OF_LARGE_TENANT: Final = """
with publishers as materialized (
  select p.publisher, min(p.since) as since
  from (
    select i.publisher, i.log_size_at_install as since from app.tenant_extension_install i
    where i.tenant_id = :tenant_id and i.state <> 'uninstalled'
    union all
    select e.publisher, i.log_size_at_install from app.tenant_extension_install i
    join app.extension_registry e on e.extension_id = i.extension_id
    where i.tenant_id = :tenant_id and i.state <> 'uninstalled') p
  group by p.publisher),
began as materialized (
  select min(i.log_size_at_install) as leaf_index from app.tenant_extension_install i
  where i.tenant_id = :tenant_id and i.state <> 'uninstalled')
select l.leaf_index, l.entry, l.kind, l.publisher, l.at
from app.transparency_leaf l
where l.leaf_index < :before and l.leaf_index >= (select leaf_index from began)
  and case when l.extension_id is null then exists (
        select from publishers p where p.publisher = l.publisher and l.leaf_index >= p.since)
      else exists (
        select from app.tenant_extension_install i
        where i.tenant_id = :tenant_id and i.extension_id = l.extension_id and i.state <> 'uninstalled'
          and l.leaf_index >= i.log_size_at_install) end
order by l.leaf_index desc limit :page_size
"""
"""Reads the log from its end back to the tenant's first installation. With many installs a page is soon full."""
_COUNT_INSTALLS: Final = """
select count(*) as installs from (
  select from app.tenant_extension_install
  where tenant_id = :tenant_id and state <> 'uninstalled' limit :most) i
"""
_LARGE_TENANT_INSTALLS: Final = 200


class Entry(NamedTuple):
    """The content of a leaf: its ``kind``, such as ``version.published``, the publisher, and details."""

    kind: str
    publisher: str
    details: dict[str, Any]
    extension_id: str | None = None


def append(tx: Tx, entry: Entry, actor: Actor, now: datetime) -> int:
    """Append a leaf in the running transaction and return its index. The leaf names the actor and the request."""
    index = lock(tx)
    document = {
        "at": now.isoformat(),
        "kind": entry.kind,
        "publisher": entry.publisher,
        "actor": actor.subject,
        "request_id": actor.request_id,
        **entry.details,
    }
    if entry.extension_id is not None:
        document["extension_id"] = entry.extension_id
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    _insert(tx, index, text, document)
    return index


def restore_leaf(tx: Tx, leaf_index: int, text: str) -> dict[str, Any]:
    """Append a leaf that a restored database lacks, under the index that it had, and return its document.

    The log must be locked and have ``leaf_index`` leaves.
    """
    document: dict[str, Any] = json.loads(text)
    _insert(tx, leaf_index, text, document)
    return document


def _insert(tx: Tx, index: int, text: str, document: dict[str, Any]) -> None:
    hashed = merkle.leaf_hash(text.encode())
    tx.execute(
        _INSERT_LEAF,
        leaf_index=index,
        entry=text,
        leaf_hash=hashed,
        kind=document["kind"],
        publisher=document["publisher"],
        extension_id=document.get("extension_id"),
        at=datetime.fromisoformat(document["at"]),
    )
    for level, node_index, node in merkle.completed(index, hashed, _nodes(tx)):
        tx.execute(_INSERT_NODE, level=level, node_index=node_index, hash=node)
    tx.execute(_GROW, size=index + 1)


class CopyProgress(NamedTuple):
    """How many leaves have a copy, and the index of the first leaf of the copy's last batch."""

    size: int
    last_batch: int


def copy_progress(tx: Tx) -> CopyProgress:
    """Return what is noted of the log's copy in the object store."""
    row = tx.one(_COPY_PROGRESS)
    return CopyProgress(int(row["copied_size"]), int(row["last_batch_first"]))


def note_copy(tx: Tx, first: int, end: int) -> None:
    """Note that the leaves from ``first`` to ``end`` (exclusive), and all before them, have a copy."""
    tx.execute(_NOTE_COPY, first=first, size=end)


def forget_copy(tx: Tx) -> None:
    """Note that no leaf has a copy."""
    tx.execute(_FORGET_COPY)


def publish_head(tx: Tx, signer: Signer, objects: ObjectStore, now: datetime, size: int) -> dict[str, Any]:
    """Sign the head of the tree with ``size`` leaves, store it under its size, and return the envelope.

    The first head that is stored for a size stays: heads of one size differ only in their timestamp and signature.

    Raises:
        PlatformError: ``log_integrity`` when the stored head has another root than the log: the log has forked, or the
            object was replaced.
    """
    root = root_hash(tx, size).hex()
    stored = objects.get_optional(object_keys.log_head(size))
    if stored is None:
        payload = json.dumps(
            {"origin": ORIGIN, "tree_size": size, "root_hash": root, "timestamp": now.isoformat()},
            sort_keys=True,
            separators=(",", ":"),
        ).encode()
        stored = sign_envelope(signer, payload, LOG_HEAD_PAYLOAD_TYPE)
        try:
            objects.put_new(object_keys.log_head(size), stored, "application/json")
        except PlatformError as error:
            if error.code != "object_conflict":
                raise
            stored = objects.get(object_keys.log_head(size))  # another process was first
    if json.loads(parse_envelope(stored).payload).get("root_hash") != root:
        raise PlatformError(
            "log_integrity",
            f"The stored head of the log with {size} entries has another root hash than the database gives. See "
            "docs/how-to/back-up-and-restore.md.",
            fault=Fault.LOG_HEAD,
        )
    document: dict[str, Any] = json.loads(stored)
    return document


def lock(tx: Tx) -> int:
    """Lock the log until the transaction ends, so that nothing else is appended, and return how many leaves it has."""
    return int(tx.one(_LOCK_SIZE)["tree_size"])


def root_hash(tx: Tx, size: int) -> bytes:
    """Return the root hash of the tree with the first ``size`` leaves."""
    return merkle.root(size, _nodes(tx))


def load_entry(tx: Tx, leaf_index: int) -> Row:
    """Return a leaf, or raise ``log_entry_not_found``."""
    row = tx.row(_LEAF, leaf_index=leaf_index)
    if row is None:
        raise PlatformError("log_entry_not_found", f"The log has no entry {leaf_index}.")
    return row


def list_entries(tx: Tx, first: int, page_size: int) -> list[Row]:
    """Return leaves in order, starting with the index ``first``."""
    return tx.rows(_LEAVES, first=first, page_size=page_size)


def list_for_tenant(tx: Tx, tenant_id: str, before: int, page_size: int) -> list[Row]:
    """Return the entries about the tenant's extensions and their publishers since installation, newest first."""
    counted = tx.one(_COUNT_INSTALLS, tenant_id=tenant_id, most=_LARGE_TENANT_INSTALLS)
    is_large = counted["installs"] == _LARGE_TENANT_INSTALLS
    sql = _OF_LARGE_TENANT if is_large else _OF_TENANT
    return tx.rows(sql, tenant_id=tenant_id, before=before, page_size=page_size)


def publication_index(tx: Tx, extension_id: str, content_hash: str) -> int:
    """Return the index of the leaf that records a bundle's publication, or raise ``log_entry_not_found``."""
    row = tx.row(_PUBLICATION, extension_id=extension_id, content_hash=content_hash)
    if row is None:
        raise PlatformError("log_entry_not_found", f"The log has no entry for the publication of {content_hash}.")
    return int(row["leaf_index"])


def inclusion(tx: Tx, leaf_index: int, size: int) -> list[str]:
    """Return the audit path of a leaf in the tree with ``size`` leaves, as hex.

    Raises:
        PlatformError: ``log_entry_not_found``.
    """
    if not 0 <= leaf_index < size:
        raise PlatformError("log_entry_not_found", f"The log has no entry {leaf_index}; it has {size} entries.")
    return [node.hex() for node in merkle.inclusion_proof(leaf_index, size, _nodes(tx))]


def consistency(tx: Tx, old_size: int, size: int) -> list[str]:
    """Return the proof that the tree with ``size`` leaves extends the tree with ``old_size`` leaves, as hex.

    Raises:
        PlatformError: ``log_entry_not_found`` for a size that the log never had.
    """
    if not 1 <= old_size <= size:
        raise PlatformError(
            "log_entry_not_found", f"The log never had {old_size} entries; send 1 to {size}, its present size."
        )
    return [node.hex() for node in merkle.consistency_proof(old_size, size, _nodes(tx))]


def _nodes(tx: Tx) -> Callable[[int, int], bytes]:
    def node_at(level: int, index: int) -> bytes:
        row = tx.row(_NODE, level=level, node_index=index)
        if row is None:
            raise PlatformError(
                "log_integrity",
                "A node of the transparency log is missing.",
                fault=Fault.LOG_NODE,
                level=level,
                index=index,
            )
        return bytes(row["hash"])

    return node_at
