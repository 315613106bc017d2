"""What a tenant or one of its installs has used."""

from typing import Final

from alga_ext.stores.database import Row, Tx
from functions.registry.limiting.documents import Owner

_TOTALS: Final = """
select period, calls, cpu_ms, egress_bytes, log_bytes from app.extension_quota_usage
where tenant_id = :tenant_id and install_id = :install_id and period in (:day, :month)
"""
_STORED: Final = """
select coalesce(sum(byte_count), 0) as bytes from app.extension_storage_usage
where tenant_id = :tenant_id and (:is_tenant or install_id = :install_id)
"""


def load_totals(tx: Tx, owner: Owner, day: str, month: str) -> dict[str, Row]:
    """Return the totals of a UTC day and month, by period. One in which nothing was counted is absent."""
    return {row["period"]: row for row in tx.rows(_TOTALS, **owner.key, day=day, month=month)}


def load_stored_bytes(tx: Tx, owner: Owner) -> int:
    """Return how many bytes an install stores, or all installs of a tenant together."""
    return int(tx.one(_STORED, **owner.key, is_tenant=owner.install_id is None)["bytes"])
