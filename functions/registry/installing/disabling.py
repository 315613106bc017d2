"""Disable and enable an install with rows of their own, so that disabling waits for no lock of the install.

An install is disabled while ``app.extension_install_disabling`` has a row of it. A disabling inserts a row with a new
key. That waits neither for a transaction that has locked or changed the install, nor for one that deletes older rows
(an enabling that has not committed yet). See ADR 0023.
"""

from typing import Final

from alga_ext.stores.database import Tx

_HAS_ROW: Final = """
select disabling_id from app.extension_install_disabling
where tenant_id = :tenant_id and install_id = :install_id limit 1 for key share skip locked
"""
"""Skips rows that an open transaction deletes. The row that is found cannot be deleted before this transaction ends."""
_INSERT: Final = """
insert into app.extension_install_disabling (tenant_id, install_id) values (:tenant_id, :install_id)
"""
_DELETE: Final = """
delete from app.extension_install_disabling where tenant_id = :tenant_id and install_id = :install_id
"""


def begin(tx: Tx, tenant_id: str, install_id: str) -> bool:
    """Disable an install of the tenant, waiting for no lock. Return False when a disabling of it stays in force."""
    if tx.rows(_HAS_ROW, tenant_id=tenant_id, install_id=install_id):
        return False
    tx.execute(_INSERT, tenant_id=tenant_id, install_id=install_id)
    return True


def end(tx: Tx, tenant_id: str, install_id: str) -> None:
    """Delete the disablings of an install that this statement sees. One that commits later stays in force.

    The install must be locked.
    """
    tx.execute(_DELETE, tenant_id=tenant_id, install_id=install_id)
