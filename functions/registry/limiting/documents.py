"""What the platform and the tenant set as limits, in the table ``app.extension_limit``."""

import json
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec

from alga_ext.calls.limits import (
    TENANT_AS_INSTALL,
    EffectiveLimits,
    InstallLimits,
    Limits,
    TenantLimits,
    effective,
    raised,
    stored_limits,
)
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Tx
from functions.registry.records import audit
from functions.registry.records.audit import Actor

Party = Literal["platform", "tenant"]
"""Who sets limits. The column ``by_…`` of each is its document."""

_SELECT: Final = """
select by_platform, by_tenant, revision, changed_at, changed_by
from app.extension_limit where tenant_id = :tenant_id and install_id = :install_id
"""
_MAKE: Final = """
insert into app.extension_limit (tenant_id, install_id, changed_by) values (:tenant_id, :install_id, :actor)
on conflict (tenant_id, install_id) do nothing
"""
_SET: Final = """
update app.extension_limit
set by_platform = cast(:by_platform as jsonb), by_tenant = cast(:by_tenant as jsonb), revision = revision + 1,
    changed_at = now(), changed_by = :actor
where tenant_id = :tenant_id and install_id = :install_id
"""


class Owner(NamedTuple):
    """Whose limits they are: a tenant's own (``install_id`` is None), or those of one of its installs."""

    tenant_id: str
    install_id: str | None = None

    @property
    def key(self) -> dict[str, str]:
        """The key of its rows in the database."""
        return {"tenant_id": self.tenant_id, "install_id": self.install_id or TENANT_AS_INSTALL}

    @property
    def subject(self) -> str:
        """How the audit trail names it."""
        return self.install_id or self.tenant_id


class Stored(NamedTuple):
    """The documents of one owner. Without a row, both are empty and the revision is 1."""

    by_platform: dict[str, Any]
    by_tenant: dict[str, Any]
    revision: int
    changed_at: datetime | None
    changed_by: str | None


def load(tx: Tx, owner: Owner) -> Stored:
    """Return what is set for an owner."""
    row = tx.row(_SELECT, **owner.key)
    return Stored({}, {}, 1, None, None) if row is None else Stored(**row)


def lock(tx: Tx, owner: Owner, actor: Actor) -> Stored:
    """Return what is set for an owner, locked until the transaction ends. A missing row is inserted first."""
    tx.execute(_MAKE, **owner.key, actor=actor.subject)
    return Stored(**tx.one(f"{_SELECT} for update", **owner.key))


def result(owner: Owner, stored: Stored, defaults: Limits) -> EffectiveLimits:
    """Return the limits that result, of which those of the owner are meaningful."""
    return effective(defaults, *_parsed(owner, stored))


def replace(
    tx: Tx,
    owner: Owner,
    stored: Stored,
    party: Party,
    document: TenantLimits | InstallLimits,
    defaults: Limits,
    actor: Actor,
) -> None:
    """Replace the document of one party, and record it in the tenant's audit trail.

    Args:
        tx: a transaction of the tenant.
        owner: whose limits they are.
        stored: what ``lock`` returned.
        party: who sets them.
        document: the whole new document of this party.
        defaults: the stage's limits.
        actor: who makes the change.

    Raises:
        PlatformError: ``limit_too_high`` when a tenant sets a value above what the platform allows. What the platform
            sets is not compared with the tenant's document, because the lower value applies.
    """
    new = stored._replace(**{f"by_{party}": msgspec.to_builtins(document)})
    if party == "tenant":
        by_platform, by_tenant = _parsed(owner, new)
        if faults := raised(defaults, by_platform, by_tenant):
            more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
            raise PlatformError(
                "limit_too_high",
                f"A tenant can only lower its limits: {'; '.join(faults[:3])}{more}. Set lower values, or ask the "
                "platform's operator for more.",
            )
    tx.execute(
        _SET,
        **owner.key,
        by_platform=json.dumps(new.by_platform),
        by_tenant=json.dumps(new.by_tenant),
        actor=actor.subject,
    )
    before = {f"by_{party}": getattr(stored, f"by_{party}"), "revision": stored.revision}
    after = {f"by_{party}": getattr(new, f"by_{party}"), "revision": stored.revision + 1}
    audit.record(tx, owner.tenant_id, actor, "limits.set", owner.subject, before, after)


def _parsed(owner: Owner, stored: Stored) -> tuple[Limits, Limits]:
    documents = (stored.by_platform, stored.by_tenant)
    return stored_limits(documents, None) if owner.install_id is None else stored_limits(None, documents)
