"""Real servers for tests, one of each a session: PostgreSQL and moto, driven from a thread with an event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tools.local.moto_server import MotoServer
from tools.local.postgres import Postgres

T = TypeVar("T")


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
