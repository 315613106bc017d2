"""Add finished calls to the tenant's metrics and to the platform's totals."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from alga_ext.calls.messages import ExecutionFinished
from alga_ext.platform_metrics import RECORDER_LAG
from alga_ext.stores.database import Tx
from alga_ext.telemetry import emit
from functions.registry.metering import rows

SHARDS: Final = 8
"""How many rows a total of the platform has."""

_ADD_METRICS: Final = """
insert into app.extension_metric_total as total
  (tenant_id, install_id, day, name, unit, value_count, value_sum, value_min, value_max)
select :tenant_id, install_id, day, name, unit, value_count, value_sum, value_min, value_max
from jsonb_to_recordset(cast(:rows as jsonb)) as added (
  install_id uuid, day date, name text, unit text, value_count bigint, value_sum float8, value_min float8,
  value_max float8)
order by install_id, day, name
on conflict (tenant_id, install_id, day, name) do update
set unit = excluded.unit, value_count = total.value_count + excluded.value_count,
    value_sum = total.value_sum + excluded.value_sum, value_min = least(total.value_min, excluded.value_min),
    value_max = greatest(total.value_max, excluded.value_max)
"""
# The rows are locked in the order of the statement's parts and of their selects, in every transaction the same, so two
# recorders never wait for each other.
_ADD_TOTALS: Final = """
with noted as (
  insert into app.tenant_activity as noted (tenant_id, active_at) values (:tenant_id, :at)
  on conflict (tenant_id) do update set active_at = excluded.active_at
  where noted.active_at < excluded.active_at - interval '1 minute'),
added_extensions as (
  insert into app.platform_extension_total as total
    (extension_id, shard, calls, failed_calls, duration_ms, cpu_ms, egress_bytes)
  select extension_id, :shard, calls, failed_calls, duration_ms, cpu_ms, egress_bytes
  from jsonb_to_recordset(cast(:extensions as jsonb)) as added (
    extension_id uuid, calls bigint, failed_calls bigint, duration_ms float8, cpu_ms float8, egress_bytes float8)
  order by extension_id
  on conflict (extension_id, shard) do update
  set calls = total.calls + excluded.calls, failed_calls = total.failed_calls + excluded.failed_calls,
      duration_ms = total.duration_ms + excluded.duration_ms, cpu_ms = total.cpu_ms + excluded.cpu_ms,
      egress_bytes = total.egress_bytes + excluded.egress_bytes)
insert into app.platform_call_total as total
  (outcome, shard, calls, duration_ms, cpu_ms, memory_peak_bytes, fuel, egress_bytes, overhead_ms, lag_ms,
   duration_buckets, memory_buckets, overhead_buckets, lag_buckets)
select outcome, :shard, calls, duration_ms, cpu_ms, memory_peak_bytes, fuel, egress_bytes, overhead_ms, lag_ms,
       duration_buckets, memory_buckets, overhead_buckets, lag_buckets
from jsonb_to_recordset(cast(:calls as jsonb)) as added (
  outcome text, calls bigint, duration_ms float8, cpu_ms float8, memory_peak_bytes float8, fuel float8,
  egress_bytes float8, overhead_ms float8, lag_ms float8, duration_buckets bigint[], memory_buckets bigint[],
  overhead_buckets bigint[], lag_buckets bigint[])
order by outcome
on conflict (outcome, shard) do update
set calls = total.calls + excluded.calls, duration_ms = total.duration_ms + excluded.duration_ms,
    cpu_ms = total.cpu_ms + excluded.cpu_ms, memory_peak_bytes = total.memory_peak_bytes + excluded.memory_peak_bytes,
    fuel = total.fuel + excluded.fuel, egress_bytes = total.egress_bytes + excluded.egress_bytes,
    overhead_ms = total.overhead_ms + excluded.overhead_ms, lag_ms = total.lag_ms + excluded.lag_ms,
    duration_buckets = app.add_arrays(total.duration_buckets, excluded.duration_buckets),
    memory_buckets = app.add_arrays(total.memory_buckets, excluded.memory_buckets),
    overhead_buckets = app.add_arrays(total.overhead_buckets, excluded.overhead_buckets),
    lag_buckets = app.add_arrays(total.lag_buckets, excluded.lag_buckets)
"""

_ADD_UNKNOWN: Final = """
insert into app.platform_unknown_total as total (shard, calls, ended_late) values (:shard, :calls, :ended_late)
on conflict (shard) do update
set calls = total.calls + excluded.calls, ended_late = total.ended_late + excluded.ended_late
"""


def count_metrics(tx: Tx, finished: Sequence[ExecutionFinished], now: datetime) -> None:
    """Add calls of one tenant that have just become finished to every metric that is kept in the database.

    Call it last in the transaction that moved their rows to ``finished``, so that each call counts once. The platform's
    rows are then locked for the shortest time, and by every transaction in the same order.

    Args:
        tx: a transaction of the tenant.
        finished: the calls, at least one.
        now: when they are recorded.
    """
    tenant_id = finished[0].tenant_id
    if metrics := rows.metric_rows(finished):
        tx.execute(_ADD_METRICS, tenant_id=tenant_id, rows=json.dumps(metrics))
    tx.execute(
        _ADD_TOTALS,
        tenant_id=tenant_id,
        at=max(message.at for message in finished),
        shard=shard_of(finished[0].execution_id),
        extensions=json.dumps(rows.extension_rows(finished)),
        calls=json.dumps(rows.call_rows(finished, now)),
    )
    emit("registry-recorder", {RECORDER_LAG: rows.longest_lag_ms(finished, now)})


def count_unknown(tx: Tx, calls: int) -> None:
    """Add calls whose outcome has just become unknown, in the transaction that changed it."""
    if calls:  # one sweeper runs at a time, so one of the rows is enough for it
        tx.execute(_ADD_UNKNOWN, shard=0, calls=calls, ended_late=0)


def count_ended_late(tx: Tx, calls: int, execution_id: str) -> None:
    """Add finished calls whose outcome had been unknown. They count as any other finished call besides."""
    if calls:
        tx.execute(_ADD_UNKNOWN, shard=shard_of(execution_id), calls=0, ended_late=calls)


def shard_of(execution_id: str) -> int:
    """Return which row of each total a transaction adds to: its last bits are random in every version of a UUID."""
    return UUID(execution_id).int % SHARDS
