"""Tell tenants of secrets that are about to expire: once for each value and threshold."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from alga_ext.calls import secret_ages
from alga_ext.calls.topics import SECRET_EXPIRING
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from functions.registry.events import lifecycle
from functions.registry.events.lifecycle import of_install
from functions.registry.installing import installs
from functions.registry.publishing import versions

THRESHOLDS_DAYS: Final = (14, 7, 1)
"""How many days before its end a secret is told of."""
_ROWS: Final = 100

_DUE: Final = """
select s.install_id, s.name, s.secret_version, s.created_at, s.expires_at, s.told_days,
       exists (select from app.extension_install_secret newer
               where newer.tenant_id = s.tenant_id and newer.install_id = s.install_id and newer.name = s.name
                 and newer.secret_version > s.secret_version) as is_replaced
from app.extension_install_secret s
where s.tenant_id = :tenant_id and s.look_at <= :now order by s.look_at limit :rows for update of s skip locked
"""
_LOOKED: Final = """
update app.extension_install_secret
set look_at = cast(:look_at as timestamptz), told_days = cast(:told_days as smallint)
where tenant_id = :tenant_id and install_id = :install_id and name = :name and secret_version = :secret_version
"""


class Look(NamedTuple):
    """What is to be told now, as days before the end, and when to look again. None: nothing; never."""

    threshold_days: int | None
    again_at: datetime | None


def look(expires_at: datetime | None, told_days: int | None, now: datetime) -> Look:
    """Return what to tell of a secret at an instant. Of several thresholds that have passed, it is the last one.

    Args:
        expires_at: when it expires, or None.
        told_days: the last threshold that was told, or None.
        now: the instant.
    """
    if expires_at is None:
        return Look(None, None)
    left = [days for days in THRESHOLDS_DAYS if told_days is None or days < told_days]
    passed = [days for days in left if now >= expires_at - timedelta(days=days)]
    ahead = [days for days in left if days not in passed]
    again_at = expires_at - timedelta(days=max(ahead)) if ahead else None
    return Look(min(passed, default=None), again_at)


def tell(tx: Tx, tenant_id: str, now: datetime) -> tuple[int, bool]:
    """Look at a batch of a tenant's secrets; return how many were told of, and whether there may be more to look at."""
    due = tx.rows(_DUE, tenant_id=tenant_id, now=now, rows=_ROWS)
    told = sum(_look_at(tx, tenant_id, row, now) for row in due)
    return told, len(due) == _ROWS


def _look_at(tx: Tx, tenant_id: str, secret: Row, now: datetime) -> bool:
    """Tell of one secret if it is time, and note when to look again: for a value that is not used, never."""
    found, install, expires_at = Look(None, None), _install(tx, tenant_id, str(secret["install_id"])), None
    if install is not None and not secret["is_replaced"]:
        declared = versions.load_version(tx, str(install["version_id"]))["manifest"].get("secrets", ())
        if any(one["name"] == secret["name"] for one in declared):
            max_age_days = secret_ages.max_ages(declared).get(secret["name"])
            expires_at = secret_ages.expires_at(secret["created_at"], secret["expires_at"], max_age_days)
        found = look(expires_at, secret["told_days"], now)
    tx.execute(
        _LOOKED,
        tenant_id=tenant_id,
        install_id=secret["install_id"],
        name=secret["name"],
        secret_version=secret["secret_version"],
        look_at=found.again_at,
        told_days=secret["told_days"] if found.threshold_days is None else found.threshold_days,
    )
    if install is None or expires_at is None or found.threshold_days is None:
        return False
    data = {
        **of_install(install),
        "name": secret["name"],
        "secret_version": secret["secret_version"],
        "expires_at": expires_at.isoformat(),
        "threshold_days": found.threshold_days,
    }
    lifecycle.tell(tx, tenant_id, SECRET_EXPIRING, data)
    return True


def _install(tx: Tx, tenant_id: str, install_id: str) -> Row | None:
    try:
        return installs.load_install(tx, tenant_id, install_id)
    except PlatformError as error:
        if error.code != "install_not_found":
            raise
        return None  # it is uninstalled; one that comes back has its secrets looked at again
