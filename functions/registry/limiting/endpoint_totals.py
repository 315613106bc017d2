"""Totals of each endpoint of an install and UTC day. They outlive the records: they name no path that was called.

A call whose outcome is unknown counts as such, and as finished when its end is reported after all.
"""

from datetime import date
from typing import Final, Literal

from alga_ext.stores.database import Row, Tx

Period = Literal["day", "month"]
Place = tuple[str, str, str, date]
"""A place in the list: install, method, path template and the last day of a period that counted."""
FIRST: Final[Place] = ("00000000-0000-0000-0000-000000000000", "", "", date.min)

# Of calls whose rows a recorder has just written: the rows of a CTE named "written". Rows are locked in the order of
# the select, in every transaction the same, so two recorders never wait for each other.
ADD_ENDPOINTS: Final = """
  insert into app.extension_endpoint_total as total
    (tenant_id, install_id, method, path_template, day, calls, failed_calls, unknown_calls, duration_ms, cpu_ms,
     memory_peak_bytes, egress_bytes, log_bytes)
  select :tenant_id, install_id, method, coalesce(path_template, ''), on_day, count(*),
         count(*) filter (where outcome <> 'ok'), -count(*) filter (where outcome_before = 'unknown'),
         sum(duration_ms), sum(cpu_ms), max(memory_peak_bytes), sum(egress_bytes), sum(log_bytes)
  from written where state = 'finished' group by 2, 3, 4, 5 order by 2, 3, 4, 5
  on conflict (tenant_id, install_id, method, path_template, day) do update
  set calls = total.calls + excluded.calls, failed_calls = total.failed_calls + excluded.failed_calls,
      unknown_calls = total.unknown_calls + excluded.unknown_calls,
      duration_ms = total.duration_ms + excluded.duration_ms, cpu_ms = total.cpu_ms + excluded.cpu_ms,
      memory_peak_bytes = greatest(total.memory_peak_bytes, excluded.memory_peak_bytes),
      egress_bytes = total.egress_bytes + excluded.egress_bytes, log_bytes = total.log_bytes + excluded.log_bytes
"""
# The same for calls whose outcome a sweeper has just lost: the rows of a CTE named "lost".
ADD_UNKNOWN: Final = """
  insert into app.extension_endpoint_total as total
    (tenant_id, install_id, method, path_template, day, unknown_calls)
  select :tenant_id, install_id, method, coalesce(path_template, ''), (accepted_at at time zone 'UTC')::date, count(*)
  from lost group by 2, 3, 4, 5 order by 2, 3, 4, 5
  on conflict (tenant_id, install_id, method, path_template, day) do update
  set unknown_calls = total.unknown_calls + excluded.unknown_calls
"""
# The primary key is the order of the list, and the days of a month follow each other. So many rows are read that the
# first ``page_size`` of the periods are whole.
_LIST: Final = """
select install_id, method, path_template, to_char(day, :format) as period, max(day) as last_day,
       sum(calls)::bigint as calls, sum(failed_calls)::bigint as failed_calls,
       greatest(sum(unknown_calls), 0)::bigint as unknown_calls, sum(duration_ms) as duration_ms, sum(cpu_ms) as cpu_ms,
       max(memory_peak_bytes) as memory_peak_bytes, sum(egress_bytes)::bigint as egress_bytes,
       sum(log_bytes)::bigint as log_bytes
from (
  select * from app.extension_endpoint_total
  where tenant_id = :tenant_id and day between cast(:first as date) and cast(:last as date)
    and (install_id, method, path_template, day)
        > (cast(:after_install as uuid), :after_method, :after_path, cast(:after_day as date)) {of_install}
  order by install_id, method, path_template, day limit :rows_read) as total
group by 1, 2, 3, 4 order by 1, 2, 3, 4 limit :page_size
"""
_FORMATS: Final[dict[Period, str]] = {"day": "YYYY-MM-DD", "month": "YYYY-MM"}
_DAYS: Final[dict[Period, int]] = {"day": 1, "month": 31}
"""How many rows a period of an endpoint has at most."""


def list_endpoints(
    tx: Tx,
    tenant_id: str,
    install_id: str | None,
    period: Period,
    days: tuple[date, date],
    after: Place,
    page_size: int,
) -> list[Row]:
    """Return totals by install, method, path template and period. ``last_day`` is the last one that counted.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: only of this install; None: of all.
        period: one row for each UTC day, or for each month.
        days: the first and the last UTC day that count.
        after: only what follows this place in the list.
        page_size: how many rows at most.
    """
    first, last = days
    of_install = "" if install_id is None else "and install_id = cast(:install_id as uuid)"
    return tx.rows(
        _LIST.format(of_install=of_install),
        tenant_id=tenant_id,
        install_id=install_id,
        format=_FORMATS[period],
        first=first,
        last=last,
        after_install=after[0],
        after_method=after[1],
        after_path=after[2],
        after_day=after[3],
        rows_read=_DAYS[period] * (page_size + 1),
        page_size=page_size,
    )
