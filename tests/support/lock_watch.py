"""Watch a test's database for transactions that wait for another one's lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alga_ext.stores.database import Database
from tests.conftest import Databases

_WAITING = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@contextmanager
def lock_watch(databases: Databases) -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether a transaction waits at this moment. It is connected already."""
    watching = Database(databases.owner)

    def waits() -> bool:
        with watching.system() as tx:
            return bool(tx.rows(_WAITING))

    assert not waits()
    try:
        yield waits
    finally:
        watching.close()
