"""Read extensions and their versions from the database, and move a version to another state."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

from alga_ext.calls.messages import Artifact, Reason
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Row, Tx

PREPARE_ATTEMPTS_LIMIT: Final = 7
"""How often the prepare message of a pending version is sent again.

With five minutes as the first interval, the version is rejected after 21 hours: an outage of a night rejects nothing.
"""

_VERSION_COLUMNS: Final = """
  v.version_id, v.extension_id, e.name, v.manifest ->> 'publisher' as publisher, e.publisher as owner, v.version,
  v.content_hash, v.state, v.state_reasons, v.manifest,
  v.declared_capabilities, v.imported_interfaces, v.undeclared_capabilities, v.published_at, v.prepared_at,
  v.published_by, v.precedence,
  b.size_bytes, b.component_sha256, b.signing_key_id
"""
_FROM_VERSIONS: Final = """
from app.extension_version v
join app.extension_registry e on e.extension_id = v.extension_id
join app.extension_bundle b on b.content_hash = v.content_hash
"""
_SELECT_VERSION: Final = f"select {_VERSION_COLUMNS} {_FROM_VERSIONS} where v.version_id = :version_id"
_LOCK_VERSION: Final = f"{_SELECT_VERSION} for no key update of v"
_SELECT_NAMED: Final = f"""
select {_VERSION_COLUMNS} {_FROM_VERSIONS}
where v.extension_id = :extension_id and v.version = :version
"""
_SELECT_SIGNED_SINCE: Final = f"""
select {_VERSION_COLUMNS} {_FROM_VERSIONS}
where b.signing_key_id = :key_id and v.manifest ->> 'publisher' = :publisher and v.published_at >= :since
  and v.state in ('ready', 'yanked')
order by v.published_at, v.version_id for no key update of v
"""
_COUNT_INSTALLS: Final = "select app.count_installs(cast(:version_id as uuid)) as installs"
_SELECT_NEWEST_READY: Final = f"""
select {_VERSION_COLUMNS} {_FROM_VERSIONS}
where v.extension_id = :extension_id and v.state = 'ready'
order by v.is_prerelease, v.precedence desc, v.published_at desc limit 1
"""
"""The highest release. A pre-release only when the extension has no other version that is ready."""
_SELECT_VERSIONS: Final = f"""
select {_VERSION_COLUMNS} {_FROM_VERSIONS}
where v.extension_id = :extension_id and (:unpublished or v.state not in ('pending', 'rejected'))
  and (v.published_at, v.version_id) < (cast(:before_at as timestamptz), cast(:before_id as uuid))
order by v.published_at desc, v.version_id desc limit :page_size
"""
_EXTENSION_COLUMNS: Final = "extension_id, name, publisher, title, deprecated_at, deprecated_reason, created_at"
_FROM_EXTENSIONS: Final = f"{_EXTENSION_COLUMNS} from app.extension_registry"
_SELECT_EXTENSION: Final = f"select {_FROM_EXTENSIONS} where extension_id = :extension_id"
_LOCK_EXTENSION: Final = f"{_SELECT_EXTENSION} for no key update"
_SELECT_EXTENSION_NAMED: Final = f"select {_FROM_EXTENSIONS} where name = :name"
_LOCK_EXTENSION_NAMED: Final = f"{_SELECT_EXTENSION_NAMED} for no key update"
_LIST_EXTENSIONS: Final = f"""
select {_FROM_EXTENSIONS} where name > :after order by name limit :page_size
"""
_SETTLE: Final = """
update app.extension_version
set state = :state, state_reasons = cast(:reasons as jsonb), state_changed_at = now(),
    imported_interfaces = :imports, undeclared_capabilities = :undeclared
where version_id = :version_id and state = 'pending'
"""
_SET_PREPARED: Final = """
update app.extension_version set prepared_at = :at where version_id = :version_id and prepared_at is null
"""
_CLAIM_UNPREPARED: Final = """
update app.extension_version v
set prepare_sent_at = :now, prepare_attempts = v.prepare_attempts + 1,
    state = case when v.prepare_attempts < :attempts then v.state else 'rejected' end,
    state_reasons = case when v.prepare_attempts < :attempts then v.state_reasons else cast(:reasons as jsonb) end,
    state_changed_at = case when v.prepare_attempts < :attempts then v.state_changed_at else :now end
from app.extension_bundle b
where b.content_hash = v.content_hash and v.version_id in (
  select p.version_id from app.extension_version p
  where p.state = 'pending'
    and coalesce(p.prepare_sent_at, p.published_at)
        + cast(:interval as interval) * power(2, p.prepare_attempts) <= :now
  order by coalesce(p.prepare_sent_at, p.published_at) limit :page_size for no key update skip locked)
returning v.version_id, v.content_hash, b.component_sha256, v.manifest ->> 'publisher' as publisher
"""
_SELECT_ACTIVE: Final = """
select v.version_id, v.content_hash, b.component_sha256, v.manifest ->> 'publisher' as publisher
from app.extension_version v join app.extension_bundle b on b.content_hash = v.content_hash
where v.state in ('ready', 'yanked') and v.version_id > cast(:after as uuid)
order by v.version_id limit :page_size
"""
_COMPILED: Final = """
with active as (
  select distinct b.component_sha256
  from app.extension_version v join app.extension_bundle b on b.content_hash = v.content_hash
  where v.state in ('ready', 'yanked') and b.component_sha256 is not null)
select a.wasmtime_version, a.engine_config_hash, a.target, count(*) as compiled,
       (select count(*) from active) - count(*) as missing, max(a.created_at) as latest_at
from app.extension_artifact a join active on active.component_sha256 = a.component_sha256
group by a.wasmtime_version, a.engine_config_hash, a.target
order by latest_at desc
"""
_SET_UI_INDEX: Final = """
update app.extension_bundle set ui_index_sha256 = :ui_index_sha256
where content_hash = :content_hash and ui_index_sha256 is null
"""
_INSERT_ARTIFACT: Final = """
insert into app.extension_artifact
  (component_sha256, wasmtime_version, engine_config_hash, target, object_key, sha256, size_bytes)
values (:component_sha256, :wasmtime_version, :engine_config_hash, :target, :object_key, :sha256, :size_bytes)
on conflict (component_sha256, wasmtime_version, engine_config_hash, target) do nothing
"""


def load_version(tx: Tx, version_id: str, *, lock: bool = False) -> Row:
    """Return a version with its bundle, or raise ``version_not_found``.

    ``lock`` locks it until the transaction ends.
    """
    sql = _LOCK_VERSION if lock else _SELECT_VERSION
    row = tx.row(sql, version_id=version_id) if is_uuid(version_id) else None
    if row is None:
        raise PlatformError("version_not_found", f"There is no version {version_id}.")
    return row


def load_extension(tx: Tx, reference: str, *, lock: bool = False) -> Row:
    """Return an extension by id or by name, or raise ``extension_not_found``.

    ``lock`` locks it until the transaction ends.
    """
    if is_uuid(reference):
        row = tx.row(_LOCK_EXTENSION if lock else _SELECT_EXTENSION, extension_id=reference)
    else:
        row = tx.row(_LOCK_EXTENSION_NAMED if lock else _SELECT_EXTENSION_NAMED, name=reference)
    if row is None:
        raise PlatformError("extension_not_found", f"There is no extension {reference!r}.")
    return row


def load_installable(tx: Tx, extension_id: str, version: str | None) -> Row:
    """Return the named version, or without a name the newest version that is ready.

    The newest is the highest release, or the highest pre-release when no release is ready. The version is not locked: a
    withdrawal must not wait for a tenant's request. A version that is withdrawn while it is installed does not run,
    because each call is decided by the version's state.

    Raises:
        PlatformError: ``version_not_found``; ``version_not_ready`` when it is in any other state than ``ready``.
    """
    if version is None:
        row = tx.row(_SELECT_NEWEST_READY, extension_id=extension_id)
        if row is None:
            raise PlatformError("version_not_ready", "The extension has no version in the state ready.")
        return row
    row = tx.row(_SELECT_NAMED, extension_id=extension_id, version=version)
    if row is None:
        raise PlatformError("version_not_found", f"The extension has no version {version!r}.")
    if row["state"] != "ready":
        raise PlatformError(
            "version_not_ready", f"Version {version} is {row['state']}; only a ready version can be installed."
        )
    return row


def load_runnable(tx: Tx, extension_id: str, version: str) -> Row:
    """Return the named version when it may run (it is ready or yanked).

    Raises:
        PlatformError: ``version_not_found``; ``version_not_ready``.
    """
    row = tx.row(_SELECT_NAMED, extension_id=extension_id, version=version)
    if row is None:
        raise PlatformError("version_not_found", f"The extension has no version {version!r}.")
    if row["state"] not in ("ready", "yanked"):
        raise PlatformError(
            "version_not_ready", f"Version {version} is {row['state']}; only a ready or yanked version can run."
        )
    return row


def list_signed_since(tx: Tx, publisher: str, key_id: str, since: datetime) -> list[Row]:
    """Return and lock a publisher's versions that may run and were published with a key since an instant."""
    return tx.rows(_SELECT_SIGNED_SINCE, publisher=publisher, key_id=key_id, since=since)


def count_installs(tx: Tx, version_id: str) -> int:
    """Return how many enabled installs, of all tenants, run a version."""
    return int(tx.one(_COUNT_INSTALLS, version_id=version_id)["installs"])


def list_extensions(tx: Tx, after: str, page_size: int) -> list[Row]:
    """Return the extensions after the name ``after``, ordered by name."""
    return tx.rows(_LIST_EXTENSIONS, after=after, page_size=page_size)


def list_versions(
    tx: Tx, extension_id: str, before: tuple[str, str], page_size: int, *, unpublished: bool
) -> list[Row]:
    """Return the versions of an extension before ``(published_at, version_id)``, newest first.

    ``unpublished`` includes versions that are pending or rejected.
    """
    return tx.rows(
        _SELECT_VERSIONS,
        extension_id=extension_id,
        before_at=before[0],
        before_id=before[1],
        page_size=page_size,
        unpublished=unpublished,
    )


def claim_unprepared(tx: Tx, now: datetime, interval: timedelta, page_size: int) -> list[Row]:
    """Return pending versions whose prepare message is to be sent again, and record that it is sent now.

    That message may have been lost, or it may be in the dead-letter queue. The first time is ``interval`` after the
    publication, and each further interval is twice as long. After ``PREPARE_ATTEMPTS_LIMIT`` times the version becomes
    ``rejected`` instead. It is returned once more: if an interrupted delivery has written its release record, the next
    one finds the version rejected and withdraws it. Two sweeps that run at the same time never get the same version.
    """
    detail = (
        f"The version could not be prepared in {PREPARE_ATTEMPTS_LIMIT} attempts. Publish a higher version, or ask the "
        "operator why."
    )
    return tx.rows(
        _CLAIM_UNPREPARED,
        now=now,
        interval=interval,
        attempts=PREPARE_ATTEMPTS_LIMIT,
        reasons=json.dumps([{"code": "preparation_failed", "detail": detail}]),
        page_size=page_size,
    )


def list_active(tx: Tx, after: str, page_size: int) -> list[Row]:
    """Return the versions after the id ``after`` that may run or be shown, ordered by id."""
    return tx.rows(_SELECT_ACTIVE, after=after, page_size=page_size)


def list_compiled(tx: Tx) -> list[Row]:
    """Return for each engine how many components of active versions are compiled for it, and how many are not.

    Engines without any compiled component are left out. The engine with the latest compilation comes first.
    """
    return tx.rows(_COMPILED)


def note_prepared(tx: Tx, version_id: str, at: datetime) -> None:
    """Record when the prepare function finished with a version. A time that is recorded already stays."""
    tx.execute(_SET_PREPARED, version_id=version_id, at=at)


def settle(tx: Tx, version_id: str, *, reasons: list[Reason], imports: list[str], undeclared: list[str]) -> bool:
    """Move a pending version to ``ready``, or to ``rejected`` when there are reasons; return whether it moved.

    A version in another state stays as it is, so a repeated queue message changes nothing.
    """
    moved = tx.execute(
        _SETTLE,
        version_id=version_id,
        state="rejected" if reasons else "ready",
        reasons=json.dumps([{"code": reason.code, "detail": reason.detail} for reason in reasons]),
        imports=imports,
        undeclared=undeclared,
    )
    return moved == 1


def record_ui_index(tx: Tx, content_hash: str, ui_index_sha256: str) -> None:
    """Record the hash of a bundle's UI index. A hash that is recorded already stays."""
    tx.execute(_SET_UI_INDEX, content_hash=content_hash, ui_index_sha256=ui_index_sha256)


def record_artifact(tx: Tx, component_sha256: str, artifact: Artifact) -> None:
    """Record that a component was compiled for an engine and target. A record that exists already stays."""
    fields: dict[str, Any] = {
        "component_sha256": component_sha256,
        "wasmtime_version": artifact.wasmtime_version,
        "engine_config_hash": artifact.engine_config_hash,
        "target": artifact.target,
        "object_key": artifact.key,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
    }
    tx.execute(_INSERT_ARTIFACT, **fields)
