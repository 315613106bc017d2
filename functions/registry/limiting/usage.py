"""What a tenant or one of its installs has used."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from alga_ext.calls.limits import TENANT_AS_INSTALL
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
# These lists are in the order of the primary key: by owner, the tenant itself first, and by period.
_USED: Final = """
select install_id, period, calls, failed_calls, duration_ms, cpu_ms, memory_peak_bytes, egress_bytes, log_bytes
from app.extension_quota_usage
where tenant_id = :tenant_id and period = any(cast(:periods as text[]))
  and (install_id, period) > (cast(:after_install as uuid), :after_period) {of_install}
order by install_id, period limit :page_size
"""
_SILENT: Final = """
select install_id from (
  select cast(:tenant_itself as uuid) as install_id
  union select install_id from app.extension_storage_usage where tenant_id = :tenant_id) as owner
where (install_id, :present) > (cast(:after_install as uuid), :after_period) {of_install}
  and not exists (select from app.extension_quota_usage used
                  where used.tenant_id = :tenant_id and used.install_id = owner.install_id and used.period = :present)
order by install_id limit :page_size
"""
"""Owners without a call in the present period: the tenant, and installs that store something."""
# Counted for endpoints alone (``endpoint_totals``). Few rows have such calls, and an index has these.
_UNKNOWN: Final = """
select install_id, period, unknown_calls from (
  select coalesce(install_id, cast(:tenant_itself as uuid)) as install_id, period,
         sum(unknown_calls)::bigint as unknown_calls
  from (select install_id, to_char(day, :format) as period, unknown_calls
        from app.extension_endpoint_total
        where tenant_id = :tenant_id and unknown_calls <> 0
          and day >= cast(:first as date) and day < cast(:last as date) + cast(:step as interval)) as total
  group by grouping sets ((install_id, period), (period))) as owner
where unknown_calls > 0 and (install_id, period) > (cast(:after_install as uuid), :after_period) {of_install}
order by install_id, period limit :page_size
"""
_STORED_BY_EACH: Final = """
select coalesce(install_id, cast(:tenant_itself as uuid)) as install_id, sum(byte_count)::bigint as bytes
from app.extension_storage_usage where tenant_id = :tenant_id group by grouping sets ((install_id), ())
"""
FIRST: Final = (TENANT_AS_INSTALL, "")
"""Before the first place of the list: an install and a period."""
_NOTHING: Final = dict.fromkeys(
    ("calls", "failed_calls", "duration_ms", "cpu_ms", "memory_peak_bytes", "egress_bytes", "log_bytes"), 0
)


def list_usage(
    tx: Tx,
    tenant_id: str,
    install_id: str | None,
    periods: Sequence[str],
    present: str,
    after: tuple[str, str],
    page_size: int,
) -> list[Row]:
    """Return totals of a tenant and its installs, by owner and period, with the calls whose outcome is unknown.

    In the present period, those are also listed that have no call: the tenant, and installs that store something.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: only of this install, or of the tenant itself (``TENANT_AS_INSTALL``); None: of all.
        periods: which ones, as ``2026-03-01`` or ``2026-03``: at least one, in order and without a gap.
        present: the present period, in the same form. ``storage_bytes``, stored at the moment, is None in all others.
        after: only what follows this place in the list.
        page_size: how many rows at most.
    """
    asked = {
        "tenant_id": tenant_id,
        "tenant_itself": TENANT_AS_INSTALL,
        "install_id": install_id,
        "present": present,
        "after_install": after[0],
        "after_period": after[1],
        "page_size": page_size,
    }
    of_install = "" if install_id is None else "and install_id = cast(:install_id as uuid)"
    rows = tx.rows(_USED.format(of_install=of_install), periods=list(periods), **asked)
    if present in periods:
        silent = tx.rows(_SILENT.format(of_install=of_install), **asked)
        rows += [{**row, "period": present, **_NOTHING} for row in silent]
    unknown = _unknown(tx, periods, of_install, asked)
    listed = {(row["install_id"], row["period"]): row for row in rows}
    listed |= {
        place: {"install_id": place[0], "period": place[1], **_NOTHING} for place in unknown if place not in listed
    }
    page = [{**listed[place], "unknown_calls": unknown.get(place, 0)} for place in sorted(listed)[:page_size]]
    stored = _stored_by_each(tx, tenant_id) if any(row["period"] == present for row in page) else {}
    return [
        {**row, "storage_bytes": stored.get(row["install_id"], 0) if row["period"] == present else None} for row in page
    ]


def load_totals(tx: Tx, owner: Owner, day: str, month: str) -> dict[str, Row]:
    """Return the totals of a UTC day and month, by period. One in which nothing was counted is absent."""
    return {row["period"]: row for row in tx.rows(_TOTALS, **owner.key, day=day, month=month)}


def load_stored_bytes(tx: Tx, owner: Owner) -> int:
    """Return how many bytes an install stores, or all installs of a tenant together."""
    return int(tx.one(_STORED, **owner.key, is_tenant=owner.install_id is None)["bytes"])


def _unknown(tx: Tx, periods: Sequence[str], of_install: str, asked: dict[str, Any]) -> dict[tuple[UUID, str], int]:
    """Return how many calls have an unknown outcome, by owner and period: the first ``page_size`` that have some."""
    is_monthly = len(periods[0]) == len("2026-03")
    first, last = (f"{period}-01" if is_monthly else period for period in (periods[0], periods[-1]))
    rows = tx.rows(
        _UNKNOWN.format(of_install=of_install),
        first=first,
        last=last,
        format="YYYY-MM" if is_monthly else "YYYY-MM-DD",
        step="1 month" if is_monthly else "1 day",
        **asked,
    )
    return {(row["install_id"], row["period"]): row["unknown_calls"] for row in rows}


def _stored_by_each(tx: Tx, tenant_id: str) -> dict[UUID, int]:
    rows = tx.rows(_STORED_BY_EACH, tenant_id=tenant_id, tenant_itself=TENANT_AS_INSTALL)
    return {row["install_id"]: int(row["bytes"] or 0) for row in rows}
