"""An advisory lock, so that a state folder has one platform; the kernel releases it when the process ends."""

import fcntl
import os
from pathlib import Path


class AlreadyRunningError(Exception):
    """Another platform uses the folder; the message names its process and how to end it."""


class PlatformLock:
    """The lock file, held from construction to `release`. Raises AlreadyRunningError."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            message = (
                f"A platform is already running in this checkout (process {holder}). "
                f"Stop it with Ctrl-C in its terminal or `kill {holder}`, then start again."
            )
            raise AlreadyRunningError(message) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock; the file stays, empty."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
