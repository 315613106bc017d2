"""The parent's side of one sandbox child: start it, run one call in it, end it.

The child is a clean interpreter, not a fork: a fork would carry this process's heap, credentials included. It gets an
empty environment, one descriptor, no site packages beyond the folders it needs.
"""

import os
import resource
import signal
import socket
import subprocess
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
    Run,
    Warm,
)
from functions.runner.sandboxes.interpreter import interpreter

KILL_AFTER_NS: Final = 250_000_000
"""How long after its deadline a call may take to end itself before the child is killed."""

_START_TIMEOUT_NS: Final = 10_000_000_000


class CallHandlers(NamedTuple):
    """What the parent does for a call: answer imports, take log lines and numbers."""

    answer: Callable[[HostCall], HostAnswer]
    log: Callable[[LogLine], None]
    metric: Callable[[Metric], None]


class Child:
    """One child process. Starting it returns at once; ``configure`` and ``await_ready`` complete the start."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                interpreter("child.main", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=(theirs.fileno(),),
            )
        finally:
            theirs.close()
        self._channel = Channel(ours.detach())
        self._cpu_ns = 0
        self._resident_bytes, self._resident_loads = 0, -1
        # The kernel counts this process's peak as the child's own, from before it became another program.
        self._least_peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._peak_bytes = 0
        self.loaded: set[str] = set()
        """Keys of the artifacts it holds, by its own word."""
        self.loads = 0
        self.report: Ready | None = None
        self._folders: dict[str, tuple[int, int] | None] = {}

    @property
    def process_id(self) -> int:
        """The operating system's id of the child."""
        return self._process.pid

    @property
    def is_ended(self) -> bool:
        """Whether the child is known to be gone."""
        return self._process.returncode is not None

    def configure(self, message: Configure) -> None:
        """Tell the child its limits; it confines itself and gets ready meanwhile.

        Raises:
            Ended: it is gone already.
        """
        self._channel.until_ns = time.monotonic_ns() + _START_TIMEOUT_NS
        self._folders = {path: _identity(path) for path in message.read_only_paths}
        self._send(message)

    def await_ready(self) -> Ready:
        """Wait until the child is ready and return what confines it.

        Raises:
            Ended: it did not start, or is of no use any more, for which the next call is not to pay: somebody killed
                it, or made a folder anew that it may read. It was let into the folder and not to the name.
        """
        if any(_identity(path) != identity for path, identity in self._folders.items()):
            self._end("a folder that the sandbox may read was made anew")
        if self.report is None:
            message = self._receive()
            if not isinstance(message, Ready):
                self._end("the sandbox did not start properly")
            self.report = message
        if self._has_died():  # its report may still be heard then
            self._end("the sandbox died between two calls", Closed())
        return self.report

    def run(self, message: Run | Warm, host: CallHandlers) -> Done | Failed:
        """Run one call and return what the child says of it; the child lives on.

        Raises:
            Ended: the child was killed past its deadline, broke the protocol, or died; it is reaped.
            Exception: what ``host`` raised; the child was in the midst of a call and is ended too.
        """
        self._channel.until_ns = message.limits.deadline_ns + KILL_AFTER_NS
        if self._resident_loads != self.loads:  # between calls it changes with what is loaded only
            self._resident_bytes, self._resident_loads = resident_bytes_of(self._process.pid), self.loads
        self._send(message)
        try:
            return self._hear_out(message, host)
        except Ended:
            raise
        except BaseException:
            # It still waits for an answer, and would take the next call's message for it.
            self.kill()
            raise

    def _hear_out(self, message: Run | Warm, host: CallHandlers) -> Done | Failed:
        while True:
            heard = self._receive()
            match heard:
                case HostCall():
                    self._send_answer(host.answer(heard))
                case LogLine():
                    host.log(heard)
                case Metric():
                    host.metric(heard)
                case Done() | Failed():
                    self._cpu_ns = heard.figures.process_cpu_ns
                    self.loads = heard.figures.loads
                    self.loaded.add(message.artifact.key)
                    self.loaded.difference_update(heard.figures.evicted)
                    return heard
                case Ready():
                    self._end("the sandbox broke its protocol")
            # A child that never stops talking must not be waited for either.
            if time.monotonic_ns() > self._channel.until_ns:
                self._end("the other side did not end in time", TimeoutError())

    def kill(self) -> int:
        """Kill and reap the child; return its exit status (negative: the signal). Safe to call again."""
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)  # Popen's own reaps a dead child, and what it used is lost
            self._reap()
        self._channel.close()
        return int(self._process.returncode or 0)

    def _send(self, message: Configure | Run | Warm | HostAnswer) -> None:
        try:
            self._channel.send(message)
        except (Closed, TimeoutError) as error:
            self._end(str(error) or "the sandbox is gone", cause=error)

    def _send_answer(self, answer: HostAnswer) -> None:
        try:
            self._send(answer)
        except Malformed:
            self._send(HostAnswer(trap="the answer of a host import is larger than the platform carries"))

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
        # The status is the child's own word, and is believed only of a call that is overdue.
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
        """Give a child that closed its socket a moment to be reaped with its own status."""
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
    """Return device and inode of a folder, or None when there is none."""
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
