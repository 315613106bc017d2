"""Requests of installs that wait for the tenant's admin: what a version asks for beyond what was granted."""

import json
from typing import Any, Final

from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Row, Tx
from functions.registry.records.audit import Actor

_INSERT: Final = """
insert into app.extension_install_request
  (tenant_id, install_id, from_version_id, to_version_id, difference, holds_code, created_by)
values (:tenant_id, :install_id, :from_version_id, :to_version_id, cast(:difference as jsonb), :holds_code, :actor)
"""
_SELECT: Final = """
select r.request_id, r.install_id, r.from_version_id, r.to_version_id, f.version as from_version,
       t.version as to_version, r.difference, r.holds_code, r.state, r.created_at, r.created_by
from app.extension_install_request r
join app.extension_version f on f.version_id = r.from_version_id
join app.extension_version t on t.version_id = r.to_version_id
where r.tenant_id = :tenant_id and r.install_id = any(cast(:install_ids as uuid[])) and r.state = 'waiting'
"""
_DECIDE: Final = """
update app.extension_install_request set state = :state, decided_at = now(), decided_by = :actor
where tenant_id = :tenant_id and request_id = :request_id and state = 'waiting'
"""
_SUPERSEDE: Final = """
update app.extension_install_request set state = 'superseded', decided_at = now(), decided_by = :actor
where tenant_id = :tenant_id and install_id = :install_id and state = 'waiting'
"""


def waiting(tx: Tx, tenant_id: str, install_id: str) -> Row | None:
    """Return the request of an install that waits for a decision, or None."""
    return waiting_by_install(tx, tenant_id, [install_id]).get(install_id) if is_uuid(install_id) else None


def waiting_by_install(tx: Tx, tenant_id: str, install_ids: list[str]) -> dict[str, Row]:
    """Return the requests that wait for a decision, by install id."""
    rows = tx.rows(_SELECT, tenant_id=tenant_id, install_ids=install_ids)
    return {str(row["install_id"]): row for row in rows}


def load_waiting(tx: Tx, tenant_id: str, install_id: str) -> Row:
    """Return the request of an install that waits for a decision, or raise ``request_not_found``."""
    request = waiting(tx, tenant_id, install_id)
    if request is None:
        raise PlatformError("request_not_found", "This install has no request that waits for a decision.")
    return request


def ask(
    tx: Tx,
    tenant_id: str,
    install_id: str,
    from_version_id: str,
    to_version_id: str,
    difference: dict[str, Any],
    holds_code: bool,
    actor: Actor,
) -> None:
    """Insert a request. An install has at most one that waits, so supersede the earlier one before.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: the install.
        from_version_id: the version that was decided on last.
        to_version_id: the version that asks.
        difference: what it asks for, see ``grants.difference``.
        holds_code: whether the code waits for the decision too.
        actor: who made the change that asks.
    """
    tx.execute(
        _INSERT,
        tenant_id=tenant_id,
        install_id=install_id,
        from_version_id=from_version_id,
        to_version_id=to_version_id,
        difference=json.dumps(difference),
        holds_code=holds_code,
        actor=actor.subject,
    )


def decide(tx: Tx, tenant_id: str, request: Row, state: str, actor: Actor) -> None:
    """Mark a waiting request as ``approved`` or ``declined``."""
    tx.execute(_DECIDE, tenant_id=tenant_id, request_id=request["request_id"], state=state, actor=actor.subject)


def supersede(tx: Tx, tenant_id: str, install_id: str, actor: Actor) -> None:
    """Mark the waiting request of an install as superseded, if it has one."""
    tx.execute(_SUPERSEDE, tenant_id=tenant_id, install_id=install_id, actor=actor.subject)


def shown_in_audit(request: Row) -> dict[str, Any]:
    """Return a request as the audit trail records it."""
    return {
        "from": request["from_version"],
        "to": request["to_version"],
        "holds_code": request["holds_code"],
        "asks_for": request["difference"],
    }
