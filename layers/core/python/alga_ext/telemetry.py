"""Structured logs: one Powertools logger per function, JSON lines on stdout.

A message is text and stays text: guests and tenants write parts of messages. Powertools would parse a message that
looks like JSON, which undoes the removal of secrets and fails for deeply nested text.
"""

import json
import math
import re
from datetime import datetime
from functools import cache
from typing import Any, Final

from aws_lambda_powertools import Logger

from alga_ext.errors import Kind, PlatformError

_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What JSON allows unescaped although readers act on it: control characters of terminals (U+009B begins an escape
sequence), characters that end a line, and characters that change the direction of the text around them."""


@cache
def logger(service: str) -> Logger:
    """Return the logger of ``service``; the environment variable ``LOG_LEVEL`` sets its level (default INFO)."""
    return Logger(
        service=service,
        utc=True,
        log_uncaught_exceptions=False,
        json_serializer=to_json_line,
        json_deserializer=_uninterpreted,
    )


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


def _uninterpreted(message: Any) -> Any:
    return message


def alarm(service: str, metric: str, message: str, at: datetime, **fields: str | int) -> None:
    """Log one error line that is also the metric ``metric`` = 1, in CloudWatch's embedded metric format.

    The metric is in the namespace ``AlgaExtensions/Platform`` and has no dimensions.
    """
    described = {
        "Namespace": "AlgaExtensions/Platform",
        "Dimensions": [[]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }
    embedded = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [described]}
    logger(service).error(message, extra={"_aws": embedded, metric: 1, **fields})


def log_failure(service: str, error: BaseException, request_id: str) -> None:
    """Log a failed request once: refusals as warnings, faults of the platform as errors with their traceback."""
    if isinstance(error, PlatformError) and error.kind != Kind.INTERNAL:
        context = {
            "code": error.code,
            "request_id": request_id,
            "context": {k: str(v) for k, v in error.context.items()},
        }
        logger(service).warning(error.detail, extra=context)
        return
    logger(service).error("unexpected failure", exc_info=error, extra={"request_id": request_id})
