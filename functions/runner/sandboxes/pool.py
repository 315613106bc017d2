"""The runner's sandboxes: one active child, and a spare that replaces it when it ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alga_ext.errors import PlatformError
from alga_ext.telemetry import logger
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Configure, Ready
from functions.runner.sandboxes.child_process import Child

_ATTEMPTS = 3


class Pool:
    """Provides one ready child at a time. Calls of several threads wait for it.

    Args:
        configure: the message that configures every child.
        first: a child that has been started already, if any.
        start: starts a child.
    """

    def __init__(self, configure: Configure, first: Child | None = None, start: Callable[[], Child] = Child) -> None:
        self._configure = configure
        self._start = start
        self._lock = threading.Lock()
        self._active = self._configured(first) if first is not None else None
        self._spare: Child | None = None
        self.kills = 0
        self.starts = int(self._active is not None)

    @contextmanager
    def child(self) -> Iterator[Child]:
        """Yield a ready sandbox for one call. If it dies during the call, the spare replaces it.

        Raises:
            PlatformError: ``runner_unavailable`` when no sandbox can be started.
        """
        with self._lock:
            child = self._ready()
            try:
                yield child
            except BaseException:
                if child.is_ended:
                    self.kills += 1
                    self._active = None
                raise

    def ensure_spare(self) -> None:
        """Start a spare if there is none. It costs a process start, so call this when the answer is ready."""
        with self._lock:
            if self._active is None:
                self._active, self._spare = self._spare, None
            if self._spare is None:
                self._spare = self._new()

    def health(self) -> Ready:
        """Return the active child's report about its confinement. A child is started if there is none.

        Raises:
            PlatformError: ``runner_unavailable`` when no sandbox can be started.
        """
        with self._lock:
            return self._ready().await_ready()

    def close(self) -> None:
        """End all children."""
        with self._lock:
            for child in (self._active, self._spare):
                if child is not None:
                    child.kill()
            self._active = self._spare = None

    def process_ids(self) -> list[int]:
        """Return the process ids of the children, the active child first."""
        return [child.process_id for child in (self._active, self._spare) if child is not None]

    def _ready(self) -> Child:
        for _ in range(_ATTEMPTS):
            child = self._active or self._spare or self._new()
            if child is self._spare:
                self._spare = None
            self._active = child
            if child is not None:
                try:
                    child.await_ready()
                except Ended as ended:
                    logger("runner").error("sandbox is not ready", extra={"reason": ended.reason})
                    self._active = None
                else:
                    return child
        raise PlatformError("runner_unavailable", "Extensions cannot run at the moment; try again.")

    def _new(self) -> Child | None:
        try:
            child = self._start()
        except OSError as error:
            logger("runner").error("sandbox cannot be started", exc_info=error)
            return None
        self.starts += 1
        return self._configured(child)

    def _configured(self, child: Child) -> Child | None:
        try:
            child.configure(self._configure)
        except Ended as ended:
            logger("runner").error("sandbox cannot be configured", extra={"reason": ended.reason})
            return None
        return child
