"""Convert Python values to and from the engine's ``wasmtime_component_val_t``, with one closure for each type.

wasmtime-py converts each element of a list separately, and reads the type again at every call: 1 MiB of ``list<u8>``
takes about 0.7 seconds in each direction. Here each type is turned into a closure once, and bytes are copied with
strided slices.

Layout (wasmtime/component/val.h, checked against the binding's own structures by a test): a value is 32 bytes,
kind at 0, payload at 8; a record entry is 48 bytes, name (size, address) at 0 and value at 16; a list, record or
tuple is (size, address); an option is an address or null; a result is (is_ok, address); a variant is (name, address);
an enum is a name. Little-endian, 64-bit.

Ownership: ``lower`` writes into the platform's own arena, which the engine never frees. ``lift`` only reads. The caller
that received the value from the engine must delete it exactly once.
"""

import ctypes
import struct
from collections.abc import Callable
from typing import Any, Final

from functions.runner.sandbox.child.arena import Arena, address_of
from functions.runner.sandbox.protocol.shapes import (
    BYTES,
    WORDS,
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

VALUE_BYTES: Final = 32
ENTRY_BYTES: Final = 48

Lower = Callable[[Any, Arena, bytearray, int], None]
"""(value, arena, buffer, offset): write ``value`` as 32 bytes at ``buffer[offset:]``, and its parts into the arena."""
Lift = Callable[[bytes, int], Any]
"""(raw, offset): read the value that starts at ``raw[offset]``."""

KINDS: Final = {
    "bool": 0,
    "u8": 2,
    "u16": 4,
    "u32": 6,
    "u64": 8,
    "f64": 10,
    "string": 12,
    "list": 13,
    "record": 14,
    "tuple": 15,
    "variant": 16,
    "enum": 17,
    "option": 18,
    "result": 19,
}
_SCALARS: Final = {
    "bool": (struct.Struct("<B7x?"), bool),
    "u8": (struct.Struct("<B7xB"), int),
    "u16": (struct.Struct("<B7xH"), int),
    "u32": (struct.Struct("<B7xI"), int),
    "u64": (struct.Struct("<B7xQ"), int),
    "f64": (struct.Struct("<B7xd"), float),
}
_PAIR: Final = struct.Struct("<B7xQQ")
_TRIPLE: Final = struct.Struct("<B7xQQQ")
_TWO: Final = struct.Struct("<QQ")
_THREE: Final = struct.Struct("<QQQ")

_MEMORY_VIEW = ctypes.c_char * (1 << 46)
"""A view of all memory from an address on. Only the slice that is taken is read."""


class CodecError(Exception):
    """A value does not match its type. Values from the engine always match once the types have been checked."""


def lowering(kind: Type) -> Lower:
    """Return the closure that writes values of a type.

    When the value does not match the type, the closure raises ``CodecError``, ``TypeError``, ``ValueError``,
    ``IndexError``, ``struct.error`` or ``AttributeError``. The arena must be reset then.
    """
    if kind == BYTES:
        return _lower_bytes
    if kind == WORDS:
        return _lower_words
    match kind:
        case Primitive("string"):
            return _lower_string
        case Primitive(name):
            return _lower_scalar(name)
        case ListOf(element):
            return _lower_sequence(KINDS["list"], lowering(element))
        case TupleOf(elements):
            return _lower_tuple([lowering(element) for element in elements])
        case Record(fields):
            return _lower_record(fields)
        case Option(payload):
            return _lower_option(lowering(payload))
        case Result(ok, err):
            return _lower_result(lowering(ok) if ok else None, lowering(err) if err else None)
        case Enum(cases):
            return _lower_enum(cases)
        case Variant(cases):
            return _lower_variant({name: lowering(payload) if payload else None for name, payload in cases})


def lifting(kind: Type) -> Lift:
    """Return the closure that reads values of a type. It raises ``CodecError`` for a value of another kind."""
    if kind == BYTES:
        return _lift_bytes
    if kind == WORDS:
        return _lift_words
    match kind:
        case Primitive("string"):
            return _lift_string
        case Primitive(name):
            return _lift_scalar(name)
        case ListOf(element):
            return _lift_list(lifting(element))
        case TupleOf(elements):
            return _lift_tuple([lifting(element) for element in elements])
        case Record(fields):
            return _lift_record([lifting(field) for _, field in fields])
        case Option(payload):
            return _lift_option(lifting(payload))
        case Result(ok, err):
            return _lift_result(lifting(ok) if ok else None, lifting(err) if err else None)
        case Enum(cases):
            return _lift_enum(frozenset(cases))
        case Variant(cases):
            return _lift_variant({name: lifting(payload) if payload else None for name, payload in cases})


# --- lowering ---


def _lower_scalar(name: str) -> Lower:
    kind, (layout, expected) = KINDS[name], _SCALARS[name]

    def lower(value: Any, _arena: Arena, buffer: bytearray, offset: int) -> None:
        if type(value) is not expected and not (expected is float and type(value) is int):
            message = f"expected {name}"
            raise CodecError(message)
        layout.pack_into(buffer, offset, kind, value)

    return lower


def _lower_string(value: str, arena: Arena, buffer: bytearray, offset: int) -> None:
    data = value.encode()
    size = len(data)
    at = arena.take(size)
    arena.buffer[at : at + size] = data
    _PAIR.pack_into(buffer, offset, 12, size, arena.base + at)


def _lower_bytes(value: bytes, arena: Arena, buffer: bytearray, offset: int) -> None:
    size = len(value)
    if size * VALUE_BYTES <= 16_384:
        at = arena.take(size * VALUE_BYTES)
        part = arena.buffer
        address = arena.base + at
    else:
        at, part = 0, bytearray(size * VALUE_BYTES)
        address = arena.keep(part)
    end = at + size * VALUE_BYTES
    if size:
        part[at:end:VALUE_BYTES] = b"\x02" * size
        part[at + 8 : end : VALUE_BYTES] = value
    _PAIR.pack_into(buffer, offset, 13, size, address)


def _lower_words(value: bytes, arena: Arena, buffer: bytearray, offset: int) -> None:
    if not value:
        _PAIR.pack_into(buffer, offset, 13, 0, arena.base)
        return
    size = -(-len(value) // 8)
    part = bytearray(size * VALUE_BYTES)
    part[::VALUE_BYTES] = b"\x08" * size
    for place in range(8):
        column = value[place::8]
        part[8 + place : 8 + place + len(column) * VALUE_BYTES : VALUE_BYTES] = column
    _PAIR.pack_into(buffer, offset, 13, size, arena.keep(part))


def _lower_sequence(kind: int, element: Lower) -> Lower:
    def lower(value: Any, arena: Arena, buffer: bytearray, offset: int) -> None:
        size = len(value)
        at = arena.take(size * VALUE_BYTES)
        part, base = arena.buffer, arena.base
        _PAIR.pack_into(buffer, offset, kind, size, base + at)
        for item in value:
            element(item, arena, part, at)
            at += VALUE_BYTES

    return lower


def _lower_tuple(elements: list[Lower]) -> Lower:
    def lower(value: Any, arena: Arena, buffer: bytearray, offset: int) -> None:
        at = arena.take(len(elements) * VALUE_BYTES)
        part, base = arena.buffer, arena.base
        _PAIR.pack_into(buffer, offset, 15, len(elements), base + at)
        for element, item in zip(elements, value, strict=True):
            element(item, arena, part, at)
            at += VALUE_BYTES

    return lower


def _lower_record(fields: tuple[tuple[str, Type], ...]) -> Lower:
    closures = [lowering(kind) for _, kind in fields]
    names = [_Name(name) for name, _ in fields]
    template = b"".join(_TWO.pack(name.size, name.address) + bytes(VALUE_BYTES) for name in names)
    total = len(template)

    def lower(value: Any, arena: Arena, buffer: bytearray, offset: int) -> None:
        at = arena.take(total)
        part, base = arena.buffer, arena.base
        part[at : at + total] = template
        _PAIR.pack_into(buffer, offset, 14, len(names), base + at)
        at += 16
        for closure, item in zip(closures, value, strict=True):
            closure(item, arena, part, at)
            at += ENTRY_BYTES

    return lower


def _lower_option(payload: Lower) -> Lower:
    def lower(value: Any, arena: Arena, buffer: bytearray, offset: int) -> None:
        if value is None:
            _PAIR.pack_into(buffer, offset, 18, 0, 0)
            return
        at = arena.take(VALUE_BYTES)
        part = arena.buffer
        _PAIR.pack_into(buffer, offset, 18, arena.base + at, 0)
        payload(value, arena, part, at)

    return lower


def _lower_result(ok: Lower | None, err: Lower | None) -> Lower:
    def lower(value: Any, arena: Arena, buffer: bytearray, offset: int) -> None:
        is_ok, payload = value
        if is_ok is not True and is_ok is not False:
            message = "expected a result: a pair of a bool and its payload"
            raise CodecError(message)
        closure = ok if is_ok else err
        if closure is None:
            _PAIR.pack_into(buffer, offset, 19, is_ok, 0)
            return
        at = arena.take(VALUE_BYTES)
        part = arena.buffer
        _PAIR.pack_into(buffer, offset, 19, is_ok, arena.base + at)
        closure(payload, arena, part, at)

    return lower


def _lower_enum(cases: tuple[str, ...]) -> Lower:
    names = {case: _Name(case) for case in cases}

    def lower(value: Any, _arena: Arena, buffer: bytearray, offset: int) -> None:
        name = names.get(value)
        if name is None:
            message = "no such enum case"
            raise CodecError(message)
        _PAIR.pack_into(buffer, offset, 17, name.size, name.address)

    return lower


def _lower_variant(cases: dict[str, Lower | None]) -> Lower:
    names = {case: _Name(case) for case in cases}

    def lower(value: Any, arena: Arena, buffer: bytearray, offset: int) -> None:
        case, payload = value
        name = names.get(case)
        if name is None:
            message = "no such variant case"
            raise CodecError(message)
        closure = cases[case]
        if closure is None:
            _TRIPLE.pack_into(buffer, offset, 16, name.size, name.address, 0)
            return
        at = arena.take(VALUE_BYTES)
        part = arena.buffer
        _TRIPLE.pack_into(buffer, offset, 16, name.size, name.address, arena.base + at)
        closure(payload, arena, part, at)

    return lower


class _Name:
    """A name that the engine reads by address. It stays valid as long as the closure that holds it."""

    __slots__ = ("_buffer", "address", "size")

    def __init__(self, name: str) -> None:
        self._buffer = bytearray(name.encode())
        self.size = len(self._buffer)
        self.address = address_of(self._buffer)


# --- lifting ---


def _expect(raw: bytes, offset: int, kind: int) -> None:
    if raw[offset] != kind:
        message = f"the engine passed a value of kind {raw[offset]}; its type has kind {kind}"
        raise CodecError(message)


def _text(address: int, size: int) -> str:
    return ctypes.string_at(address, size).decode() if size else ""


def _lift_scalar(name: str) -> Lift:
    kind, (layout, _) = KINDS[name], _SCALARS[name]

    def lift(raw: bytes, offset: int) -> Any:
        found, value = layout.unpack_from(raw, offset)
        if found != kind:
            _expect(raw, offset, kind)
        return value

    return lift


def _lift_string(raw: bytes, offset: int) -> str:
    kind, size, address = _PAIR.unpack_from(raw, offset)
    if kind != 12:
        _expect(raw, offset, 12)
    return ctypes.string_at(address, size).decode() if size else ""


def _lift_bytes(raw: bytes, offset: int) -> bytes:
    _expect(raw, offset, 13)
    size, address = _TWO.unpack_from(raw, offset + 8)
    if not size:
        return b""
    view: Any = _MEMORY_VIEW.from_address(address + 8)
    data: bytes = view[0 : (size - 1) * VALUE_BYTES + 1 : VALUE_BYTES]
    return data


def _lift_words(raw: bytes, offset: int) -> bytes:
    _expect(raw, offset, 13)
    size, address = _TWO.unpack_from(raw, offset + 8)
    if not size:
        return b""
    view: Any = _MEMORY_VIEW.from_address(address + 8)
    end = (size - 1) * VALUE_BYTES + 8
    words = bytearray(size * 8)
    for place in range(8):
        words[place::8] = view[place:end:VALUE_BYTES]
    return bytes(words)


def _lift_list(element: Lift) -> Lift:
    def lift(raw: bytes, offset: int) -> list[Any]:
        _expect(raw, offset, 13)
        size, address = _TWO.unpack_from(raw, offset + 8)
        if not size:
            return []
        part = ctypes.string_at(address, size * VALUE_BYTES)
        return [element(part, at) for at in range(0, size * VALUE_BYTES, VALUE_BYTES)]

    return lift


def _lift_tuple(elements: list[Lift]) -> Lift:
    def lift(raw: bytes, offset: int) -> tuple[Any, ...]:
        _expect(raw, offset, 15)
        size, address = _TWO.unpack_from(raw, offset + 8)
        if size != len(elements):
            message = f"the engine passed a tuple of {size} elements; its type has {len(elements)}"
            raise CodecError(message)
        part = ctypes.string_at(address, size * VALUE_BYTES)
        return tuple(element(part, index * VALUE_BYTES) for index, element in enumerate(elements))

    return lift


def _lift_record(fields: list[Lift]) -> Lift:
    places = [(field, index * ENTRY_BYTES + 16) for index, field in enumerate(fields)]

    def lift(raw: bytes, offset: int) -> tuple[Any, ...]:
        _expect(raw, offset, 14)
        size, address = _TWO.unpack_from(raw, offset + 8)
        if size != len(places):
            message = f"the engine passed a record of {size} fields; its type has {len(places)}"
            raise CodecError(message)
        part = ctypes.string_at(address, size * ENTRY_BYTES)
        return tuple([field(part, place) for field, place in places])

    return lift


def _lift_option(payload: Lift) -> Lift:
    def lift(raw: bytes, offset: int) -> Any:
        kind, address, _ = _PAIR.unpack_from(raw, offset)
        if kind != 18:
            _expect(raw, offset, 18)
        return payload(ctypes.string_at(address, VALUE_BYTES), 0) if address else None

    return lift


def _lift_result(ok: Lift | None, err: Lift | None) -> Lift:
    def lift(raw: bytes, offset: int) -> tuple[bool, Any]:
        _expect(raw, offset, 19)
        is_ok = bool(raw[offset + 8])
        (address,) = struct.unpack_from("<Q", raw, offset + 16)
        closure = ok if is_ok else err
        payload = closure(ctypes.string_at(address, VALUE_BYTES), 0) if closure is not None and address else None
        return is_ok, payload

    return lift


def _lift_enum(cases: frozenset[str]) -> Lift:
    def lift(raw: bytes, offset: int) -> str:
        _expect(raw, offset, 17)
        size, address = _TWO.unpack_from(raw, offset + 8)
        name = _text(address, size)
        if name not in cases:
            message = "no such enum case"
            raise CodecError(message)
        return name

    return lift


def _lift_variant(cases: dict[str, Lift | None]) -> Lift:
    def lift(raw: bytes, offset: int) -> tuple[str, Any]:
        _expect(raw, offset, 16)
        size, name_address, address = _THREE.unpack_from(raw, offset + 8)
        case = _text(name_address, size)
        if case not in cases:
            message = "no such variant case"
            raise CodecError(message)
        closure = cases[case]
        return case, (closure(ctypes.string_at(address, VALUE_BYTES), 0) if closure is not None and address else None)

    return lift
