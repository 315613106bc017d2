"""List a tenant's executions, newest first."""

from datetime import date
from typing import Final, Literal

from alga_ext.stores.database import Row, Tx

OutcomeFilter = Literal["ok", "error"]

# An execution id of version 7 begins with its time, so the primary key is the order of the list.
_LIST: Final = """
select day, execution_id, install_id, extension_id, version_id, request_id, trace_id, method, path, path_template,
       principal, state, outcome, accepted_at, finished_at, status, error_code, duration_ms, log_bytes
from app.extension_execution_log
where tenant_id = :tenant_id and (day, execution_id) < (cast(:before_day as date), cast(:before_id as uuid))
  and (cast(:install_id as uuid) is null or install_id = cast(:install_id as uuid))
  and (cast(:failed as boolean) is null or (outcome <> 'ok') = cast(:failed as boolean))
order by day desc, execution_id desc limit :page_size
"""


def list_executions(
    tx: Tx,
    tenant_id: str,
    *,
    install_id: str | None,
    outcome: OutcomeFilter | None,
    before: tuple[date, str],
    page_size: int,
) -> list[Row]:
    """Return one page of executions.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: only of this install.
        outcome: only those that ended so; ``error`` is every outcome but ``ok``.
        before: only those after this place in the list: day and id of an execution.
        page_size: how many at most.
    """
    return tx.rows(
        _LIST,
        tenant_id=tenant_id,
        install_id=install_id,
        failed=None if outcome is None else outcome == "error",
        before_day=before[0],
        before_id=before[1],
        page_size=page_size,
    )
