"""Calls that go on while a test changes something: processes of a function, and a thread that calls them in turn."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Process = TypeVar("Process")
_PATIENCE_S = 120.0
"""How long a test waits for calls; they are many times faster on any machine."""


class Fleet(Generic[Process]):
    """The processes of one function."""

    def __init__(self, first: Process) -> None:
        self.processes = [first]

    def of(self, turn: int) -> Process:
        """Return the process that serves the call of this number."""
        processes = self.processes
        return processes[turn % len(processes)]


def deploy(load: "Load", *changes: tuple[Fleet[Any], Any]) -> None:
    """Put a new process beside the present ones of each fleet, then take those away. Calls go on all the time."""
    for fleet, process in changes:
        fleet.processes = [*fleet.processes, process]
    load.settle()
    for fleet, process in changes:
        fleet.processes = [process]
    load.settle()


class Load:
    """Calls a function again and again in a thread while the block runs.

    Args:
        call: makes the call of a number and raises when it fails.
        calls: how many calls ``settle`` waits for: enough for every pair of an old and a new process.
    """

    def __init__(self, call: Callable[[int], object], calls: int = 8) -> None:
        self._call = call
        self._calls = calls
        self._condition = threading.Condition()
        self._ended = False
        self.done = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.settle()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.settle()
        self._ended = True
        self._thread.join(_PATIENCE_S)
        if error is None:
            self._check()

    def settle(self) -> None:
        """Wait until calls that began after now were answered; fail when one of all calls so far has failed."""
        with self._condition:
            wanted = self.done + self._calls + 1  # one may have begun before
            answered = self._condition.wait_for(
                lambda: self.failure is not None or self.done >= wanted, timeout=_PATIENCE_S
            )
        self._check()
        assert answered, "the calls do not come to an end"

    def _check(self) -> None:
        if self.failure is not None:
            message = f"call {self.done + 1} failed"
            raise AssertionError(message) from self.failure

    def _run(self) -> None:
        while not self._ended and self.failure is None:
            try:
                self._call(self.done)
            except BaseException as error:  # noqa: BLE001 - the test fails with it
                with self._condition:
                    self.failure = error
                    self._condition.notify_all()
                return
            with self._condition:
                self.done += 1
                self._condition.notify_all()
