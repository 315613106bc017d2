"""The tenant's audit trail: who changed what, before and after. Rights in the database make it append-only."""

import json
from typing import Any, Final

from alga_ext.stores.database import Row, Tx

_INSERT: Final = """
insert into app.audit_event (tenant_id, actor, action, subject, before, after, request_id, trace_id)
values (:tenant_id, :actor, :action, :subject, cast(:before as jsonb), cast(:after as jsonb), :request_id, :trace_id)
"""
_LIST: Final = """
select audit_id, at, actor, action, subject, before, after, request_id, trace_id
from app.audit_event where tenant_id = :tenant_id and audit_id < :before_id
order by audit_id desc limit :page_size
"""


class Actor:
    """Who makes a change, in which request, and in which trace if any. Every change is given one."""

    def __init__(self, subject: str, request_id: str, trace_id: str | None = None) -> None:
        self.subject = subject
        self.request_id = request_id
        self.trace_id = trace_id


def record(
    tx: Tx, tenant_id: str, actor: Actor, action: str, subject: str, before: Any = None, after: Any = None
) -> None:
    """Write one audit row in the transaction of the change itself, so that neither exists without the other."""
    tx.execute(
        _INSERT,
        tenant_id=tenant_id,
        actor=actor.subject,
        action=action,
        subject=subject,
        before=None if before is None else json.dumps(before, sort_keys=True, default=str),
        after=None if after is None else json.dumps(after, sort_keys=True, default=str),
        request_id=actor.request_id,
        trace_id=actor.trace_id,
    )


def list_events(tx: Tx, tenant_id: str, before_id: int, page_size: int) -> list[Row]:
    """Return the audit rows before ``before_id``, newest first."""
    return tx.rows(_LIST, tenant_id=tenant_id, before_id=before_id, page_size=page_size)
