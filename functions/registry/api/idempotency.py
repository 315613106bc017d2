"""Idempotency keys of creations.

The same request under the same key gets the first answer again. Another request under that key is refused. The record
is written in the transaction of the creation, so neither exists without the other.
"""

import hashlib
import json
from typing import Any, Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Tx

_FIND: Final = {
    True: """
select body_sha256, status, response from app.idempotency_record
where tenant_id = :tenant_id and principal = :principal and operation = :operation and key = :key
""",
    False: """
select body_sha256, status, response from app.platform_idempotency_record
where principal = :principal and operation = :operation and key = :key
""",
}
_INSERT: Final = {
    True: """
insert into app.idempotency_record (tenant_id, principal, operation, key, body_sha256, status, response)
values (:tenant_id, :principal, :operation, :key, :body_sha256, :status, cast(:response as jsonb))
""",
    False: """
insert into app.platform_idempotency_record (principal, operation, key, body_sha256, status, response)
values (:principal, :operation, :key, :body_sha256, :status, cast(:response as jsonb))
""",
}


_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(:identity, 13))"


class Answer(NamedTuple):
    """An answer that can be stored: its HTTP status and its JSON document."""

    status: int
    document: Any


class Attempt(NamedTuple):
    """One request to create something under an idempotency key. Without a key nothing is looked up or stored."""

    tenant_id: str | None
    principal: str
    operation: str
    key: str | None
    body: bytes

    @property
    def _identity(self) -> dict[str, Any]:
        identity = {"principal": self.principal, "operation": self.operation, "key": self.key}
        return identity if self.tenant_id is None else {"tenant_id": self.tenant_id, **identity}

    def earlier(self, tx: Tx) -> Answer | None:
        """Return the answer that an earlier attempt got, or None.

        Takes a lock that is held until the transaction ends. So this waits for an attempt under the same key that is
        still running, and later attempts wait here for this one.

        Raises:
            PlatformError: ``idempotency_conflict`` when the key was used with another body; ``invalid_request`` for a
                key that is empty or too long.
        """
        if self.key is None:
            return None
        if not 1 <= len(self.key) <= 255:
            raise PlatformError(
                "invalid_request", f"The Idempotency-Key has {len(self.key)} characters; send 1 to 255 characters."
            )
        tx.execute(_LOCK, identity=json.dumps([self.tenant_id, self.principal, self.operation, self.key]))
        row = tx.row(_FIND[self.tenant_id is not None], **self._identity)
        if row is None:
            return None
        if row["body_sha256"] != hashlib.sha256(self.body).hexdigest():
            raise PlatformError(
                "idempotency_conflict", "This Idempotency-Key was used for another request; send a new key."
            )
        return Answer(row["status"], row["response"])

    def keep(self, tx: Tx, answer: Answer) -> None:
        """Store the answer. Call it in the same transaction as ``earlier``."""
        if self.key is None:
            return
        tx.execute(
            _INSERT[self.tenant_id is not None],
            **self._identity,
            body_sha256=hashlib.sha256(self.body).hexdigest(),
            status=answer.status,
            response=json.dumps(answer.document, default=str),
        )
