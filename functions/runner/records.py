"""Take a guest's log lines and metrics as the sandbox sends them, for the record of the call.

They are not written to the platform's log: they are the tenant's to read, not the operator's (ADR 0041).
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from functions.runner.imports.call_secrets import SecretBox
from functions.runner.kept_lines import KeptLines, scrubbed
from functions.runner.kept_metrics import KeptMetrics
from functions.runner.sandbox.child.local_imports import LOG_LINE_LIMIT_BYTES, LOG_LINES_LIMIT
from functions.runner.sandbox.protocol.messages import LogLine, Metric, Unfinished
from functions.runner.sandbox.protocol.refusals import REFUSALS

# The child enforces its own limits, but it is untrusted. These limits also leave room for lines of the sandbox.
_LINES_LIMIT: Final = LOG_LINES_LIMIT + 50
_TEXT_LIMIT: Final = LOG_LINE_LIMIT_BYTES + 50

ERRORS_LIMIT: Final = 2 * _TEXT_LIMIT
"""How many characters of a guest's last error lines are kept until its call ends. Whole lines are dropped first."""
_GUEST_SOURCES: Final = frozenset({"guest", "stderr"})

_STREAMS: Final = frozenset({"stdout", "stderr"})

_EXPLANATIONS_LIMIT: Final = 20
"""How many refusals are explained in one call."""
DROPPED_METRICS: Final = "metrics.emit.dropped"
"""The name of the count of dropped metrics, beside the counts of host calls."""


class Records:
    """Log lines and metrics of one invocation.

    Args:
        secrets: the call's secrets, which are removed from everything the guest writes.
        declared: the metrics that the manifest declares: name to unit. All others are dropped and counted.
        started_ns: when the call began, in nanoseconds of CLOCK_MONOTONIC.

    Attributes:
        kept: the lines for the record of the call.
        errors: the last lines that the guest wrote to its error output or log, at most ``ERRORS_LIMIT`` characters.
        metrics: the totals of the metrics that the guest emitted.
    """

    def __init__(self, secrets: SecretBox, declared: Mapping[str, str], started_ns: int) -> None:
        self._secrets = secrets
        self.kept = KeptLines(secrets, started_ns)
        self.metrics = KeptMetrics(declared)
        self.errors: deque[str] = deque()
        self._errors_size = 0
        self._explained: dict[str, int] = {}
        """How often each refusal that was logged came."""
        self._lines = 0
        self._unfinished: dict[str, LogLine] = {}
        self.counts: dict[str, int] = {}
        """How many lines and metrics of the guest were received, by host import."""
        self.log_bytes = 0
        """The size of the guest's lines in UTF-8. Lines of the platform do not count."""

    def log(self, line: LogLine) -> None:
        """Keep one line of the guest's log. Lines over the limit are dropped, because the child is untrusted.

        Of an unfinished line, the last beginning is kept until its stream has a line or the call ends.
        """
        if isinstance(line, Unfinished):
            if line.source in _STREAMS:
                self._unfinished[line.source] = line
            return
        self._unfinished.pop(line.source, None)
        self._lines += 1
        if line.source == "guest":
            self._count(f"logging.log-{line.level}")
        if self._lines <= _LINES_LIMIT:
            self.log_bytes += self._keep(line)

    def end_lines(self) -> None:
        """Keep what is left of unfinished lines. There is something left when the sandbox was killed."""
        left, self._unfinished = self._unfinished, {}
        for line in left.values():
            self.log(LogLine(line.level, line.source, line.text))

    def metric(self, metric: Metric) -> None:
        """Add one value of a metric to the call's totals. One that is not kept is counted as dropped."""
        self._count("metrics.emit")
        if not self.metrics.add(metric):
            self.counts[DROPPED_METRICS] = self.counts.get(DROPPED_METRICS, 0) + 1

    def explain(self, text: str) -> None:
        """Keep one line that says why the platform refused something, at most ``_EXPLANATIONS_LIMIT`` lines a call.

        A text that comes again is counted, and told once more when the call ends.
        """
        if text in self._explained:
            self._explained[text] += 1
            return
        if len(self._explained) >= _EXPLANATIONS_LIMIT:
            return
        self._explained[text] = 1
        if len(self._explained) == _EXPLANATIONS_LIMIT:
            text += f" (the last of {_EXPLANATIONS_LIMIT} refusals that are told in one call)"
        self._say(text)

    def close(self) -> None:
        """Keep lines that say which refusals came more than once, and how many metrics were dropped."""
        for text, count in self._explained.items():
            if count > 1:
                self._say(f"{text} ({count} times in this call)")
        dropped = self.counts.get(DROPPED_METRICS, 0)
        if dropped:
            self._say(f"{dropped} metrics were dropped: the manifest does not declare their names under 'metrics'")

    def _say(self, text: str) -> None:
        """Keep a line of the platform."""
        self._keep(LogLine("warn", "platform", self._secrets.scrub_any_case(text)))

    def _keep(self, line: LogLine) -> int:
        """Keep a line, and return how many bytes its text has in UTF-8, without secrets."""
        text = scrubbed(_well_formed(line.text[:_TEXT_LIMIT]), self._secrets)
        size_bytes = len(text.encode())
        self.kept.add(line.level, line.source, text, size_bytes)
        if line.level == "error" and line.source in _GUEST_SOURCES:
            self._keep_error(text)
        return size_bytes

    def _keep_error(self, text: str) -> None:
        self.errors.append(text)
        self._errors_size += len(text) + 1
        while self._errors_size > ERRORS_LIMIT:
            self._errors_size -= len(self.errors.popleft()) + 1

    def _count(self, name: str) -> None:
        if name in REFUSALS:
            self.counts[name] = self.counts.get(name, 0) + 1


def _well_formed(text: str) -> str:
    """Return ``text`` with ``?`` for lone surrogates, which have no UTF-8 form.

    This comes before the secrets are removed: nothing may change the text after that.
    """
    return text.encode("utf-8", "replace").decode()
