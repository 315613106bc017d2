"""Add a finished call to the totals of its install and of its tenant, and record the thresholds that it reaches."""

from typing import Final

from alga_ext.calls.limits import METRICS, STORAGE, TENANT_AS_INSTALL, Limits, effective, stored_limits
from alga_ext.calls.messages import ExecutionFinished
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Tx
from alga_ext.telemetry import log_failure
from functions.registry.limiting import quota_events

# The rows are locked in the order of the select, in every transaction the same: the install's before its tenant's. So
# two recorders never wait for each other, and the row that a tenant's calls share is locked for the shortest time.
# What it returns is as it is under the lock.
_COUNT: Final = """
with counted as (
  insert into app.extension_quota_usage as usage
    (tenant_id, install_id, period, calls, failed_calls, duration_ms, cpu_ms, egress_bytes, log_bytes)
  select :tenant_id, owner.install_id, period.period, 1, :failed, :duration_ms, :cpu_ms, :egress_bytes, :log_bytes
  from (values (1, cast(:install_id as uuid)), (2, cast(:nobody as uuid))) as owner (place, install_id)
  cross join (values (:day), (:month)) as period (period)
  order by owner.place, period.period
  on conflict (tenant_id, install_id, period) do update
  set calls = usage.calls + 1, failed_calls = usage.failed_calls + excluded.failed_calls,
      duration_ms = usage.duration_ms + excluded.duration_ms, cpu_ms = usage.cpu_ms + excluded.cpu_ms,
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


def count(tx: Tx, message: ExecutionFinished, defaults: Limits) -> None:
    """Add a call to the totals of its UTC day and month, once for its install and once for its tenant.

    When a total or the storage has reached a threshold, a quota event is recorded in the same transaction. The totals'
    rows are locked until it ends, so concurrent recorders neither miss an event nor record it twice. When the stored
    limits cannot be read, the call is counted and no event is recorded.
    """
    usage = message.usage
    day, month = message.accepted_at[:10], message.accepted_at[:7]
    rows = tx.rows(
        _COUNT,
        tenant_id=message.tenant_id,
        install_id=message.install_id,
        nobody=TENANT_AS_INSTALL,
        day=day,
        month=month,
        failed=1 if message.error_code is not None or message.status >= 500 else 0,
        duration_ms=usage.duration_ms,
        cpu_ms=usage.cpu_ms,
        egress_bytes=usage.egress_bytes,
        log_bytes=usage.log_bytes,
    )
    documents = {str(row["install_id"]): row["limits"] for row in rows}
    try:
        by_parties = stored_limits(documents.get(TENANT_AS_INSTALL), documents.get(message.install_id))
    except PlatformError as error:
        log_failure("registry-recorder", error, message.request_id)  # a call is recorded all the same
        return
    limits = effective(defaults, *by_parties)
    for row in rows:
        of_tenant = str(row["install_id"]) == TENANT_AS_INSTALL
        quotas = limits.tenant_quotas if of_tenant else limits.install_quotas
        in_month = row["period"] == month
        used = {metric: float(row[metric]) for metric in METRICS}
        if in_month and quotas.storage_bytes is not None:
            used[STORAGE] = float(_stored_by_tenant(tx, message.tenant_id) if of_tenant else row["storage_bytes"] or 0)
        amounts = [quota for quota in quotas.each() if quota.period in (None, "month" if in_month else "day")]
        if reached := quota_events.newly_reached(amounts, used, row["reached"]):
            quota_events.record(tx, message.tenant_id, str(row["install_id"]), row["period"], reached)


def _stored_by_tenant(tx: Tx, tenant_id: str) -> int:
    """Return how many bytes all installs of a tenant store. It is asked for only when the tenant has a limit."""
    return int(tx.one(_STORED_BY_TENANT, tenant_id=tenant_id)["bytes"])
