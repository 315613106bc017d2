"""A database that counts how often it is asked, for tests and benchmarks about trips."""

from collections.abc import Iterator
from contextlib import contextmanager

from alga_ext.stores.database import Database, Tx


class CountedDatabase(Database):
    """A database that counts its transactions."""

    transactions = 0

    @contextmanager
    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Iterator[Tx]:
        self.transactions += 1
        with super().tenant(tenant_id, timeout_ms, durable=durable) as tx:
            yield tx
