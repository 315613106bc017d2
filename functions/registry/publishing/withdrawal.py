"""Ending versions: yank (no new installs), withdraw (stops running), and deprecation of an extension."""

import json
from datetime import datetime
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.database import Row, Tx
from alga_ext.stores.objects import ObjectStore
from alga_ext.trust.signing import Signer, sign_envelope
from alga_ext.trust.statements import statement_of_withdrawal
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
# From which states a version may move, and what the log calls it.
_MOVES: Final[dict[str, tuple[list[str], str]]] = {
    "yanked": (["ready"], "version.yanked"),
    "ready": (["yanked"], "version.unyanked"),
    "withdrawn": (["ready", "yanked"], "version.withdrawn"),
}


def move(tx: Tx, version: Row, state: str, reason: str, actor: Actor, now: datetime) -> Row:
    """Yank, unyank (``ready``) or withdraw a version, and tell of it in the log.

    Raises:
        PlatformError: ``version_state`` when it is in a state that does not allow it; withdrawing is for ever.
    """
    allowed, kind = _MOVES[state]
    version_id = str(version["version_id"])
    reasons = json.dumps([{"code": kind, "detail": reason}])
    moved = tx.execute(_MOVE, version_id=version_id, state=state, reasons=reasons, at=now, allowed=allowed)
    if moved == 0:
        raise PlatformError(
            "version_state",
            f"Version {version['version']} is {version['state']}; that needs it to be {' or '.join(allowed)}.",
        )
    details = {
        "name": version["name"],
        "version": version["version"],
        "content_hash": version["content_hash"],
        "from": version["state"],
        "to": state,
        "reason": reason,
    }
    transparency.append(tx, Entry(kind, version["publisher"], details, str(version["extension_id"])), actor, now)
    return versions.load_version(tx, version_id)


def mark_withdrawn(version: Row, objects: ObjectStore, signer: Signer, now: datetime) -> None:
    """Write the marker that the runner and the UI host look for; written once.

    Called before the transaction that records it: a crash in between stops the version from running, which a
    repeated request then records. The other order could leave a withdrawn version running.
    """
    content_hash = ContentHash(version["content_hash"])
    if objects.size(object_keys.withdrawal(sha256_hex(content_hash))) is not None:
        return
    payload = statement_of_withdrawal(sha256_hex(content_hash), now)
    try:
        objects.put_new(
            object_keys.withdrawal(sha256_hex(content_hash)), sign_envelope(signer, payload), "application/json"
        )
    except PlatformError as error:
        if error.code != "object_conflict":
            raise  # a conflict says that another withdrawal wrote its marker just now, which serves as well


def deprecate(tx: Tx, extension: Row, reason: str | None, actor: Actor, now: datetime) -> Row:
    """Deprecate an extension, or take that back with ``reason`` None; installs go on working."""
    extension_id = str(extension["extension_id"])
    tx.execute(_DEPRECATE, extension_id=extension_id, at=now if reason is not None else None, reason=reason)
    kind = "extension.deprecated" if reason is not None else "extension.undeprecated"
    details = {"name": extension["name"], "reason": reason}
    transparency.append(tx, Entry(kind, extension["publisher"], details, extension_id), actor, now)
    return versions.load_extension(tx, extension_id)
