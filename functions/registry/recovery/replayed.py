"""Repeat in a restored database what entries of the transparency log changed after the instant of the backup.

A withdrawn version must not run again, a revoked key must not sign again, and a name must not be free for another
publisher. So everything is repeated that an entry contains: the state of versions, the end of keys, publishers with
their prefixes, extensions with their ids and owners. An entry has only the hash of a bundle or key, so publications and
new keys are not repeated; ``alga-ext check-restore`` lists those that the database lacks.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from alga_ext.stores.database import Tx

_MOVE: Final = """
update app.extension_version
set state = :state, state_reasons = cast(:reasons as jsonb), state_changed_at = cast(:at as timestamptz)
where content_hash = :content_hash and state = any(:allowed)
"""
_REVOKE_KEY: Final = """
update app.publisher_key
set revoked_from = least(revoked_from, cast(:revoked_from as timestamptz)), revoked_reason = :reason
where publisher = :publisher and key_id = :key_id
"""
_RETIRE_KEY: Final = """
update app.publisher_key set valid_until = least(valid_until, cast(:valid_until as timestamptz))
where publisher = :publisher and key_id = :key_id
"""
_CREATE_PUBLISHER: Final = """
insert into app.publisher (publisher, display_name, created_at, created_by)
values (:publisher, :display_name, cast(:at as timestamptz), :actor) on conflict do nothing
"""
_ADD_PREFIX: Final = """
insert into app.publisher_prefix (prefix, publisher, created_at, created_by)
select :prefix, p.publisher, cast(:at as timestamptz), :actor from app.publisher p where p.publisher = :publisher
on conflict do nothing
"""
_CREATE_EXTENSION: Final = """
insert into app.extension_registry (extension_id, name, publisher, created_at, created_by)
select cast(:extension_id as uuid), :name, p.publisher, cast(:at as timestamptz), :actor
from app.publisher p where p.publisher = :publisher
on conflict do nothing
"""
_DEPRECATE: Final = """
update app.extension_registry
set deprecated_at = case when cast(:reason as text) is null then null else cast(:at as timestamptz) end,
    deprecated_reason = :reason
where extension_id = cast(:extension_id as uuid)
"""
_TRANSFER: Final = """
update app.extension_registry set publisher = :publisher
where extension_id = cast(:extension_id as uuid)
  and exists (select from app.publisher p where p.publisher = :publisher)
"""


def apply(tx: Tx, entry: dict[str, Any]) -> None:
    """Repeat the change that an entry records, if it is of a kind that is repeated and the database has its object."""
    change = _CHANGES.get(entry["kind"])
    if change is not None:
        change(tx, entry)


def _move_from(*allowed: str) -> Callable[[Tx, dict[str, Any]], None]:
    def move(tx: Tx, entry: dict[str, Any]) -> None:
        reasons = json.dumps([{"code": entry["kind"], "detail": entry["reason"]}])
        content_hash, at = entry["content_hash"], entry["at"]
        tx.execute(_MOVE, state=entry["to"], reasons=reasons, at=at, content_hash=content_hash, allowed=list(allowed))

    return move


def _with(statement: str, *members: str) -> Callable[[Tx, dict[str, Any]], None]:
    """Return a change that runs a statement with members of the entry as its parameters."""

    def run(tx: Tx, entry: dict[str, Any]) -> None:
        tx.execute(statement, **{member: entry[member] for member in members})

    return run


def _transfer(tx: Tx, entry: dict[str, Any]) -> None:
    tx.execute(_TRANSFER, publisher=entry["to"], extension_id=entry["extension_id"])


_CHANGES: Final[dict[str, Callable[[Tx, dict[str, Any]], None]]] = {
    # A version that is pending in the backup may have become ready before it was withdrawn.
    "version.withdrawn": _move_from("pending", "ready", "yanked"),
    "version.rejected": _move_from("pending"),
    "version.yanked": _move_from("ready"),
    "version.unyanked": _move_from("yanked"),
    "publisher.created": _with(_CREATE_PUBLISHER, "publisher", "display_name", "at", "actor"),
    "publisher.prefix_added": _with(_ADD_PREFIX, "publisher", "prefix", "at", "actor"),
    "publisher.key_revoked": _with(_REVOKE_KEY, "publisher", "key_id", "revoked_from", "reason"),
    "publisher.key_retired": _with(_RETIRE_KEY, "publisher", "key_id", "valid_until"),
    # Not the version, but the extension that came with its first version.
    "version.published": _with(_CREATE_EXTENSION, "publisher", "name", "extension_id", "at", "actor"),
    "extension.deprecated": _with(_DEPRECATE, "extension_id", "reason", "at"),
    "extension.undeprecated": _with(_DEPRECATE, "extension_id", "reason", "at"),
    "extension.transferred": _transfer,
}
