"""The child's clock: advances the engine's epoch while calls are made, and ends a child that does not end itself.

At each tick it also asks whether the deadline is over, or the guest beyond a limit that the engine does not know, and
has it trap then.

ctypes releases the interpreter lock, so the thread runs while a guest spins. Epochs do not interrupt a guest that
sleeps in WASI: the parent kills the child then, and should the parent be gone or stuck, this thread does.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from wasmtime import Engine

from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.engine import EPOCH_TICK_MS
from functions.runner.sandbox.protocol.messages import OVERDUE_EXIT_STATUS

_TICK_NS: Final = EPOCH_TICK_MS * 1_000_000
_IDLE_NS: Final = 1_000_000_000
_OWN_END_NS: Final = 2_000_000_000


class Ticker:
    """Ticks from a call on until a second after the last one; idle, it costs nothing.

    Args:
        engine: whose epoch it advances.
        is_beyond: tells during a call whether the guest must end now.
    """

    def __init__(self, engine: Engine, is_beyond: Callable[[], bool]) -> None:
        self._engine = engine
        self._is_beyond = is_beyond
        self._ticks = 0
        self._calling = threading.Lock()
        """Held while a call is ended early, so that the next one does not begin in the middle of it."""
        self._pointer = abi.pointer_of(engine)
        self._awake = threading.Event()
        self._deadline_ns = 0
        self._idle_since_ns = 0
        threading.Thread(target=self._tick, name="epoch", daemon=True).start()

    def arm(self, deadline_ns: int) -> None:
        """Begin a call that must have ended ``_OWN_END_NS`` after its deadline."""
        self._ticks = self.ticks_until(deadline_ns)
        self._deadline_ns = deadline_ns
        if not self._awake.is_set():
            self._awake.set()

    def disarm(self) -> None:
        """The call has ended."""
        with self._calling:
            self._deadline_ns = 0
        self._idle_since_ns = time.monotonic_ns()

    @staticmethod
    def ticks_until(deadline_ns: int) -> int:
        """Return after how many ticks a deadline is certainly over: the first tick may come at once."""
        return max(0, deadline_ns - time.monotonic_ns()) // _TICK_NS + 2

    def _tick(self) -> None:
        while True:
            self._awake.wait()
            time.sleep(EPOCH_TICK_MS / 1000)
            abi.increment_epoch(self._pointer)
            with self._calling:
                # Each sleep is a little late, so counted ticks alone would come later the longer the call.
                if self._deadline_ns and (time.monotonic_ns() >= self._deadline_ns or self._is_beyond()):
                    for _ in range(self._ticks):
                        abi.increment_epoch(self._pointer)
                    self._ticks = 0
            deadline_ns, now_ns = self._deadline_ns, time.monotonic_ns()
            if deadline_ns and now_ns > deadline_ns + _OWN_END_NS:
                os._exit(OVERDUE_EXIT_STATUS)
            if not deadline_ns and now_ns > self._idle_since_ns + _IDLE_NS:
                self._awake.clear()
                if self._deadline_ns:  # a call began in between
                    self._awake.set()
