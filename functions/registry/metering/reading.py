"""Read the metrics of an install, and the platform's totals."""

from datetime import date, datetime, timedelta
from typing import Any, Final

from alga_ext.stores.database import Row, Tx
from functions.registry.metering.openmetrics import OTHER

BUSIEST: Final = 200
"""How many extensions have a label of their own."""
ACTIVE: Final = timedelta(minutes=15)
"""A tenant is active for this time after a call. Lambda keeps an idle environment about as long."""

_LIST: Final = """
select day, name, unit, value_count as count, value_sum as sum, value_min as min, value_max as max
from app.extension_metric_total
where tenant_id = :tenant_id and install_id = :install_id and day >= :first and day <= :last
  and (day, name) > (:after_day, :after_name)
order by day, name limit :page_size
"""
_CALLS: Final = """
select outcome, calls, duration_ms, cpu_ms, memory_peak_bytes, fuel, egress_bytes, overhead_ms, lag_ms,
       duration_buckets, memory_buckets, overhead_buckets, lag_buckets
from app.platform_call_total order by outcome
"""
_EXTENSIONS: Final = """
with total as (
  select extension_id, sum(calls) as calls, sum(failed_calls) as failed_calls, sum(duration_ms) as duration_ms,
         sum(cpu_ms) as cpu_ms, sum(egress_bytes) as egress_bytes
  from app.platform_extension_total group by extension_id),
ranked as (
  select total.*, row_number() over (order by calls desc, extension_id) as place from total)
select case when place <= :busiest then coalesce(known.name, ranked.extension_id::text) else :other end as extension,
       sum(calls)::bigint as calls, sum(failed_calls)::bigint as failed_calls, sum(duration_ms) as duration_ms,
       sum(cpu_ms) as cpu_ms, sum(egress_bytes) as egress_bytes
from ranked left join app.extension_registry as known on known.extension_id = ranked.extension_id
group by 1 order by min(place)
"""
_UNKNOWN: Final = """
select coalesce(sum(calls), 0)::bigint as calls, coalesce(sum(ended_late), 0)::bigint as ended_late
from app.platform_unknown_total
"""
_DELIVERIES: Final = "select lag_ms, lag_buckets from app.platform_delivery_total"
_ACTIVE: Final = "select app.count_active_tenants(:since) as tenants"


def list_metrics(
    tx: Tx, tenant_id: str, install_id: str, days: tuple[date, date], after: tuple[date, str], page_size: int
) -> list[Row]:
    """Return the totals of an install's metrics, by day and name.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: one of its installs.
        days: the first and the last UTC day.
        after: day and name of the last row of the page before.
        page_size: how many rows to return at most.
    """
    first, last = days
    return tx.rows(
        _LIST,
        tenant_id=tenant_id,
        install_id=install_id,
        first=first,
        last=last,
        after_day=after[0],
        after_name=after[1],
        page_size=page_size,
    )


def load_calls(tx: Tx) -> list[Row]:
    """Return the total of each outcome, over all its rows."""
    totals: dict[str, Row] = {}
    for row in tx.rows(_CALLS):
        total = totals.setdefault(row["outcome"], row)
        if total is not row:
            totals[row["outcome"]] = {name: _added(total[name], value) for name, value in row.items()}
    return list(totals.values())


def _added(before: Any, value: Any) -> Any:
    """Return the sum of two numbers or, place by place, of two lists; a text is returned as it is."""
    if isinstance(value, list):
        return [ours + added for ours, added in zip(before, value, strict=True)]
    return value if isinstance(value, str) else before + value


def load_extensions(tx: Tx) -> list[Row]:
    """Return the totals of the busiest extensions, the busiest first, and one of all others."""
    return tx.rows(_EXTENSIONS, busiest=BUSIEST, other=OTHER)


def load_unknown(tx: Tx) -> Row:
    """Return how many calls became unknown (``calls``), and how many of them ended late (``ended_late``)."""
    return tx.one(_UNKNOWN)


def load_deliveries(tx: Tx) -> list[Row]:
    """Return the totals of deliveries that were tried: ``lag_ms`` and ``lag_buckets``."""
    return tx.rows(_DELIVERIES)


def count_active_tenants(tx: Tx, now: datetime) -> int:
    """Return how many tenants had a call in the last 15 minutes."""
    return int(tx.one(_ACTIVE, since=now - ACTIVE)["tenants"])
