"""Add finished calls to the totals of their installs and their tenant, and record the thresholds that are reached."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from alga_ext.calls.deliveries import DELIVERING_PRINCIPALS
from alga_ext.calls.limits import (
    METRICS,
    STORAGE,
    TENANT_AS_INSTALL,
    EffectiveLimits,
    Limits,
    effective,
    stored_limits,
)
from alga_ext.calls.messages import ExecutionFinished
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from alga_ext.telemetry import log_failure
from functions.registry.limiting import quota_events

# The rows are locked in the order of the select, in every transaction the same: the installs' before their tenant's. So
# two recorders never wait for each other, and the row that a tenant's calls share is locked for the shortest time.
# What it returns is as it is under the lock.
_COUNT: Final = """
with added as (
  select owner.place, owner.install_id, period.period, sum(calls) as calls, sum(failed_calls) as failed_calls,
         sum(duration_ms) as duration_ms, sum(cpu_ms) as cpu_ms, max(memory_peak_bytes) as memory_peak_bytes,
         sum(egress_bytes) as egress_bytes, sum(log_bytes) as log_bytes
  from json_to_recordset(cast(:finished as json)) as finished (
    install_id uuid, day text, calls bigint, failed_calls bigint, duration_ms double precision, cpu_ms double precision,
    memory_peak_bytes bigint, egress_bytes bigint, log_bytes bigint)
  cross join lateral (values (1, finished.install_id), (2, cast(:nobody as uuid))) as owner (place, install_id)
  cross join lateral (values (finished.day), (left(finished.day, 7))) as period (period)
  group by 1, 2, 3),
counted as (
  insert into app.extension_quota_usage as usage
    (tenant_id, install_id, period, calls, failed_calls, duration_ms, cpu_ms, memory_peak_bytes, egress_bytes,
     log_bytes)
  select :tenant_id, install_id, period, calls, failed_calls, duration_ms, cpu_ms, memory_peak_bytes, egress_bytes,
         log_bytes
  from added order by place, install_id, period
  on conflict (tenant_id, install_id, period) do update
  set calls = usage.calls + excluded.calls, failed_calls = usage.failed_calls + excluded.failed_calls,
      duration_ms = usage.duration_ms + excluded.duration_ms, cpu_ms = usage.cpu_ms + excluded.cpu_ms,
      memory_peak_bytes = greatest(usage.memory_peak_bytes, excluded.memory_peak_bytes),
      egress_bytes = usage.egress_bytes + excluded.egress_bytes, log_bytes = usage.log_bytes + excluded.log_bytes
  returning install_id, period, calls, cpu_ms, egress_bytes, log_bytes, reached)
select counted.*,
       (select jsonb_build_array(l.by_platform, l.by_tenant) from app.extension_limit l
        where l.tenant_id = :tenant_id and l.install_id = counted.install_id) as limits,
       (select sum(s.byte_count) from app.extension_storage_usage s
        where s.tenant_id = :tenant_id and s.install_id = counted.install_id) as storage_bytes
from counted
"""
_STORED_BY_TENANT: Final = """
select coalesce(sum(byte_count), 0) as bytes from app.extension_storage_usage where tenant_id = :tenant_id
"""


def count(
    tx: Tx, tenant_id: str, finished: Sequence[Mapping[str, Any]], defaults: Limits, hops: Mapping[str, int]
) -> None:
    """Add calls to the totals of their UTC day and month, once for their install and once for their tenant.

    When a total or the storage has reached a threshold, a quota event is recorded in the same transaction. The totals'
    rows are locked until it ends, so concurrent recorders neither miss an event nor record it twice. When the stored
    limits of an owner cannot be read, its calls are counted and no event is recorded.

    Args:
        tx: the transaction that changes the calls' records to finished.
        tenant_id: the tenant of all calls.
        finished: the calls of an install on a day: ``install_id``, ``day`` (``YYYY-MM-DD``), ``calls``, the sums
            ``failed_calls``, ``duration_ms``, ``cpu_ms``, ``egress_bytes`` and ``log_bytes``, and the largest
            ``memory_peak_bytes``.
        defaults: the stage's limits.
        hops: how many events in a row have caused the calls of an install, by install id; see ``caused_by``.
    """
    rows = tx.rows(_COUNT, tenant_id=tenant_id, nobody=TENANT_AS_INSTALL, finished=json.dumps(finished, default=str))
    documents = {str(row["install_id"]): row["limits"] for row in rows}
    for row in rows:
        install_id = str(row["install_id"])
        try:
            by_parties = stored_limits(
                documents[TENANT_AS_INSTALL], None if install_id == TENANT_AS_INSTALL else documents[install_id]
            )
        except PlatformError as error:
            log_failure("registry-recorder", error, install_id)  # calls are recorded all the same
            continue
        caused = max(hops.values(), default=0) if install_id == TENANT_AS_INSTALL else hops.get(install_id, 0)
        _record_reached(tx, tenant_id, row, effective(defaults, *by_parties), caused)


def caused_by(messages: Iterable[ExecutionFinished]) -> dict[str, int]:
    """Return the hops of an event that an install's calls cause, by install id: the largest of its calls (pure).

    A call of a user causes an event with 0 hops, the delivery of an event one with 1 more than that event has.
    """
    found: dict[str, int] = {}
    for message in messages:
        hops = message.hops + 1 if message.principal in DELIVERING_PRINCIPALS else 0
        install_id = str(UUID(message.install_id))
        found[install_id] = max(found.get(install_id, 0), hops)
    return found


def _record_reached(tx: Tx, tenant_id: str, row: Row, limits: EffectiveLimits, hops: int) -> None:
    """Record the thresholds that one owner's total of one period has reached."""
    install_id, period = str(row["install_id"]), row["period"]
    of_tenant, in_month = install_id == TENANT_AS_INSTALL, len(period) == len("2026-03")
    quotas = limits.tenant_quotas if of_tenant else limits.install_quotas
    used = {metric: float(row[metric]) for metric in METRICS}
    if in_month and quotas.storage_bytes is not None:
        used[STORAGE] = float(_stored_by_tenant(tx, tenant_id) if of_tenant else row["storage_bytes"] or 0)
    amounts = [quota for quota in quotas.each() if quota.period in (None, "month" if in_month else "day")]
    if reached := quota_events.newly_reached(amounts, used, row["reached"]):
        quota_events.record(tx, tenant_id, install_id, period, reached, hops)


def _stored_by_tenant(tx: Tx, tenant_id: str) -> int:
    """Return how many bytes all installs of a tenant store. It is asked for only when the tenant has a limit."""
    return int(tx.one(_STORED_BY_TENANT, tenant_id=tenant_id)["bytes"])
