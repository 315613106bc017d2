"""Show calls and their log lines as text. Extensions wrote parts of it, so nothing of it may control a terminal."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from alga_ext.calls.log_lines import DroppedFor

# Control characters, line separators, marks that change the direction of text, and lone surrogates. Tabs stay.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Call(NamedTuple):
    """One finished call. ``at`` is when it was accepted; ``path`` is None where it is not to be shown."""

    at: datetime
    method: str
    path: str | None
    status: int | None
    duration_ms: float | None
    error_code: str | None


class Line(NamedTuple):
    """One log line, as ``GET /executions/{id}/logs`` gives it."""

    at_ms: int
    level: str
    source: str
    text: str


def printable(text: str) -> str:
    """Return a text in which everything that acts on a terminal is replaced by U+FFFD; newlines and tabs stay."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def heading(call: Call) -> str:
    """Return the line of a call: time, method, path, status, milliseconds and, if it failed, the error's code."""
    duration = "-" if call.duration_ms is None else f"{call.duration_ms:.0f} ms"
    parts = [f"{call.at.astimezone():%H:%M:%S}", call.method, call.path, str(call.status or "-"), duration]
    text = printable("  ".join(part for part in (*parts, call.error_code) if part))
    return text.replace("\n", "\N{REPLACEMENT CHARACTER}")


def details(
    lines: Sequence[Line],
    dropped: int = 0,
    dropped_after: int = 0,
    *,
    dropped_for: DroppedFor | None = None,
    error: str | None = None,
    stack: str | None = None,
    refusal: str | None = None,
) -> Iterator[str]:
    """Yield what a call left for the developer, indented: log lines, where some are missing, the guest's error."""
    for number, line in enumerate(lines):
        if dropped and number == dropped_after:
            yield _missing(dropped, dropped_for)
        yield from _indented(f"+{line.at_ms} ms {line.source} {line.level}: {line.text}")
    if dropped and dropped_after >= len(lines):
        yield _missing(dropped, dropped_for)
    if error:
        yield from _indented(f"error: {error}")
    if stack:
        yield from _indented(stack)
    if refusal:
        yield from _indented(f"last refusal: {refusal}")


def lines_of(document: Any) -> list[Line]:
    """Return the lines of an answer of ``GET /executions/{id}/logs``."""
    return [Line(line["at_ms"], line["level"], line["source"], line["text"]) for line in document["lines"]]


def _missing(dropped: int, dropped_for: DroppedFor | None) -> str:
    of_day = dropped_for == "day_limit"
    limit = "the install wrote more than is kept of it for a day" if of_day else "more than is kept of a call"
    return f"    … {dropped} lines are not kept: {limit}"


def _indented(text: str) -> Iterator[str]:
    first, *more = printable(text).split("\n")
    yield f"    {first}"
    for line in more:
        yield f"      {line}"
