"""Values of the guest contract as the cases write them, and as JSON for guests that speak it.

A record is a dictionary with the contract's own names (an absent option may be left out), an enum its case's name,
a tuple a tuple, a variant ``{"tag": …, "val": …}``, an option its value or None, ``list<u8>`` bytes. A result is
``Ok(value)`` or ``Err(case)``.
"""

import base64
from typing import Any, NamedTuple

from functions.runner.sandbox.protocol.shapes import BYTES, U64, ListOf, Option, Record, Result, TupleOf, Type, Variant


class Ok(NamedTuple):
    """A result that is a success."""

    value: Any = None


class Err(NamedTuple):
    """A result that is an error: the case's name."""

    case: str


def to_json(kind: Type, value: Any) -> Any:
    """Return a value as the guests' README.md has it as an argument."""
    if kind == BYTES:
        return {"$bytes": base64.b64encode(value).decode()}
    if kind == U64:
        return {"$u64": value}
    match kind:
        case ListOf(element):
            return [to_json(element, item) for item in value]
        case TupleOf(elements):
            return [to_json(element, item) for element, item in zip(elements, value, strict=True)]
        case Option(payload):
            return None if value is None else to_json(payload, value)
        case Record(fields):
            assert set(value) <= {name for name, _ in fields}, value
            return {name: to_json(field, value.get(name)) for name, field in fields}
        case Variant(cases):
            carried = dict(cases)[value["tag"]]
            return {"tag": value["tag"]} if carried is None else {**value, "val": to_json(carried, value["val"])}
        case _:
            return value


def from_json(kind: Type | None, value: Any) -> Any:
    """Return a value of an answer; every field must be there, absent options too."""
    if kind == BYTES:
        return base64.b64decode(value["$bytes"], validate=True)
    match kind:
        case ListOf(element):
            return [from_json(element, item) for item in value]
        case TupleOf(elements):
            return tuple(from_json(element, item) for element, item in zip(elements, value, strict=True))
        case Option(payload):
            return None if value is None else from_json(payload, value)
        case Record(fields):
            assert set(value) == {name for name, _ in fields}, value
            return {name: from_json(field, value[name]) for name, field in fields}
        case None:
            assert value is None
            return None
        case _:
            return value


def outcome_from_json(kind: Type | None, document: dict[str, Any]) -> Any:
    """Return what ``/call`` answered for a function whose result is ``kind``."""
    if isinstance(kind, Result):
        if "error" in document:
            return Err(document["error"])
        return Ok(from_json(kind.ok, document["value"]))
    assert set(document) == {"value"}, document
    return from_json(kind, document["value"])
