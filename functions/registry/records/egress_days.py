"""The egress ledger: an install's requests to each destination in a UTC day."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Final

from alga_ext.calls.egress_totals import OTHER
from alga_ext.calls.messages import ExecutionFinished
from alga_ext.stores.database import Row, Tx
from functions.registry.records.egress_rows import egress_rows

DESTINATIONS_LIMIT: Final = 500
"""How many destinations of requests are named of an install in a day."""
REFUSED_LIMIT: Final = 100
"""How many destinations are named of an install in a day that had refused requests only. A guest chooses these names
freely, so they must not take the place of those that it reached."""

# Rows are locked in the order of the select, so two recorders never wait for each other. A transaction that adds to an
# install has locked the install's totals (limiting.counting), so what it finds in ``taken`` does not change meanwhile.
_ADD: Final = """
with given as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as given (
    install_id uuid, day date, destination text, requests bigint, bytes_sent bigint, bytes_received bigint,
    refused bigint)),
taken as (
  select t.install_id, t.day, count(*) filter (where t.requests > 0) as requested,
         count(*) filter (where t.requests = 0) as refused_only
  from app.extension_egress_day t
  where t.tenant_id = :tenant_id and t.destination <> :other
    and (t.day, t.install_id) in (select day, install_id from given)
  group by 1, 2),
placed as (
  select given.*, given.destination = :other or known.destination is not null as is_named,
         row_number() over (partition by given.install_id, given.day, given.requests > 0,
                                         given.destination = :other or known.destination is not null
                            order by given.requests + given.refused desc, given.destination) as place
  from given left join app.extension_egress_day known
    on known.tenant_id = :tenant_id and known.day = given.day and known.install_id = given.install_id
       and known.destination = given.destination),
added as (
  select install_id, day,
         case when is_named or place <= case when requests > 0 then :most - coalesce(requested, 0)
                                             else :most_refused - coalesce(refused_only, 0) end
              then destination else :other end as destination,
         requests, bytes_sent, bytes_received, refused
  from placed left join taken using (install_id, day))
insert into app.extension_egress_day as total
  (tenant_id, install_id, day, destination, requests, bytes_sent, bytes_received, refused)
select :tenant_id, install_id, day, destination, sum(requests), sum(bytes_sent), sum(bytes_received), sum(refused)
from added group by install_id, day, destination order by day, install_id, destination
on conflict (tenant_id, day, install_id, destination) do update
set requests = total.requests + excluded.requests, bytes_sent = total.bytes_sent + excluded.bytes_sent,
    bytes_received = total.bytes_received + excluded.bytes_received, refused = total.refused + excluded.refused
"""
_LIST: Final = """
select install_id, destination, sum(requests)::bigint as requests, sum(bytes_sent)::bigint as bytes_sent,
       sum(bytes_received)::bigint as bytes_received, sum(refused)::bigint as refused
from app.extension_egress_day
where tenant_id = :tenant_id and day >= :first_day and day <= :last_day
  and (cast(:install_id as uuid) is null or install_id = cast(:install_id as uuid))
  and (install_id, destination) > (cast(:after_install as uuid), :after_destination)
group by install_id, destination order by install_id, destination limit :page_size
"""

_MOST_REQUESTED: Final = """
select destination, sum(requests)::bigint as requests, min(day) as first_day, max(day) as last_day,
       (sum(sum(requests)) over ())::bigint as all_requests
from app.extension_egress_day
where tenant_id = :tenant_id and install_id = :install_id and day >= :first_day and day <= :last_day and requests > 0
group by destination order by destination = :other, requests desc, destination limit :most
"""


def add(tx: Tx, tenant_id: str, finished: Sequence[ExecutionFinished]) -> None:
    """Add calls of one tenant that have just become finished to the ledger. Without requests it costs nothing.

    Beyond ``DESTINATIONS_LIMIT`` and ``REFUSED_LIMIT``, destinations of an install and day count under ``OTHER``.

    Args:
        tx: the transaction that changed the calls' records to finished and added them to the totals.
        tenant_id: the tenant of all these calls.
        finished: the calls.
    """
    if rows := egress_rows(finished):
        tx.execute(
            _ADD,
            tenant_id=tenant_id,
            rows=json.dumps(rows),
            other=OTHER,
            most=DESTINATIONS_LIMIT,
            most_refused=REFUSED_LIMIT,
        )


def list_destinations(
    tx: Tx, tenant_id: str, *, install_id: str | None, days: tuple[date, date], after: tuple[str, str], page_size: int
) -> list[Row]:
    """Return the sums of each install and destination, in this order.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: only of this install.
        days: the first and the last UTC day.
        after: install and destination of the last row of the page before.
        page_size: how many rows to return at most.
    """
    return tx.rows(
        _LIST,
        tenant_id=tenant_id,
        install_id=install_id,
        first_day=days[0],
        last_day=days[1],
        after_install=after[0],
        after_destination=after[1],
        page_size=page_size,
    )


def most_requested(
    tx: Tx, tenant_id: str, install_id: str, days: tuple[date, date], most: int
) -> tuple[list[Row], int]:
    """Return the named destinations of an install with the most requests, and the number of requests to all of them.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: one of its installs.
        days: the first and the last UTC day.
        most: how many destinations to return at most.

    Returns:
        Rows with ``destination``, ``requests`` and the first and last day of them; and the sum of all requests, those
        to destinations without a name included.
    """
    rows = tx.rows(
        _MOST_REQUESTED,
        tenant_id=tenant_id,
        install_id=install_id,
        first_day=days[0],
        last_day=days[1],
        other=OTHER,
        most=most,
    )
    requests = int(rows[0]["all_requests"]) if rows else 0
    return [row for row in rows if row["destination"] != OTHER], requests
