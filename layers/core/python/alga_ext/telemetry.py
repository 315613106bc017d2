"""Structured logs and metrics: one logger per function, JSON lines on stdout.

The lines have the members that AWS Lambda Powertools' Logger writes, so that its users' queries work. Its import is not
affordable at every cold start (docs/adr/0031-what-a-start-imports.md).

A message is text and stays text: guests and tenants write parts of messages. What looks like JSON in it is not parsed,
which would undo the removal of secrets and fail for deeply nested text.
"""

import json
import logging
import math
import re
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from alga_ext.errors import Kind, PlatformError
from alga_ext.platform_metrics import Metric, embedded
from alga_ext.settings import environment

_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What JSON allows unescaped although readers act on it: control characters of terminals (U+009B begins an escape
sequence), characters that end a line, and characters that change the direction of the text around them."""


PARENT: Final = logging.getLogger("alga")
"""Parent of all loggers. What they log ends here: the runtime client has a handler at the root, which would write each
line a second time."""
PARENT.propagate = False

_OF_EVERY_RECORD: Final = frozenset(vars(logging.makeLogRecord({})))
"""Members of a ``LogRecord``; the others are the fields that the caller gave as ``extra``."""


@cache
def logger(service: str) -> logging.Logger:
    """Return the logger of ``service``; the environment variable ``LOG_LEVEL`` sets its level (default INFO)."""
    made = PARENT.getChild(service)
    level = logging.getLevelName(environment().get("LOG_LEVEL", "").upper())
    made.setLevel(level if isinstance(level, int) else logging.INFO)  # another text is no reason to fail a request
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines(service))
    made.handlers = [handler]
    return made


class _JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Fields without a value are left out."""
        at = datetime.fromtimestamp(record.created, UTC)
        document = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03}+0000",
            "service": self._service,
            **{name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD},
        }
        if record.exc_info and (error := record.exc_info[1]) is not None:
            document |= _described(error, self.formatException(record.exc_info))
        document["xray_trace_id"] = _trace_id()
        return to_json_line({name: value for name, value in document.items() if value is not None})


def _described(error: BaseException, text: str) -> dict[str, Any]:
    kind = type(error)
    frames = [
        {"file": frame.filename, "line": frame.lineno, "function": frame.name, "statement": frame.line}
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    stack = {"type": kind.__name__, "value": str(error), "module": kind.__module__, "frames": frames}
    return {"exception": text, "exception_name": kind.__name__, "stack_trace": stack}


def _trace_id() -> str | None:
    """Return the id of the present invocation's trace, which Lambda's runtime client puts into the environment."""
    header = environment().get("_X_AMZN_TRACE_ID", "")
    return header.partition(";")[0].removeprefix("Root=") or None


def to_json_line(document: dict[str, Any]) -> str:
    """Return a log document as one line of valid JSON (RFC 8259) in well-formed UTF-8.

    Control characters are escaped, so a terminal that shows the line does not act on them. Lone surrogates become
    ``?``, NaN and infinities become text. A document that cannot be written at all becomes a line that says so: logging
    never fails the request it is about.
    """
    try:
        text = json.dumps(document, default=str, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        text = _dumped_by_field(document)
    if "\x7f" in text or not text.isascii():
        text = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode("utf-8", "replace").decode()


def _dumped_by_field(document: dict[str, Any]) -> str:
    written = {}
    for name, value in document.items():
        try:
            json.dumps(value, default=str, allow_nan=False)
            written[str(name)] = value
        except (ValueError, TypeError, RecursionError):
            is_number = isinstance(value, float) and not math.isfinite(value)
            written[str(name)] = str(value) if is_number else f"a {type(value).__name__} that is not valid JSON"
    return json.dumps(written, default=str, ensure_ascii=False)


def emit(
    service: str, values: Mapping[Metric, float], *, ids: Mapping[str, str] = MappingProxyType({}), **dimensions: str
) -> None:
    """Write the values of metrics as one line. ``LOG_LEVEL`` does not suppress it.

    Args:
        service: the function's name in its logs.
        values: of one moment, at most one value for each metric.
        ids: further members of the line, by which it is found. They are no dimensions.
        dimensions: of the metrics that have one.
    """
    _write({**embedded(values, int(time.time() * 1000), dimensions), **ids, "service": service})


def _write(document: dict[str, Any]) -> None:
    sys.stdout.write(to_json_line(document) + "\n")
    sys.stdout.flush()


def alarm(service: str, metric: Metric, message: str, at: datetime, **fields: str | int) -> None:
    """Log one error line that is also ``metric`` = 1. The metric has no dimension."""
    _log(service, logging.ERROR, message, fields, embedded({metric: 1}, int(at.timestamp() * 1000), {}))


def log_failure(service: str, error: BaseException, request_id: str, trace_id: str | None = None) -> None:
    """Log a failed request once: refusals as warnings, faults of the platform as errors with their traceback.

    The message of a refusal is the title of its code. Its detail is for the caller, and often quotes the request, which
    is not the operator's to read. Only where a part of the platform cannot be reached is the detail logged.

    The line of a ``PlatformError`` with a ``metric`` is also that metric = 1, with the dimension ``code``: a metric for
    each of ``CODES`` at most.
    """
    fields: dict[str, Any] = {"request_id": request_id, "trace_id": trace_id}
    measured: dict[str, Any] = {}
    if isinstance(error, PlatformError):
        fields["code"] = error.code
        if error.metric is not None:
            measured = embedded({error.metric: 1}, int(time.time() * 1000), {"code": error.code})
        if error.kind != Kind.INTERNAL:
            fields["context"] = {name: str(value) for name, value in error.context.items()}
            message = error.detail if error.kind == Kind.UNAVAILABLE else error.title
            _log(service, logging.WARNING, message, fields, measured)
            return
    _log(service, logging.ERROR, "unexpected failure", fields, measured, error)


def _log(
    service: str,
    level: int,
    message: str,
    fields: Mapping[str, Any],
    measured: Mapping[str, Any],
    error: BaseException | None = None,
) -> None:
    """Log one line with the values of metrics. If ``LOG_LEVEL`` suppresses the line, the values are written alone."""
    log = logger(service)
    if measured and not log.isEnabledFor(level):
        _write({**measured, "service": service})
        return
    log.log(level, message, exc_info=error, extra={**fields, **measured}, stacklevel=3)
