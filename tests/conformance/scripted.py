"""A runner whose host imports answer what the call's configuration says: for answers that real ones rarely give.

``config["answer"]`` is the answer as MessagePack in base64, a value as ``functions.runner.sandbox.protocol.shapes`` has
it.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.sandbox.protocol.shapes import (
    BYTES,
    Enum,
    ListOf,
    Option,
    Primitive,
    Record,
    Result,
    TupleOf,
    Type,
    Variant,
)
from functions.runner.sandbox.protocol.world import IMPORTS
from tests.conformance.values import Err, Ok

SERVED: Final = [
    f"{interface}.{name}"
    for interface, functions in IMPORTS.items()
    for name in functions
    if interface not in ("context", "logging", "config", "user", "user-v2", "metrics")
]
"""Imports that somebody else answers than the sandbox itself."""


def providers() -> Mapping[str, Provider]:
    """Return who answers, by interface."""
    return {name.partition(".")[0]: _open for name in SERVED}


def answering(kind: Type | None, outcome: Any) -> dict[str, str]:
    """Return the configuration that has the runner answer ``outcome``, a value as the cases write it."""
    return {"answer": base64.b64encode(msgspec.msgpack.encode(_plain(kind, outcome))).decode()}


def samples(kind: Type | None, largest_u32: int = 2**32 - 1) -> list[Any]:
    """Return values of a type that together have every case of every enum and every option absent and present."""

    def samples_of(part: Type | None) -> list[Any]:
        return samples(part, largest_u32)

    match kind:
        case None:
            return [None]
        case Primitive("bool"):
            return [True, False]
        case Primitive("string"):
            return ["", "ünï 🦊\0\n"]
        case Primitive("u16"):
            return [200, 65_535]
        case Primitive("u32"):
            return [0, largest_u32]
        case Primitive("u64"):
            return [0, 2**53 - 1]
        case Primitive("f64"):
            return [0.0, -1.5]
        case Enum(cases):
            return list(cases)
        case Option(payload):
            return [None, *samples_of(payload)]
        case ListOf(element):
            return [b"", bytes(range(256))] if kind == BYTES else [[], samples_of(element) * 2]
        case Record(fields):
            return _zipped([(name, samples_of(part)) for name, part in fields])
        case TupleOf(elements):
            return [
                tuple(row.values()) for row in _zipped([(str(i), samples_of(part)) for i, part in enumerate(elements)])
            ]
        case Result(ok, err):
            return [*map(Ok, samples_of(ok)), *map(Err, samples_of(err))]
        case _:
            raise TypeError(kind)


def _zipped(columns: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
    rows = max((len(values) for _, values in columns), default=1)
    return [{name: values[row % len(values)] for name, values in columns} for row in range(rows)]


def _plain(kind: Type | None, value: Any) -> Any:
    """Return a value as it travels to the sandbox."""
    match kind:
        case Result(ok, err):
            return [
                isinstance(value, Ok),
                _plain(ok, value.value) if isinstance(value, Ok) else _plain(err, value.case),
            ]
        case Option(payload):
            return None if value is None else _plain(payload, value)
        case ListOf(element):
            return value if kind == BYTES else [_plain(element, item) for item in value]
        case Record(fields):
            return [_plain(part, value[name]) for name, part in fields]
        case TupleOf(elements):
            return [_plain(part, item) for part, item in zip(elements, value, strict=True)]
        case Variant():
            raise TypeError(kind)
        case _:
            return value


def _open(call: CallContext) -> Opened:
    def answer(*_arguments: Any) -> Any:
        return msgspec.msgpack.decode(base64.b64decode(call.request.context.config["answer"]))

    return Opened({name: Handler(Any, answer, None) for name in SERVED}, lambda: None)
