"""Encrypt the data keys of tenants' secrets with the present KMS key, so that an earlier key can be deleted.

The key service does it (ReEncrypt): neither the data key nor the secret is seen here. Secrets are taken in the order of
tenant, install, name and version, a page at a time.
"""

from typing import Final, NamedTuple

from alga_ext.stores.aws_calls import KmsDataKeys
from alga_ext.stores.database import Database, Row
from alga_ext.stores.sealing import rewrapped, secret_context
from functions.registry.records import audit
from functions.registry.records.audit import Actor

_TENANTS_PER_PAGE: Final = 200
_LIST_TENANTS: Final = "select tenant_id from app.list_tenants(:after, :page_size) as t(tenant_id)"
_NEXT: Final = """
select install_id, name, secret_version, sealed from app.extension_install_secret
where tenant_id = :tenant_id and (install_id, name, secret_version) > (cast(:install_id as uuid), :name, :version)
order by install_id, name, secret_version limit :page_size
"""
# A row is replaced because no role may update a sealed value. A secret that was deleted meanwhile stays deleted.
_TAKE: Final = """
delete from app.extension_install_secret
where tenant_id = :tenant_id and install_id = :install_id and name = :name and secret_version = :secret_version
  and sealed = :sealed
returning created_at, created_by, expires_at
"""
_PUT_BACK: Final = """
insert into app.extension_install_secret
  (tenant_id, install_id, name, secret_version, sealed, created_at, created_by, expires_at)
values (:tenant_id, :install_id, :name, :secret_version, :sealed, :created_at, :created_by,
        cast(:expires_at as timestamptz))
"""


class Position(NamedTuple):
    """The secret after which a page begins. The default is before the first secret of all."""

    tenant_id: str = ""
    install_id: str = "00000000-0000-0000-0000-000000000000"
    name: str = ""
    version: int = 0


_LAST_OF_TENANT: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class Rewrapping(NamedTuple):
    """What a page did.

    Attributes:
        checked: how many secrets it looked at.
        rewrapped: how many of them had another key.
        end: the position after which the next page begins; None after the last one.
    """

    checked: int
    rewrapped: int
    end: Position | None


def rewrap_page(database: Database, keys: KmsDataKeys, actor: Actor, after: Position, page_size: int) -> Rewrapping:
    """Look at up to ``page_size`` secrets, and at up to ``_TENANTS_PER_PAGE`` tenants.

    Raises:
        PlatformError: ``secret_unavailable`` when the key service cannot be reached or refuses; what was done stays.
    """
    with database.system() as tx:
        tenants = [r["tenant_id"] for r in tx.rows(_LIST_TENANTS, after=after.tenant_id, page_size=_TENANTS_PER_PAGE)]
    checked = changed = 0
    for place in [after, *map(Position, tenants)]:
        rows = _rows(database, place, page_size - checked) if place.tenant_id else []
        for row in rows:
            changed += _rewrap(database, keys, actor, place.tenant_id, row)
        checked += len(rows)
        if checked == page_size:
            last = rows[-1]
            end = Position(place.tenant_id, str(last["install_id"]), last["name"], last["secret_version"])
            return Rewrapping(checked, changed, end)
    is_last = len(tenants) < _TENANTS_PER_PAGE
    return Rewrapping(checked, changed, None if is_last else Position(tenants[-1], _LAST_OF_TENANT))


def _rows(database: Database, after: Position, page_size: int) -> list[Row]:
    with database.tenant(after.tenant_id) as tx:
        return tx.rows(
            _NEXT,
            tenant_id=after.tenant_id,
            install_id=after.install_id,
            name=after.name,
            version=after.version,
            page_size=page_size,
        )


def _rewrap(database: Database, keys: KmsDataKeys, actor: Actor, tenant_id: str, row: Row) -> bool:
    """Rewrap one secret and return True, or return False when it has the present key or is gone."""
    install_id, name = str(row["install_id"]), row["name"]
    context = secret_context(tenant_id, install_id, name)
    sealed = rewrapped(bytes(row["sealed"]), lambda wrapped: keys.rewrap(wrapped, context))
    if sealed is None:
        return False
    place = {"tenant_id": tenant_id, "install_id": install_id, "name": name, "secret_version": row["secret_version"]}
    with database.tenant(tenant_id) as tx:
        taken = tx.row(_TAKE, **place, sealed=row["sealed"])
        if taken is None:
            return False
        tx.execute(_PUT_BACK, **place, sealed=sealed, **taken)
        after = {"name": name, "version": row["secret_version"]}
        audit.record(tx, tenant_id, actor, "secret.rewrap", install_id, after=after)
    return True
