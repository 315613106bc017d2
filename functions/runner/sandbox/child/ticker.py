"""The child's clock: advances the engine's epoch during calls, and ends the process when a call is long overdue.

At each tick it also checks whether the deadline has passed, or whether the guest is over a limit that the engine does
not enforce. If so, it advances the epoch so far that the guest traps (epoch interruption).

ctypes releases the interpreter lock, so this thread runs while a guest uses the CPU without pause. Epochs do not
interrupt a guest that sleeps in WASI. In that case the parent kills the child. If the parent has ended or hangs, this
thread ends the child.
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
_SELF_EXIT_NS: Final = 2_000_000_000


class Ticker:
    """Ticks during calls and until one second after the last call. Otherwise it sleeps and uses no CPU.

    Args:
        engine: the engine whose epoch it advances.
        is_over_limit: tells during a call whether the guest is over a limit and must end now.
    """

    def __init__(self, engine: Engine, is_over_limit: Callable[[], bool]) -> None:
        self._engine = engine
        self._is_over_limit = is_over_limit
        self._ticks = 0
        self._calling = threading.Lock()
        """Held while a call is ended early, so that the next call cannot begin at the same time."""
        self._pointer = abi.pointer_of(engine)
        self._awake = threading.Event()
        self._deadline_ns = 0
        self._idle_since_ns = 0
        threading.Thread(target=self._tick, name="epoch", daemon=True).start()

    def arm(self, deadline_ns: int) -> None:
        """Begin a call. If it has not ended ``_SELF_EXIT_NS`` after its deadline, the process exits."""
        self._ticks = self.ticks_until(deadline_ns)
        self._deadline_ns = deadline_ns
        if not self._awake.is_set():
            self._awake.set()

    def disarm(self) -> None:
        """End the call: the thread ticks for one more second at most, and ends nothing."""
        with self._calling:
            self._deadline_ns = 0
        self._idle_since_ns = time.monotonic_ns()

    @staticmethod
    def ticks_until(deadline_ns: int) -> int:
        """Return after how many ticks a deadline has certainly passed. The first tick may come immediately."""
        return max(0, deadline_ns - time.monotonic_ns()) // _TICK_NS + 2

    def _tick(self) -> None:
        while True:
            self._awake.wait()
            time.sleep(EPOCH_TICK_MS / 1000)
            abi.increment_epoch(self._pointer)
            with self._calling:
                # Each sleep is slightly too long, so counting ticks alone would end long calls too late.
                if self._deadline_ns and (time.monotonic_ns() >= self._deadline_ns or self._is_over_limit()):
                    for _ in range(self._ticks):
                        abi.increment_epoch(self._pointer)
                    self._ticks = 0
            deadline_ns, now_ns = self._deadline_ns, time.monotonic_ns()
            if deadline_ns and now_ns > deadline_ns + _SELF_EXIT_NS:
                os._exit(OVERDUE_EXIT_STATUS)
            if not deadline_ns and now_ns > self._idle_since_ns + _IDLE_NS:
                self._awake.clear()
                if self._deadline_ns:  # a call began just before the flag was cleared
                    self._awake.set()
