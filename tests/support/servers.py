"""Real servers for tests, one of each a session: PostgreSQL and moto, driven from a thread with an event loop."""

import asyncio
import os
import shutil
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from tools.local.moto_server import MotoServer
from tools.local.postgres import Postgres

T = TypeVar("T")
MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 4 << 30
"""What the databases of a run need at most: those of some tests at once, and the server's log of changes."""


class Loop:
    """An event loop in a thread, for the servers' asynchronous starting and stopping."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def data_parent() -> Path | None:
    """Return where to keep a test server's data: memory, where there is room for it; None for the usual place.

    Each test has a database of its own, which takes milliseconds to make in memory, and on a busy disk up to a second.
    """
    try:
        has_room = shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    except OSError:
        has_room = False
    return MEMORY if has_room and os.access(MEMORY, os.W_OK | os.X_OK) else None


def start_postgres(loop: Loop, folder: Path) -> Postgres:
    """Start a new cluster below ``folder``."""
    server = Postgres(folder / "pgdata", folder / "postgres.log")
    loop.run(server.create())
    loop.run(server.start())
    return server


def start_moto(loop: Loop, folder: Path) -> MotoServer:
    """Start a moto server with its log below ``folder``."""
    server = MotoServer(folder, folder / "moto.log")
    loop.run(server.start())
    return server
