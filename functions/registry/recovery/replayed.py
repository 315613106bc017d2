"""Repeat in a restored database what entries of the transparency log changed after the instant of the backup.

Only changes that take something away are repeated: a withdrawn version must not run again, and a revoked key must not
sign again. A publication or a new key is not in its entry, which has hashes only; ``alga-ext check-restore`` lists
those that the database lacks.
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


def _revoke_key(tx: Tx, entry: dict[str, Any]) -> None:
    given = {name: entry[name] for name in ("publisher", "key_id", "revoked_from", "reason")}
    tx.execute(_REVOKE_KEY, **given)


def _retire_key(tx: Tx, entry: dict[str, Any]) -> None:
    given = {name: entry[name] for name in ("publisher", "key_id", "valid_until")}
    tx.execute(_RETIRE_KEY, **given)


def _transfer(tx: Tx, entry: dict[str, Any]) -> None:
    tx.execute(_TRANSFER, publisher=entry["to"], extension_id=entry["extension_id"])


_CHANGES: Final[dict[str, Callable[[Tx, dict[str, Any]], None]]] = {
    # A version that is pending in the backup may have become ready before it was withdrawn.
    "version.withdrawn": _move_from("pending", "ready", "yanked"),
    "version.rejected": _move_from("pending"),
    "version.yanked": _move_from("ready"),
    "version.unyanked": _move_from("yanked"),
    "publisher.key_revoked": _revoke_key,
    "publisher.key_retired": _retire_key,
    "extension.transferred": _transfer,
}
