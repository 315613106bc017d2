"""Claims: which execution may run the call of an idempotency key, and what it answered.

A claim is taken before the call is accepted and settled after it: two trips to the database, each a transaction that
is durable when it returns. All times are those of the database's clock, so that gateways need not agree on theirs.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database, Row
from functions.gateway.admission import AdmittedCall
from functions.gateway.execution import Execution
from functions.gateway.idempotency.keys import request_sha256, scope_sha256

KEPT_BODY_LIMIT_BYTES: Final = 256 * 1024
"""A longer answer is not kept. The table has the same limit."""

# An insert that meets a row waits for the transaction that wrote it, and holds the row until its own end. So of several
# gateways one gets the claim, and the others read what that one has committed. After the wait only clock_timestamp() is
# the present.
_TAKE: Final = """
insert into app.call_idempotency as c
  (tenant_id, scope_sha256, request_sha256, execution_id, request_id, deadline_at)
values (:tenant_id, :scope_sha256, :request_sha256, :execution_id, :request_id,
        clock_timestamp() + :limit_ms * interval '1 millisecond')
on conflict (tenant_id, scope_sha256) do update
set request_sha256 = excluded.request_sha256, execution_id = excluded.execution_id, request_id = excluded.request_id,
    created_at = clock_timestamp(), deadline_at = clock_timestamp() + :limit_ms * interval '1 millisecond',
    status = null, headers = null, body = null, error = null
where c.created_at <= clock_timestamp() - interval '24 hours'
"""
_READ: Final = """
select request_sha256, request_id, status, headers, body, error,
       cast(extract(epoch from deadline_at - clock_timestamp()) as float8) as left_s
from app.call_idempotency
where tenant_id = :tenant_id and scope_sha256 = :scope_sha256
"""
_MINE: Final = "tenant_id = :tenant_id and scope_sha256 = :scope_sha256 and execution_id = :execution_id"
_GIVE_UP: Final = f"delete from app.call_idempotency where {_MINE}"  # noqa: S608 - constants only
_LOSE: Final = f"update app.call_idempotency set deadline_at = clock_timestamp() where {_MINE}"  # noqa: S608
_KEEP: Final = f"""
update app.call_idempotency
set status = :status, headers = cast(:headers as json), body = :body, error = cast(:error as json)
where {_MINE}
"""  # noqa: S608 - constants only


class Earlier(NamedTuple):
    """The call that has a key already.

    Attributes:
        request_sha256: see ``keys.request_sha256``.
        request_id: the id of that call.
        status: of its answer; None while it is not known.
        headers: of its answer, if that is kept.
        body: of its answer, if that is kept.
        error: code, detail and members of the problem document that it was answered with instead.
        left_s: how many seconds it may still run. When none are left and there is no status, the outcome is unknown.
    """

    request_sha256: bytes
    request_id: str
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None
    error: dict[str, Any] | None
    left_s: float

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the call that a row describes."""
        return cls(**row)


class Claim(NamedTuple):
    """What identifies one claim: the call's scope, and the execution that wants to run it."""

    tenant_id: str
    scope_sha256: bytes
    request_sha256: bytes
    execution_id: str
    request_id: str

    @classmethod
    def of(cls, call: AdmittedCall, key: str, execution: Execution) -> Self:
        """Return the claim of an execution."""
        return cls(
            call.tenant_id, scope_sha256(call, key), request_sha256(call), execution.execution_id, call.request_id
        )

    def take(self, database: Database, limit_ms: int) -> Earlier | None:
        """Take the claim, or return the call that has it. A claim that is a day old is taken over.

        Args:
            database: PostgreSQL as ``fn_gateway``.
            limit_ms: after how many milliseconds without a result the outcome of the call counts as unknown.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        with database.tenant(self.tenant_id) as tx:
            if tx.execute(_TAKE, **self._asdict(), limit_ms=limit_ms):
                return None
            return Earlier.of(tx.one(_READ, tenant_id=self.tenant_id, scope_sha256=self.scope_sha256))

    def keep_answer(self, database: Database, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keep an answer; of one that is too large, only its status.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        if len(body) > KEPT_BODY_LIMIT_BYTES:
            self._write(database, _KEEP, status=status, headers=None, body=None, error=None)
        else:
            self._write(database, _KEEP, status=status, headers=json.dumps(dict(headers)), body=body, error=None)

    def keep_error(self, database: Database, error: PlatformError) -> None:
        """Keep the error that a call which may have run was answered with.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        kept = {"code": error.code, "detail": error.detail, "members": error.members}
        self._write(database, _KEEP, status=error.status, headers=None, body=None, error=json.dumps(kept))

    def lose(self, database: Database) -> None:
        """Note that the outcome will never be known.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        self._write(database, _LOSE)

    def give_up(self, database: Database) -> None:
        """Delete the claim of a call that has certainly not run, so that the caller may repeat it.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        self._write(database, _GIVE_UP)

    def _write(self, database: Database, sql: str, **values: Any) -> None:
        with database.tenant(self.tenant_id) as tx:
            tx.execute(
                sql,
                tenant_id=self.tenant_id,
                scope_sha256=self.scope_sha256,
                execution_id=self.execution_id,
                **values,
            )
