"""The canonical ABI of the component model, for guests in WebAssembly text: values as they lie in linear memory.

Written from the component model's specification, without the engine, so that it also checks the engine's side.
"""

import struct
from typing import Any, Final

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
from tests.conformance.values import Err, Ok

FLAT_PARAMETERS_LIMIT: Final = 16

_SCALARS: Final = {"bool": "?", "u8": "B", "u16": "H", "u32": "I", "u64": "Q", "f64": "d"}
_CORE: Final = {"u64": "i64", "f64": "f64"}


class Memory:
    """Memory that a guest will find at ``base``."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.data = bytearray()

    def take(self, size: int, align: int) -> int:
        """Reserve zeroed bytes and return their address."""
        self.data += bytes(_up(len(self.data), align) - len(self.data) + size)
        return self.base + len(self.data) - size

    def write(self, at: int, data: bytes) -> None:
        """Write at an address."""
        self.data[at - self.base : at - self.base + len(data)] = data


def alignment(kind: Type | None) -> int:
    """Return a type's alignment in memory."""
    match kind:
        case Primitive("string") | ListOf(_):
            return 4
        case Primitive(name):
            return struct.calcsize(_SCALARS[name])
        case Enum(_) | None:
            return 1
        case _:
            return max(map(alignment, _parts(kind)), default=1)


def size(kind: Type | None) -> int:
    """Return a type's size in memory."""
    match kind:
        case None:
            return 0
        case Primitive("string") | ListOf(_):
            return 8
        case Primitive(name):
            return struct.calcsize(_SCALARS[name])
        case Enum(_):
            return 1
        case Record() | TupleOf():
            end = _offsets(_parts(kind))[1]
            return _up(end, alignment(kind))
        case _:
            widest = max(map(size, _parts(kind)), default=0)
            return _up(_payload_offset(kind) + widest, alignment(kind))


def flat(kind: Type) -> list[str]:
    """Return the core types a value is passed as."""
    match kind:
        case Primitive("string") | ListOf(_):
            return ["i32", "i32"]
        case Primitive(name):
            return [_CORE.get(name, "i32")]
        case Enum(_):
            return ["i32"]
        case Record() | TupleOf():
            return [core for part in _parts(kind) for core in flat(part)]
        case _:
            return ["i32", *_joined(kind)]


def store(memory: Memory, kind: Type, value: Any, at: int) -> None:
    """Write a value at an address."""
    match kind:
        case Primitive("string"):
            _store_list(memory, BYTES, value.encode(), at)
        case Primitive(name):
            memory.write(at, struct.pack(f"<{_SCALARS[name]}", value))
        case ListOf():
            _store_list(memory, kind, value, at)
        case Record() | TupleOf():
            for part, offset, item in zip(_parts(kind), _offsets(_parts(kind))[0], _items(kind, value), strict=True):
                store(memory, part, item, at + offset)
        case Enum(cases):
            memory.write(at, bytes([cases.index(value)]))
        case _:
            index, payload, item = _case(kind, value)
            memory.write(at, bytes([index]))
            if payload is not None:
                store(memory, payload, item, at + _payload_offset(kind))


def lower(memory: Memory, kind: Type, value: Any) -> list[int | float]:
    """Return the core values of a value that is passed flat; what it points to goes to memory."""
    match kind:
        case Primitive("string") | ListOf():
            at = memory.take(8, 4)
            store(memory, kind, value, at)
            return list(struct.unpack_from("<II", memory.data, at - memory.base))
        case Primitive():
            return [float(value) if flat(kind) == ["f64"] else int(value)]
        case Enum(cases):
            return [cases.index(value)]
        case Record() | TupleOf():
            items = zip(_parts(kind), _items(kind, value), strict=True)
            return [core for part, item in items for core in lower(memory, part, item)]
        case _:
            index, payload, item = _case(kind, value)
            cores = [] if payload is None else lower(memory, payload, item)
            return [index, *cores, *[0] * (len(_joined(kind)) - len(cores))]


def load(memory: bytes, kind: Type | None, at: int) -> Any:
    """Read a value at an address of a whole memory."""
    match kind:
        case None:
            return None
        case Primitive("string"):
            return load(memory, BYTES, at).decode()
        case Primitive(name):
            return struct.unpack_from(f"<{_SCALARS[name]}", memory, at)[0]
        case ListOf(element):
            address, count = struct.unpack_from("<II", memory, at)
            if kind == BYTES:
                assert address + count <= len(memory)
                return bytes(memory[address : address + count])
            return [load(memory, element, address + size(element) * place) for place in range(count)]
        case Record(fields):
            offsets = _offsets(_parts(kind))[0]
            return {name: load(memory, part, at + o) for (name, part), o in zip(fields, offsets, strict=True)}
        case TupleOf(elements):
            offsets = _offsets(elements)[0]
            return tuple(load(memory, part, at + o) for part, o in zip(elements, offsets, strict=True))
        case Enum(cases):
            return cases[memory[at]]
        case Option(payload):
            assert memory[at] in (0, 1)
            return load(memory, payload, at + _payload_offset(kind)) if memory[at] else None
        case Result(ok, err):
            assert memory[at] in (0, 1)
            payload_at = at + _payload_offset(kind)
            return Err(load(memory, err, payload_at)) if memory[at] else Ok(load(memory, ok, payload_at))
        case Variant(cases):
            name, part = cases[memory[at]]
            return {"tag": name, "val": load(memory, part, at + _payload_offset(kind))}


def _up(number: int, align: int) -> int:
    return -(-number // align) * align


def _parts(kind: Type) -> tuple[Type, ...]:
    match kind:
        case Record(fields):
            return tuple(part for _, part in fields)
        case TupleOf(elements):
            return elements
        case Option(payload):
            return (payload,)
        case Result(ok, err):
            return tuple(part for part in (ok, err) if part is not None)
        case Variant(cases):
            return tuple(part for _, part in cases if part is not None)
        case _:
            return ()


def _offsets(parts: tuple[Type, ...]) -> tuple[list[int], int]:
    offsets, end = [], 0
    for part in parts:
        offsets.append(_up(end, alignment(part)))
        end = offsets[-1] + size(part)
    return offsets, end


def _payload_offset(kind: Type) -> int:
    return _up(1, max(map(alignment, _parts(kind)), default=1))


def _joined(kind: Type) -> list[str]:
    """Join the payloads' core types; the contract's parameters never mix different ones in a place."""
    longest: list[str] = []
    for cores in map(flat, _parts(kind)):
        shared = min(len(cores), len(longest))
        assert cores[:shared] == longest[:shared], kind
        longest = max(longest, cores, key=len)
    return longest


def _items(kind: Type, value: Any) -> list[Any]:
    if isinstance(kind, Record):
        assert set(value) <= {name for name, _ in kind.fields}, value
        return [value.get(name) for name, _ in kind.fields]
    return list(value)


def _case(kind: Type, value: Any) -> tuple[int, Type | None, Any]:
    """Return a case's index, its payload's type and value."""
    if isinstance(kind, Option):
        return (0, None, None) if value is None else (1, kind.payload, value)
    assert isinstance(kind, Variant), kind
    index = [name for name, _ in kind.cases].index(value["tag"])
    return index, kind.cases[index][1], value.get("val")


def _store_list(memory: Memory, kind: Type, value: Any, at: int) -> None:
    assert isinstance(kind, ListOf)
    width = size(kind.element)
    address = memory.take(width * len(value), alignment(kind.element))
    memory.write(at, struct.pack("<II", address, len(value)))
    if kind == BYTES:
        memory.write(address, value)
        return
    for place, item in enumerate(value):
        store(memory, kind.element, item, address + width * place)
