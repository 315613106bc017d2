"""A database on which nothing waits, to show that a request needs no lock that another one holds."""

from collections.abc import Iterator
from contextlib import contextmanager

from alga_ext.stores.database import Database, Tx

_DO_NOT_WAIT = "select set_config('lock_timeout', '1', true)"


class ImpatientDatabase(Database):
    """A database on which a statement fails when it has to wait for a lock longer than a millisecond."""

    @contextmanager
    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Iterator[Tx]:
        with super().tenant(tenant_id, timeout_ms, durable=durable) as tx:
            tx.execute(_DO_NOT_WAIT)
            yield tx

    @contextmanager
    def system(self) -> Iterator[Tx]:
        with super().system() as tx:
            tx.execute(_DO_NOT_WAIT)
            yield tx
