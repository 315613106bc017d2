"""Host imports that the child answers from the call's envelope. They need no access to anything outside the child.

Handlers return a value of the import's result type.
"""

import math
from typing import Any, Final, Protocol

from functions.runner.sandbox.protocol.messages import LogLine, Metric, Run, Unfinished

LOG_LINE_LIMIT_BYTES: Final = 8 * 1024
LOG_LINES_LIMIT: Final = 1_000
UNFINISHED_LIMIT: Final = 1_000
"""How often the beginning of an unfinished line is sent in one call. A guest may write its lines byte by byte."""
TRUNCATED: Final = " … [truncated]"
METRICS_LIMIT: Final = 100
METRIC_NAME_LIMIT: Final = 128
METRIC_DIMENSIONS_LIMIT: Final = 10


class Trap(Exception):
    """Ends the guest. The text becomes the trap's message."""


class GuestCall(Protocol):
    """The part of the call that the log needs."""

    run: Run

    def emit(self, message: LogLine | Metric) -> None:
        """Send a log line or a metric to the parent immediately."""
        ...


class Log:
    """The log of one invocation. Its size is limited, and truncated lines are marked.

    Every line is sent immediately, so that the last lines of a killed guest are not lost. So is what was written of a
    line that is not finished.
    """

    def __init__(self, call: GuestCall) -> None:
        self._call = call
        self._lines = 0
        self._unfinished_sent = 0
        self._partial: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def line(self, level: str, source: str, text: str) -> None:
        """Add one line. Lines over the limit of 1,000 are dropped, and the first of them is replaced by a notice."""
        self._lines += 1
        if self._lines > LOG_LINES_LIMIT:
            if self._lines == LOG_LINES_LIMIT + 1:
                self._call.emit(LogLine("warn", "platform", f"log limit of {LOG_LINES_LIMIT} lines reached{TRUNCATED}"))
            return
        self._call.emit(LogLine(level, source, clip(text)))

    def output(self, source: str, data: bytes) -> None:
        """Add the lines that are completed by bytes written to ``stdout`` or ``stderr``."""
        if self._lines > LOG_LINES_LIMIT:
            return
        *complete, rest = (self._partial[source] + data).split(b"\n")
        for line in complete:
            self._output_line(source, line)
        if len(rest) > LOG_LINE_LIMIT_BYTES:
            self._output_line(source, rest)
            rest = b""
        self._partial[source] = rest
        if rest and self._unfinished_sent < UNFINISHED_LIMIT:
            self._unfinished_sent += 1
            self._call.emit(Unfinished(*_level_and_text(source, rest)))

    def flush(self) -> None:
        """Add the unfinished lines of both streams."""
        for source, rest in self._partial.items():
            if rest:
                self._output_line(source, rest)
                self._partial[source] = b""

    def _output_line(self, source: str, line: bytes) -> None:
        self.line(*_level_and_text(source, line))


def _level_and_text(source: str, line: bytes) -> tuple[str, str, str]:
    """Return level, source and text of a line of an output stream."""
    level = "error" if source == "stderr" else "info"
    return level, source, line.decode("utf-8", "replace").rstrip("\r")


def clip(text: str) -> str:
    """Return ``text``, truncated and marked if it is longer than a log line may be."""
    if len(text) * 4 <= LOG_LINE_LIMIT_BYTES:
        return text
    data = text.encode()
    if len(data) <= LOG_LINE_LIMIT_BYTES:
        return text
    return data[:LOG_LINE_LIMIT_BYTES].decode("utf-8", "ignore") + TRUNCATED


def user_v1(run: Run) -> tuple[bool, Any]:
    """Answer ``user.get-user``."""
    user = run.user
    if user is None:
        return (False, "not-available")
    return (
        True,
        (user.tenant_id, user.client_name, user.user_id, user.user_email, user.user_name, user.user_type),
    )


def user_v2(run: Run) -> tuple[bool, Any]:
    """Answer ``user-v2.get-user``."""
    user = run.user
    if user is None:
        return (False, "not-available")
    _, first = user_v1(run)
    return (True, (*first, user.client_id, user.additional_fields))


def metric(name: str, value: float, unit: str, dimensions: list[Any]) -> Metric | None:
    """Return the metric, or None when the name is empty or too long or the value is not a finite number."""
    if not 0 < len(name) <= METRIC_NAME_LIMIT or not math.isfinite(value):
        return None
    pairs = [(clip(key)[:METRIC_NAME_LIMIT], clip(text)[:METRIC_NAME_LIMIT]) for key, text in dimensions]
    return Metric(name, value, unit[:METRIC_NAME_LIMIT], pairs[:METRIC_DIMENSIONS_LIMIT])
