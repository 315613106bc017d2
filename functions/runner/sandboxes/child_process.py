"""The parent's side of one sandbox child: start it, run calls in it, end it.

The child is a clean interpreter, not a fork: a fork would contain a copy of this process's memory, including
credentials. The child gets an empty environment, one descriptor, and only the import folders that it needs.
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from functions.runner.sandbox.child.measure import peak_bytes_of, resident_bytes_of
from functions.runner.sandbox.protocol.channel import Channel, Closed, Malformed
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import (
    FROM_CHILD,
    OVERDUE_EXIT_STATUS,
    Configure,
    Done,
    Failed,
    HostAnswer,
    HostCall,
    LogLine,
    Metric,
    Ready,
    Refused,
    Run,
    Warm,
)
from functions.runner.sandboxes.process_start import StartedProcess, start_process

KILL_AFTER_NS: Final = 250_000_000
"""How long after its deadline a call may continue before the parent kills the child."""

_START_TIMEOUT_NS: Final = 10_000_000_000


class CallHandlers(NamedTuple):
    """The parent's functions for a call: answer host imports, receive log lines, metrics and the child's refusals."""

    answer: Callable[[HostCall], HostAnswer]
    log: Callable[[LogLine], None]
    metric: Callable[[Metric], None]
    refused: Callable[[Refused], None]


class Child:
    """One child process. Starting it returns immediately; ``configure`` and ``await_ready`` complete the start.

    Args:
        started: its process, if it has been started already.
    """

    def __init__(self, started: StartedProcess | None = None) -> None:
        self._process, descriptor, self._least_peak_bytes = started or start_process()
        self._channel = Channel(descriptor)
        self._cpu_ns = 0
        self._resident_bytes, self._calls = 0, 0
        self._peak_bytes = 0
        self.program_key: str | None = None
        """The program that the child was told to load. A child loads one program only."""
        self.report: Ready | None = None
        self._folders: dict[str, tuple[int, int] | None] = {}

    @property
    def process_id(self) -> int:
        """The operating system's id of the child."""
        return self._process.pid

    @property
    def is_ended(self) -> bool:
        """Whether the child is known to have ended."""
        return self._process.returncode is not None

    def configure(self, message: Configure) -> None:
        """Send the child its limits and return. The child then confines itself and gets ready.

        Raises:
            Ended: the child has ended already.
        """
        self._channel.until_ns = time.monotonic_ns() + _START_TIMEOUT_NS
        self._folders = {path: _identity(path) for path in message.read_only_paths}
        self._send(message)

    def await_ready(self) -> Ready:
        """Wait until the child is ready, and return its report about its confinement.

        Raises:
            Ended: the child did not start, or cannot be used any more. The latter is checked here so that the next call
                does not fail because of it: the child was killed; or it sent something although no call was running,
                which would be taken for messages of the next call; or a folder that it may read was deleted and created
                again. Its permission applies to the old folder, not to the path.
        """
        if any(_identity(path) != identity for path, identity in self._folders.items()):
            self._end("a folder that the sandbox may read was deleted or created again")
        if self.report is None:
            message = self._receive()
            if not isinstance(message, Ready):
                self._end("the sandbox did not start properly")
            self.report = message
        if self._channel.has_input():  # also when it died, because its end of the channel is closed then
            if self._has_died():
                self._end("the sandbox died between two calls", Closed())
            self._end("the sandbox sent a message between two calls, or died")
        return self.report

    def run(self, message: Run | Warm, host: CallHandlers) -> Done | Failed:
        """Run one call and return the child's report of it. The child keeps running.

        Raises:
            Ended: the child was killed after its deadline, violated the protocol, or died. It has been reaped.
            Exception: raised by ``host``. The child is killed too, because it was in the middle of a call.
        """
        self._channel.until_ns = message.limits.deadline_ns + KILL_AFTER_NS
        if self._calls < 2:  # between later calls it does not change, because the program is loaded
            self._resident_bytes = resident_bytes_of(self._process.pid)
            self._calls += 1
        self.program_key = message.artifact.key
        self._send(message)
        try:
            return self._exchange(host)
        except Ended:
            raise
        except BaseException:
            # The child still waits for an answer, and would take the next call's message as that answer.
            self.kill()
            raise

    def _exchange(self, host: CallHandlers) -> Done | Failed:
        while True:
            received = self._receive()
            match received:
                case HostCall():
                    self._send_answer(host.answer(received))
                case LogLine():
                    host.log(received)
                case Metric():
                    host.metric(received)
                case Refused():
                    host.refused(received)
                case Done() | Failed():
                    self._cpu_ns = received.figures.process_cpu_ns
                    if isinstance(received, Failed) and received.code == "artifact_integrity":
                        self.kill()  # it has no program, and must not load the file again without a check
                    return received
                case Ready():
                    self._end("the sandbox violated the protocol: it reported Ready during a call")
            # Waiting for messages has a timeout. A child that sends messages without end must be stopped here.
            if time.monotonic_ns() > self._channel.until_ns:
                self._end("the sandbox did not finish the call in time", TimeoutError())

    def kill(self) -> int:
        """Kill and reap the child, and return its exit status (negative: the signal). May be called more than once."""
        if self._process.returncode is None:
            # Popen.kill would reap a dead child without reading its resource usage.
            os.kill(self._process.pid, signal.SIGKILL)
            self._reap()
        self._channel.close()
        return int(self._process.returncode or 0)

    def _send(self, message: Configure | Run | Warm | HostAnswer) -> None:
        try:
            self._channel.send(message)
        except (Closed, TimeoutError) as error:
            self._end(str(error) or "the sandbox has ended", cause=error)

    def _send_answer(self, answer: HostAnswer) -> None:
        try:
            self._send(answer)
        except Malformed:
            self._send(HostAnswer(trap="the result of a host import is too large for the sandbox"))

    def _receive(self) -> Any:
        try:
            return FROM_CHILD.decode(self._channel.receive())
        except (Closed, TimeoutError, Malformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._end(str(error) or "the sandbox ended unexpectedly", cause=error)

    def _end(self, reason: str, cause: Exception | None = None) -> None:
        """End the child and raise ``Ended``."""
        gone = isinstance(cause, Closed)
        before_ns = self._cpu_ns
        peak_bytes = 0 if gone else peak_bytes_of(self._process.pid)
        if gone:
            self._await_exit()
        status = self.kill()
        if gone and self._peak_bytes > self._least_peak_bytes:
            peak_bytes = self._peak_bytes
        # The child chooses its exit status and is untrusted, so the status counts only when the call is overdue.
        gave_up = gone and status == OVERDUE_EXIT_STATUS and time.monotonic_ns() > self._channel.until_ns
        raise Ended(
            reason,
            signal_number=-status if gone and status < 0 else 0,
            timed_out=gave_up or isinstance(cause, TimeoutError),
            cpu_ns=max(0, self._cpu_ns - before_ns),
            memory_peak_bytes=max(0, peak_bytes - self._resident_bytes),
        ) from cause

    def _has_died(self) -> bool:
        if self._process.returncode is None:
            self._reap(os.WNOHANG)
        return self._process.returncode is not None

    def _await_exit(self) -> None:
        """Wait up to 100 milliseconds for a child that closed its socket to exit, to reap its own exit status."""
        until_ns = time.monotonic_ns() + 100_000_000
        while self._process.returncode is None and time.monotonic_ns() < until_ns:
            self._reap(os.WNOHANG)
            time.sleep(0.001)

    def _reap(self, flags: int = 0) -> None:
        process_id, status, used = os.wait4(self._process.pid, flags)
        if process_id:
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._cpu_ns = int((used.ru_utime + used.ru_stime) * 1e9)
            self._peak_bytes = used.ru_maxrss * 1024


def _identity(path: str) -> tuple[int, int] | None:
    """Return the device and inode of a folder, or None when it does not exist."""
    try:
        found = os.stat(path)  # noqa: PTH116 - on the path of every call
    except OSError:
        return None
    return found.st_dev, found.st_ino


def signal_name(number: int) -> str:
    """Return the name of a signal, for logs."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
