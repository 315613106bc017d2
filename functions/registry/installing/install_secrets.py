"""Secrets of an install: sealed before they are stored, write-only, versioned, with an optional expiry."""

from datetime import datetime, timedelta
from typing import Any, Final

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls import secret_ages
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from functions.registry.installing import installs
from functions.registry.publishing import versions
from functions.registry.records import audit
from functions.registry.records.audit import Actor

_NEWEST: Final = """
select distinct on (name) name, secret_version, created_at, created_by, expires_at
from app.extension_install_secret
where tenant_id = :tenant_id and install_id = :install_id order by name, secret_version desc
"""
_SELECT_STATE: Final = """
select secret_version, expires_at from app.extension_install_secret
where tenant_id = :tenant_id and install_id = :install_id and name = :name
order by secret_version desc limit 1
"""
_INSERT: Final = """
insert into app.extension_install_secret (tenant_id, install_id, name, secret_version, sealed, created_by, expires_at)
select :tenant_id, :install_id, :name, coalesce(max(s.secret_version), 0) + 1, :sealed, :actor,
       cast(:expires_at as timestamptz)
from app.extension_install_secret s
where s.tenant_id = :tenant_id and s.install_id = :install_id and s.name = :name
returning name, secret_version, created_at, created_by, expires_at
"""
_DELETE_OLD: Final = """
delete from app.extension_install_secret
where tenant_id = :tenant_id and install_id = :install_id and name = :name and secret_version <= :keep_after
"""
_DELETE: Final = """
delete from app.extension_install_secret where tenant_id = :tenant_id and install_id = :install_id and name = :name
"""
EXPIRING_BEFORE: Final = timedelta(days=14)
"""How long before its expiry a secret is shown as expiring."""
KEPT_VERSIONS: Final = 3
"""How many sealed values of each secret are kept. Only the newest is used."""


def put(
    tx: Tx,
    tenant_id: str,
    install_id: str,
    name: str,
    sealed: bytes,
    expires_at: datetime | None,
    actor: Actor,
) -> Row:
    """Store a sealed value as the secret's next version and return the row without the value.

    Raises:
        PlatformError: ``install_not_found``; ``secret_not_declared``.
    """
    check_declared(tx, tenant_id, install_id, name, lock=True)
    before = _audit_state(tx, tenant_id, install_id, name)
    row = tx.one(
        _INSERT,
        tenant_id=tenant_id,
        install_id=install_id,
        name=name,
        sealed=sealed,
        actor=actor.subject,
        expires_at=expires_at,
    )
    keep_after = row["secret_version"] - KEPT_VERSIONS
    tx.execute(_DELETE_OLD, tenant_id=tenant_id, install_id=install_id, name=name, keep_after=keep_after)
    after = {"name": name, "state": "set", "version": row["secret_version"], "expires_at": row["expires_at"]}
    installs.touch(tx, tenant_id, install_id)
    audit.record(tx, tenant_id, actor, "secret.put", install_id, before, after)
    return row


def check_declared(tx: Tx, tenant_id: str, install_id: str, name: str, *, lock: bool = False) -> None:
    """Raise ``secret_not_declared`` unless the install's version declares a secret. ``lock`` locks the install."""
    declared = _declared(tx, tenant_id, install_id, lock=lock)
    if name not in declared:
        known = ", ".join(sorted(declared)) or "none"
        raise PlatformError("secret_not_declared", f"The extension declares no secret {name!r}; it declares {known}.")


def listing(tx: Tx, tenant_id: str, install_id: str, now: datetime) -> list[dict[str, Any]]:
    """Return every declared secret with its state: missing, set, expiring or expired. Values are never returned.

    A secret expires when the tenant said, or when it is older than the installed version's manifest allows.
    """
    declared = _declared(tx, tenant_id, install_id)
    newest = {row["name"]: row for row in tx.rows(_NEWEST, tenant_id=tenant_id, install_id=install_id)}
    found = []
    for name, secret in sorted(declared.items()):
        row = newest.get(name)
        expires_at = secret_ages.expires_at(row["created_at"], row["expires_at"], secret.max_age_days) if row else None
        found.append(
            {
                "name": name,
                "description": secret.description,
                "required": secret.required,
                "hosts": list(secret.hosts),
                "header": secret.header,
                "max_age_days": secret.max_age_days,
                "state": "missing" if row is None else _state(expires_at, now),
                "version": row["secret_version"] if row else None,
                "created_at": row["created_at"] if row else None,
                "expires_at": expires_at,
            }
        )
    return found


def _state(expires_at: datetime | None, now: datetime) -> str:
    if expires_at is None or now < expires_at - EXPIRING_BEFORE:
        return "set"
    return "expiring" if now < expires_at else "expired"


def delete(tx: Tx, tenant_id: str, install_id: str, name: str, actor: Actor) -> None:
    """Delete all versions of a secret, or raise ``secret_not_found``."""
    installs.load_install(tx, tenant_id, install_id, lock=True)
    before = _audit_state(tx, tenant_id, install_id, name)
    if tx.execute(_DELETE, tenant_id=tenant_id, install_id=install_id, name=name) == 0:
        raise PlatformError("secret_not_found", f"The secret {name!r} has no value.")
    installs.touch(tx, tenant_id, install_id)
    audit.record(tx, tenant_id, actor, "secret.delete", install_id, before, {"name": name, "state": "missing"})


def _audit_state(tx: Tx, tenant_id: str, install_id: str, name: str) -> dict[str, Any]:
    """Return the state of a secret as the audit trail records it, without its value."""
    row = tx.row(_SELECT_STATE, tenant_id=tenant_id, install_id=install_id, name=name)
    if row is None:
        return {"name": name, "state": "missing"}
    return {"name": name, "state": "set", "version": row["secret_version"], "expires_at": row["expires_at"]}


def _declared(tx: Tx, tenant_id: str, install_id: str, *, lock: bool = False) -> dict[str, Any]:
    install = installs.load_install(tx, tenant_id, install_id, lock=lock)
    manifest = Manifest.model_validate(versions.load_version(tx, str(install["version_id"]))["manifest"])
    return {secret.name: secret for secret in manifest.secrets}
