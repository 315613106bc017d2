"""Whether an event passes the filter of a subscription (pure).

A filter is ``{"attributes": {name: value}, "data": {name: value}}``; either member may be absent. Every value must be
equal: one that is absent in the event is not. Attributes are compared as text, because a binary CloudEvent does not
tell a number from its digits. Fields of the data are compared with their JSON type.
"""

from collections.abc import Mapping
from typing import Any


def passes(wanted: Mapping[str, Any] | None, event: Mapping[str, Any]) -> bool:
    """Tell whether an event has everything that a filter names.

    Args:
        wanted: the filter; None lets every event pass.
        event: a CloudEvent as structured JSON.
    """
    if wanted is None:
        return True
    data = event.get("data")
    fields = data if isinstance(data, dict) else {}
    return all(
        name != "data" and name in event and _text(event[name]) == _text(value)
        for name, value in wanted.get("attributes", {}).items()
    ) and all(name in fields and _is_same(fields[name], value) for name, value in wanted.get("data", {}).items())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_same(one: object, other: object) -> bool:
    """Compare two JSON values, of which the second is a scalar. 1 is 1.0, as in JSON, but true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
