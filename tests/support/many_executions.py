"""Many executions and totals of one tenant, beside those of others, for tests and benchmarks of plans."""

import hashlib
import uuid
from typing import Final

from alga_ext.stores.database import Tx

INSTALLS: Final = 50
"""How many installs of the tenant have executions."""

# Of the tenant, one call in 20 fails, one in 1,000 runs out of memory, and one in 5,000 is the rare caller's.
_FILL: Final = """
set local role app_owner;
select app.create_day(((now() - n * interval '1 day') at time zone 'UTC')::date) from generate_series(0, {days}) n;
reset role;
insert into app.extension_execution_log
  (tenant_id, day, execution_id, install_id, extension_id, version_id, content_hash, request_id, trace_id, method, path,
   path_template, principal, state, outcome, accepted_at, finished_at, status, error_code, duration_ms, cpu_ms,
   memory_peak_bytes, egress_bytes, log_bytes)
select tenant, app.execution_day(id), id, md5('l' || n % {installs_called})::uuid, md5('e' || n % 50)::uuid,
       md5('v')::uuid, 'sha256:' || repeat('0', 64), md5(n::text), md5(n::text), 'GET', '/notes/' || n, '/notes/:id',
       case when n % 5000 = 7 then 'rare' else 'user-' || n % 1000 end, 'finished',
       case when n % 1000 = 3 then 'out_of_memory' when n % 20 = 3 then 'guest_error' else 'ok' end,
       uuid_extract_timestamp(id), uuid_extract_timestamp(id), case when n % 20 = 3 then 502 else 200 end,
       case when n % 1000 = 3 then 'guest_out_of_memory' end, 12.5, 3, 1048576, 0, 0
from (select n, case when n < {executions} then '{tenant}' else 'tenant-' || n % 100 end as tenant,
             uuidv7(-(n % {executions}) * interval '{days} days' / {executions}) as id
      from generate_series(0, {executions} + {others} - 1) n) as made;
insert into app.extension_quota_usage (tenant_id, install_id, period, calls)
  select '{tenant}', md5('l' || n)::uuid, period, 1
  from generate_series(0, {installs} - 1) n, (
    select to_char(now() - n * interval '1 day', 'YYYY-MM-DD') as period from generate_series(0, {total_days} - 1) n
    union select to_char(now() - n * interval '1 day', 'YYYY-MM') from generate_series(0, {total_days} - 1) n) periods;
insert into app.extension_endpoint_total (tenant_id, install_id, method, path_template, day, calls)
  select '{tenant}', md5('l' || n / 10)::uuid, 'GET', '/' || n % 10, (now() - d * interval '1 day')::date, 1
  from generate_series(0, {installs} - 1) n, generate_series(0, {total_days} - 1) d;
analyze
"""


def fill(tx: Tx, tenant_id: str, executions: int, others: int, days: int, *, installs: int, total_days: int) -> None:
    """Make rows as the superuser.

    Args:
        tx: a transaction of the superuser.
        tenant_id: the tenant.
        executions: how many of the tenant, evenly over the last ``days`` days.
        others: how many of a hundred other tenants.
        days: see above.
        installs: how many installs, and how many endpoints of them, have totals.
        total_days: for how many days.
    """
    tx.script(
        _FILL.format(
            tenant=tenant_id,
            executions=executions,
            others=others,
            days=days,
            installs=installs,
            total_days=total_days,
            installs_called=INSTALLS,
        )
    )


def install_id(number: int) -> str:
    """Return the id of a numbered install."""
    return str(uuid.UUID(hashlib.md5(f"l{number}".encode(), usedforsecurity=False).hexdigest()))
