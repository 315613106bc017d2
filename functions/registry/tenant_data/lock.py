"""The lock that keeps an erasure and an export of the same tenant from beginning at the same time."""

from typing import Final

from alga_ext.stores.database import Tx

_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(:tenant_id, 14))"


def take(tx: Tx, tenant_id: str) -> None:
    """Wait for other requests about the tenant's data as a whole. The lock is held until the transaction ends."""
    tx.execute(_LOCK, tenant_id=tenant_id)
