"""The value types of the component model that the WIT world uses.

A value is plain Python, so that it can also be sent as MessagePack: a record or tuple is a sequence in field order, an
option is None or the value, an enum is its case name, a variant is ``(case, payload)``, a result is ``(is_ok,
payload)``, ``list<u8>`` is bytes, and every other list is a sequence.

The types are data classes, not tuples. Data classes are equal only when they have the same class, so an option of a
type does not equal a list of it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parts; ``name`` is its spelling in WIT."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """``list<element>``; ``list<u8>`` has its own name, ``BYTES``."""

    element: "Type"


@dataclass(frozen=True, slots=True)
class Option:
    """``option<payload>``; the payload is never itself an option."""

    payload: "Type"


@dataclass(frozen=True, slots=True)
class Result:
    """``result<ok, err>``; None means ``_``."""

    ok: "Type | None"
    err: "Type | None"


@dataclass(frozen=True, slots=True)
class Record:
    """A record: pairs of field name and type. Their order is part of the ABI."""

    fields: "tuple[tuple[str, Type], ...]"


@dataclass(frozen=True, slots=True)
class TupleOf:
    """``tuple<…>``."""

    elements: "tuple[Type, ...]"


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum: its case names. Their order is part of the ABI."""

    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant: pairs of case name and payload type, None for a case without one."""

    cases: "tuple[tuple[str, Type | None], ...]"


Type = Primitive | ListOf | Option | Result | Record | TupleOf | Enum | Variant


@dataclass(frozen=True, slots=True)
class Function:
    """A function's parameter types and its result type (None when it returns nothing)."""

    params: tuple[Type, ...]
    result: Type | None


BOOL: Final = Primitive("bool")
U8: Final = Primitive("u8")
U16: Final = Primitive("u16")
U32: Final = Primitive("u32")
U64: Final = Primitive("u64")
F64: Final = Primitive("f64")
STRING: Final = Primitive("string")
BYTES: Final = ListOf(U8)
WORDS: Final = ListOf(U64)
"""Bytes as ``list<u64>``. When read, their number is a multiple of 8, so the true length is passed separately."""


def record(**fields: Type) -> Record:
    """Make a record type. Underscores in the names become hyphens."""
    return Record(tuple((name.replace("_", "-"), kind) for name, kind in fields.items()))
