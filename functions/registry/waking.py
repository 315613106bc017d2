"""Wait for a database that is paused."""

from collections.abc import Callable
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database

_PAUSE_S: Final = 5.0


def wait_until_reachable(database: Database, pause: Callable[[float], None], attempts: int) -> None:
    """Open a transaction, again and again: the first connections to a paused database fail for some 15 seconds.

    Args:
        database: to reach.
        pause: waits for so many seconds.
        attempts: how often to try, five seconds apart; an attempt takes some 3 s besides.

    Raises:
        PlatformError: ``database_unavailable`` after the last attempt.
    """
    for attempt in range(1, attempts + 1):
        try:
            with database.system():
                return
        except PlatformError as error:
            if error.code != "database_unavailable" or attempt == attempts:
                raise
        pause(_PAUSE_S)
