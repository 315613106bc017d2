"""Reject a version that is still pending, on the request of its owner or of the operator."""

from datetime import datetime
from typing import Final

from alga_ext.calls.messages import Reason
from alga_ext.stores.database import Row, Tx
from functions.registry.publishing import versions
from functions.registry.records import transparency
from functions.registry.records.audit import Actor
from functions.registry.records.transparency import Entry

_KIND: Final = "version.rejected"


def reject(tx: Tx, version: Row, reason: str, actor: Actor, now: datetime) -> Row:
    """Reject a locked, pending version permanently, and append this to the transparency log. Return the version."""
    version_id = str(version["version_id"])
    versions.settle(tx, version_id, reasons=[Reason(code=_KIND, detail=reason)], imports=[], undeclared=[])
    details = {
        "name": version["name"],
        "version": version["version"],
        "content_hash": version["content_hash"],
        "from": version["state"],
        "to": "rejected",
        "reason": reason,
    }
    transparency.append(tx, Entry(_KIND, version["publisher"], details, str(version["extension_id"])), actor, now)
    return versions.load_version(tx, version_id)
