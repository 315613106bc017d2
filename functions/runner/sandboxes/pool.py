"""The runner's sandboxes: one child for each key, a fixed number of them alive, and a generic spare.

A key names one install with one set of grants, running one version. A child that was given to a key never serves
another key, so code that takes over a child reaches only what that install was granted. Four rules keep this within the
function's memory:

1. At most ``limit`` children are alive, the spare included.
2. A new key gets the spare, or a new child. If there is no room, the least recently used idle child is ended.
3. If no child is idle, the call waits until its deadline. Calls of one key wait for the key's child in the same way.
4. When an answer is ready, a new spare is started if it is likely to be needed: calls of more than one key have come,
   or no child is left. An environment whose only install is called again would pay for a spare and not use it.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.telemetry import logger
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Configure, Ready
from functions.runner.sandboxes.child_process import Child

_ATTEMPTS: Final = 3


class SandboxKey(NamedTuple):
    """Whose code a sandbox runs, which code, and with which grants."""

    tenant_id: str
    install_id: str
    content_hash: str
    grant_hash: str


class Lent(NamedTuple):
    """A ready sandbox for one call, and how many nanoseconds the call waited while all sandboxes were busy."""

    child: Child
    waited_ns: int


class Pool:
    """Gives sandboxes to calls. Calls with different keys run at the same time, each in its own thread.

    Args:
        configure: the message that configures every child.
        limit: how many children may be alive, at least 2: one at work, and the spare.
        first: a child that has been started already, if any. It is the first spare.
        start: starts a child.
    """

    def __init__(
        self, configure: Configure, limit: int, first: Child | None = None, start: Callable[[], Child] = Child
    ) -> None:
        self._configure = configure
        self._limit = limit
        self._start = start
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._assigned: dict[Hashable, Child] = {}
        """The children of keys, the least recently used first."""
        self._busy: set[Hashable] = set()
        self._waiting = 0
        self._keys: set[SandboxKey] = set()
        """The first two keys that calls came with."""
        self._spare = self._configured(first) if first is not None else None
        self._report: Ready | None = None
        self.kills = 0
        self.starts = int(first is not None)

    def child(self, key: SandboxKey, program_key: str, until_ns: int) -> AbstractContextManager[Lent]:
        """Yield the sandbox of a key for one call.

        Args:
            key: the key.
            program_key: the program that the call will run. A child that has loaded another program is replaced.
            until_ns: how long the call may wait for a sandbox (nanoseconds of CLOCK_MONOTONIC).

        Raises:
            PlatformError: ``runner_unavailable`` when no sandbox is free in time, or none can be started.
        """
        with self._lock:
            if len(self._keys) < 2:
                self._keys.add(key)
        return self._lend(key, program_key, until_ns)

    @contextmanager
    def throwaway(self, until_ns: int) -> Iterator[Child]:
        """Yield a sandbox that belongs to no key, and end it afterwards.

        Raises:
            PlatformError: see ``child``.
        """
        with self._lend(object(), None, until_ns) as lent:
            try:
                yield lent.child
            finally:
                lent.child.kill()

    def answered(self) -> None:
        """Start a spare if one is likely to be needed. It costs a process start: call this when the answer is ready."""
        with self._lock:
            is_likely = len(self._keys) > 1 or not self._assigned
        if is_likely:
            self.ensure_spare()

    def ensure_spare(self) -> None:
        """Start a spare if there is none.

        While calls wait for a sandbox, none is started: room for it might be made by ending the child that they need.
        """
        with self._lock:
            if self._spare is None and not self._waiting and self._make_room():
                self._spare = self._new()

    def health(self) -> Ready:
        """Return the spare's report about its confinement. A spare is started if there is none.

        All sandboxes are configured alike, so while all are busy the report of another one is returned.

        Raises:
            PlatformError: ``runner_unavailable`` when no sandbox can be started.
        """
        probe = object()
        try:
            with self._lend(probe, None, until_ns=0) as lent, self._lock:
                del self._assigned[probe]  # it has run nothing, so it is the spare again
                spare, self._spare = self._spare, lent.child
                if spare is not None:
                    spare.kill()
        except PlatformError:
            if len(self._busy) < self._limit:
                raise
        if self._report is None:
            raise PlatformError("runner_unavailable", "No sandbox has started yet; try again.")
        return self._report

    def close(self) -> None:
        """End all children."""
        with self._lock:
            for child in [*self._assigned.values(), self._spare]:
                if child is not None:
                    child.kill()
            self._assigned.clear()
            self._spare = None

    def process_ids(self) -> list[int]:
        """Return the process ids of the children: the most recently used first, the spare last."""
        with self._lock:
            children = [*reversed(self._assigned.values()), self._spare]
        return [child.process_id for child in children if child is not None]

    @contextmanager
    def _lend(self, key: Hashable, program_key: str | None, until_ns: int) -> Iterator[Lent]:
        asked_ns = time.monotonic_ns()
        with self._lock:
            while key in self._busy or not self._make_room(key):
                left_ns = until_ns - time.monotonic_ns()
                if left_ns <= 0:
                    raise PlatformError("runner_unavailable", "All sandboxes are busy; try again.")
                self._waiting += 1
                self._changed.wait(left_ns / 1e9)
                self._waiting -= 1
            self._busy.add(key)
            waited_ns = time.monotonic_ns() - asked_ns
            child = self._assigned.get(key)
            if child is None and self._spare is not None:
                child = self._assigned[key] = self._spare
                self._spare = None
        try:
            child = self._ready(key, program_key, child)
            try:
                yield Lent(child, waited_ns)
            except BaseException:
                self.kills += child.is_ended
                raise
        finally:
            with self._lock:
                self._busy.remove(key)
                used = self._assigned.pop(key, None)
                if used is not None and not used.is_ended:
                    self._assigned[key] = used  # at the end: it is the most recently used
                if self._waiting:
                    self._changed.notify_all()

    def _make_room(self, key: Hashable = None) -> bool:
        """Tell whether a key's child is alive or can be started now. An idle child may be ended for it."""
        if key in self._assigned or (key is not None and self._spare is not None):
            return True
        alive = len(self._assigned.keys() | self._busy) + (self._spare is not None)
        if alive < self._limit:
            return True
        idle = next((other for other in self._assigned if other not in self._busy), None)
        if idle is None:
            return False
        self._assigned.pop(idle).kill()
        return True

    def _ready(self, key: Hashable, program_key: str | None, child: Child | None) -> Child:
        """Return the key's child when it is ready. One that cannot be used is replaced; None is an absent one."""
        for _ in range(_ATTEMPTS):
            child = child or self._another(key)
            if child is None:
                continue
            try:
                if child.program_key not in (None, program_key):
                    child.kill()  # it would need to load a second program, which a sandbox cannot
                else:
                    self._report = child.await_ready()
                    return child
            except Ended as ended:
                logger("runner").error("sandbox is not ready", extra={"reason": ended.reason})
            child = None
            with self._lock:
                self._assigned.pop(key, None)
        raise PlatformError("runner_unavailable", "Extensions cannot run at the moment; try again.")

    def _another(self, key: Hashable) -> Child | None:
        """Give a key the spare, or else a new child; None when none can be started."""
        with self._lock:
            child = self._spare or self._new()
            if child is self._spare:
                self._spare = None
            if child is not None:
                self._assigned[key] = child
        return child

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
