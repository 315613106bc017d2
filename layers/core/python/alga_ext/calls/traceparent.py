"""The header ``traceparent`` of W3C Trace Context: version, trace id, parent id, flags (pure)."""

import re
from typing import Final

HEADER: Final = "traceparent"
_FORM: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


def trace_id_of(value: str) -> str | None:
    """Return the trace id of a header's value, or None when it is not valid: also when one of its ids is all zeros."""
    match = _FORM.match(value)
    return match[1] if match is not None and match[1] != "0" * 32 and match[2] != "0" * 16 else None


def traceparent(trace_id: str, parent_id: str) -> str:
    """Return the value for a request that belongs to a trace.

    Args:
        trace_id: 32 hexadecimal digits.
        parent_id: 16 hexadecimal digits, new for each request.
    """
    return f"00-{trace_id}-{parent_id}-01"
