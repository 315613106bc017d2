"""The rows of egress trials: a narrower list of hosts that an admin tries on an install. It refuses nothing."""

from datetime import date, timedelta
from typing import Any, Final

from alga_ext.stores.database import Row, Tx
from functions.registry.records import audit
from functions.registry.records.audit import Actor

_SELECT: Final = """
select install_id, hosts, first_day, last_day, started_by, started_at from app.extension_egress_trial
where tenant_id = :tenant_id and install_id = :install_id
"""
_INSERT: Final = """
insert into app.extension_egress_trial (tenant_id, install_id, hosts, first_day, last_day, started_by)
values (:tenant_id, :install_id, :hosts, :first_day, :last_day, :actor)
"""
_DELETE: Final = "delete from app.extension_egress_trial where tenant_id = :tenant_id and install_id = :install_id"


def load(tx: Tx, tenant_id: str, install_id: str) -> Row | None:
    """Return the trial of an install, or None."""
    return tx.row(_SELECT, tenant_id=tenant_id, install_id=install_id)


def replace(
    tx: Tx, tenant_id: str, install_id: str, hosts: list[str], first_day: date, days: int, actor: Actor
) -> None:
    """Begin a trial in place of the one that there is, if any. The install must be locked.

    It has the UTC day in which it begins and ``days`` more, so it lasts for so many whole days.
    """
    before = load(tx, tenant_id, install_id)
    tx.execute(_DELETE, tenant_id=tenant_id, install_id=install_id)
    tx.execute(
        _INSERT,
        tenant_id=tenant_id,
        install_id=install_id,
        hosts=hosts,
        first_day=first_day,
        last_day=first_day + timedelta(days=days),
        actor=actor.subject,
    )
    after = load(tx, tenant_id, install_id)
    audit.record(tx, tenant_id, actor, "egress_trial.begin", install_id, _shown(before), _shown(after))


def end(tx: Tx, tenant_id: str, install_id: str, actor: Actor, action: str = "egress_trial.end") -> bool:
    """End the trial of an install, and tell whether there was one. The install must be locked.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: the install.
        actor: who ends it, or makes the change that ends it.
        action: the name in the audit trail.
    """
    before = load(tx, tenant_id, install_id)
    if before is None:
        return False
    tx.execute(_DELETE, tenant_id=tenant_id, install_id=install_id)
    audit.record(tx, tenant_id, actor, action, install_id, _shown(before), _shown(None))
    return True


def _shown(trial: Row | None) -> dict[str, Any]:
    names = ("hosts", "first_day", "last_day")
    return {"trial": None if trial is None else {name: trial[name] for name in names}}
