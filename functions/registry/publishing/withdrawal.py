"""Yank a version (no new installs), withdraw it (it stops running), reject a pending one; deprecate an extension."""

import json
from datetime import datetime
from typing import Final

from alga_ext.calls.messages import Reason
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from functions.registry.publishing import versions
from functions.registry.records import transparency
from functions.registry.records.audit import Actor
from functions.registry.records.transparency import Entry

_MOVE: Final = """
update app.extension_version
set state = :state, state_reasons = cast(:reasons as jsonb), state_changed_at = :at
where version_id = :version_id and state = any(:allowed)
"""
_DEPRECATE: Final = """
update app.extension_registry set deprecated_at = :at, deprecated_reason = :reason where extension_id = :extension_id
"""
_REJECTED: Final = "version.rejected"
# For each new state: the states from which a version may move there, and the kind of its log entry.
_MOVES: Final[dict[str, tuple[list[str], str]]] = {
    "yanked": (["ready"], "version.yanked"),
    "ready": (["yanked"], "version.unyanked"),
    "withdrawn": (["ready", "yanked"], "version.withdrawn"),
}


def move(tx: Tx, version: Row, state: str, reason: str, actor: Actor, now: datetime) -> Row:
    """Yank, unyank (``ready``) or withdraw a version, and append this to the transparency log.

    After a withdrawal is committed, renew the list of withdrawn versions (``withdrawn_list``).

    Raises:
        PlatformError: ``version_state`` when the version's state does not allow this. A withdrawal is permanent.
    """
    allowed, kind = _MOVES[state]
    version_id = str(version["version_id"])
    reasons = json.dumps([{"code": kind, "detail": reason}])
    moved = tx.execute(_MOVE, version_id=version_id, state=state, reasons=reasons, at=now, allowed=allowed)
    if moved == 0:
        raise PlatformError(
            "version_state",
            f"Version {version['version']} is {version['state']}; this change needs it to be {' or '.join(allowed)}.",
        )
    _append(tx, version, kind, state, reason, actor, now)
    return versions.load_version(tx, version_id)


def reject(tx: Tx, version: Row, reason: str, actor: Actor, now: datetime) -> Row:
    """Reject a locked, pending version permanently, and append this to the transparency log. Return the version."""
    version_id = str(version["version_id"])
    versions.settle(tx, version_id, reasons=[Reason(code=_REJECTED, detail=reason)], imports=[], undeclared=[])
    _append(tx, version, _REJECTED, "rejected", reason, actor, now)
    return versions.load_version(tx, version_id)


def deprecate(tx: Tx, extension: Row, reason: str | None, actor: Actor, now: datetime) -> Row:
    """Deprecate an extension, or undo this when ``reason`` is None. Its installs continue to work."""
    extension_id = str(extension["extension_id"])
    tx.execute(_DEPRECATE, extension_id=extension_id, at=now if reason is not None else None, reason=reason)
    kind = "extension.deprecated" if reason is not None else "extension.undeprecated"
    details = {"name": extension["name"], "reason": reason}
    transparency.append(tx, Entry(kind, extension["publisher"], details, extension_id), actor, now)
    return versions.load_extension(tx, extension_id)


def _append(tx: Tx, version: Row, kind: str, state: str, reason: str, actor: Actor, now: datetime) -> None:
    """Append a change of a version's state to the transparency log."""
    details = {
        "name": version["name"],
        "version": version["version"],
        "content_hash": version["content_hash"],
        "from": version["state"],
        "to": state,
        "reason": reason,
    }
    transparency.append(tx, Entry(kind, version["publisher"], details, str(version["extension_id"])), actor, now)
