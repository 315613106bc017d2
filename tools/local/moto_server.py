"""S3, SQS and KMS for the local platform: moto's server as a child process. It keeps all data in memory."""

import asyncio
from pathlib import Path

from tools.local.ports import free_port, listening
from tools.local.processes import Child, start_module

START_TIMEOUT_S = 30.0


class MotoServer:
    """The server, at `url` once started."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self._child: Child | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id, None while the server is stopped; tests suspend and continue the process."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Start the server and wait until it accepts connections. Raises TimeoutError or ChildProcessError."""
        self._child = await start_module(
            "moto.server",
            ["--host", "127.0.0.1", "--port", str(self.port)],
            environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MOTO_S3_DEFAULT_MAX_KEYS": "1000"},
            folder=self._folder,
            log=self._log,
        )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await asyncio.to_thread(listening, self.port):
                if not self._child.running:
                    message = f"moto server did not start; see {self._log}"
                    raise ChildProcessError(message)
                await asyncio.sleep(0.03)

    async def stop(self) -> None:
        """End the server; its objects and messages are lost."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop(grace_s=0.2)
