"""Nest a component in an outer component with an adapter that passes bodies eight bytes at a time.

The engine's C interface passes a list as one 32-byte value for each element, and limits a result to 2.67 MiB of
``list<u8>``. So prepare nests the guest in an outer component that exports ``handler-packed`` in addition to
``handler``. Bodies of ``handler-packed`` are ``list<u64>`` with their length in bytes: the same memory, and an eighth
of the values. The adapter is a few instructions that work on the layout of the canonical ABI. The guest is unchanged,
and its ``handler`` is called.

The outer component imports what the guest imports: the guest's own types, aliases and imports are copied as they are,
up to its last import. Core WebAssembly sections between them are left out, because no import can refer to them. A
component that defines instances or exports before its last import is not nested, because its types and instances would
get other numbers. It is called through ``handler``.

Binary format: component-model/design/mvp/Binary.md.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from wasmtime import wat2wasm

from functions.runner.sandbox.protocol.world import EXPORT_NAME, PACKED_EXPORT_NAME

COMPONENT_PREAMBLE: Final = b"\0asm\x0d\0\x01\0"
_CUSTOM, _MODULE, _CORE_INSTANCE, _CORE_TYPE, _COMPONENT, _INSTANCE, _ALIAS, _TYPE, _CANON, _IMPORT, _EXPORT = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11,
)  # fmt: skip
_WITHOUT_NUMBERS: Final = (_CUSTOM, _MODULE, _CORE_INSTANCE, _CORE_TYPE, _COMPONENT, _CANON)
"""Sections that define no types or instances. They can be left out without changing the numbers that copied sections
use."""
_CORE_SORT, _FUNC_SORT, _TYPE_SORT, _COMPONENT_SORT, _INSTANCE_SORT = 0, 1, 3, 4, 5
_INSTANCE_EXPORT, _CORE_EXPORT = 0x00, 0x01
_BOOL, _U16, _U32, _U64, _STRING = 0x7F, 0x7B, 0x79, 0x77, 0x73

_LIBC: Final = """
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 2048))
  (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32) (local $short i32)
    (local.set $at (global.get $top))
    ;; Every block starts and ends on a multiple of 8, so that bytes can be read as words.
    (global.set $top (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (if (i32.lt_u (global.get $top) (local.get $at)) (then (unreachable)))
    (local.set $short (i32.sub (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.gt_s (local.get $short) (i32.const 0))
      (then (if (i32.eq (i32.const -1) (memory.grow
          (i32.div_u (i32.add (local.get $short) (i32.const 65535)) (i32.const 65536))))
        (then (unreachable)))))
    (local.get $at)))
"""
"""A memory and an allocator. It never frees memory, because an instance serves one call."""

_ADAPTER: Final = """
(module
  (import "libc" "memory" (memory 2))
  (import "guest" "handler" (func $guest (param i32 i32)))
  ;; execute-request has its body's length at 84; here lie the words' count there and the length in bytes at 88.
  ;; execute-response has its body's length at 20; words' count goes there and the length in bytes to 24.
  (func (export "handler") (param $request i32) (result i32)
    (i32.store offset=84 (local.get $request) (i32.load offset=88 (local.get $request)))
    (call $guest (local.get $request) (i32.const 1024))
    (i32.store offset=24 (i32.const 1024) (i32.load offset=20 (i32.const 1024)))
    (i32.store offset=20 (i32.const 1024)
      (if (result i32) (i32.gt_u (i32.load offset=24 (i32.const 1024)) (i32.const 8388608))
        (then (i32.const 0))  ;; larger than any limit: the length tells, the bytes would only cost
        (else (i32.shr_u (i32.add (i32.load offset=24 (i32.const 1024)) (i32.const 7)) (i32.const 3)))))
    (i32.const 1024)))
"""


class _Imported(NamedTuple):
    """One import of the guest: its name, and the sort and number of what the outer component passes for it."""

    name: bytes
    sort: int
    place: int


class _Unpackable(Exception):
    """The component's layout does not allow nesting it this way."""


def pack(component: bytes) -> bytes | None:
    """Return the component nested with its adapter, or None when its layout does not allow it. Never raises."""
    try:
        prefix, imports, counts = _imported(component)
        return _outer(component, prefix, imports, counts)
    except (_Unpackable, IndexError, ValueError):
        return None


def _outer(component: bytes, prefix: bytes, imports: list[_Imported], counts: Counter[int]) -> bytes:
    guest_instance, guest_function = counts[_INSTANCE_SORT], counts[_FUNC_SORT]
    arguments = b"".join(_name(i.name) + bytes([i.sort]) + _number(i.place) for i in imports)
    instantiate = b"\x00" + _number(counts[_COMPONENT_SORT]) + _number(len(imports)) + arguments
    alias_handler = bytes([_FUNC_SORT, 0x00]) + _number(guest_instance) + _name(EXPORT_NAME.encode())
    types, request_type = _types(counts[_TYPE_SORT])
    options = _vector([b"\x03\x00", b"\x04\x00"])  # memory 0, realloc is core function 0
    lower = b"\x01\x00" + _number(guest_function) + options
    lift = b"\x00\x00" + _number(2) + options + _number(request_type)
    return b"".join(
        (
            COMPONENT_PREAMBLE,
            prefix,
            _section(_COMPONENT, component),
            _section(_INSTANCE, _vector([instantiate])),
            _section(_ALIAS, _vector([alias_handler])),
            _section(_MODULE, bytes(wat2wasm(_LIBC))),
            _section(_CORE_INSTANCE, _vector([b"\x00\x00\x00"])),
            _section(
                _ALIAS, _vector([b"\x00\x02\x01\x00" + _name(b"memory"), b"\x00\x00\x01\x00" + _name(b"realloc")])
            ),
            _section(_CANON, _vector([lower])),
            _section(_MODULE, bytes(wat2wasm(_ADAPTER))),
            _section(
                _CORE_INSTANCE,
                _vector(
                    [
                        b"\x01" + _vector([_name(b"handler") + b"\x00\x01"]),
                        b"\x00\x01" + _vector([_name(b"libc") + b"\x12\x00", _name(b"guest") + b"\x12\x01"]),
                    ]
                ),
            ),
            _section(_ALIAS, _vector([b"\x00\x00\x01\x02" + _name(b"handler")])),
            _section(_TYPE, types),
            _section(_CANON, _vector([lift])),
            _section(
                _EXPORT,
                _vector([_exported(EXPORT_NAME, guest_function), _exported(PACKED_EXPORT_NAME, guest_function + 1)]),
            ),
        )
    )


def _types(first: int) -> tuple[bytes, int]:
    """Return the packed types as the content of a section, and the index of the function type.

    ``first`` is the next free type index. The types are those of ``world.PACKED_EXPORT``: tuples, because these need
    no names.
    """
    optional, pair, pairs, words, context, request, response = range(first, first + 7)
    definitions = [
        b"\x6b" + bytes([_STRING]),
        b"\x6f" + _vector([bytes([_STRING])] * 2),
        b"\x70" + _signed(pair),
        b"\x70" + bytes([_U64]),
        b"\x6f"
        + _vector([_signed(optional), bytes([_STRING]), bytes([_STRING]), _signed(optional), _signed(optional)]),
        b"\x6f"
        + _vector(
            [
                _signed(context),
                bytes([_STRING]),
                bytes([_STRING]),
                _signed(pairs),
                bytes([_BOOL]),
                _signed(words),
                bytes([_U32]),
            ]
        ),
        b"\x6f" + _vector([bytes([_U16]), _signed(pairs), bytes([_BOOL]), _signed(words), bytes([_U32])]),
        b"\x40" + _vector([_name(b"request") + _signed(request)]) + b"\x00" + _signed(response),
    ]
    return _vector(definitions), response + 1


def _exported(name: str, function: int) -> bytes:
    return b"\x00" + _name(name.encode()) + bytes([_FUNC_SORT]) + _number(function) + b"\x00"


# --- reading ---


class _Reader:
    """Reads numbers, names and bytes one after the other."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 35:
                raise _Unpackable

    def name(self) -> bytes:
        size = self.number()
        if self.at + size > len(self.data):
            raise _Unpackable
        self.at += size
        return self.data[self.at - size : self.at]


def _sections(component: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield each top-level section: its id, the offset of its header, the offset of its content, and its end."""
    reader = _Reader(component, len(COMPONENT_PREAMBLE))
    while reader.at < len(component):
        start = reader.at
        kind, size = reader.byte(), reader.number()
        content = reader.at
        reader.at += size
        if reader.at > len(component):
            raise _Unpackable
        yield kind, start, content, reader.at


def _imported(component: bytes) -> tuple[bytes, list[_Imported], Counter[int]]:
    """Return the sections that imports depend on, the imports, and how many items of each sort the sections define."""
    if not component.startswith(COMPONENT_PREAMBLE):
        raise _Unpackable
    sections = list(_sections(component))
    last = max((place for place, (kind, *_) in enumerate(sections) if kind == _IMPORT), default=-1)
    kept: list[bytes] = []
    imports: list[_Imported] = []
    counts: Counter[int] = Counter()
    for kind, start, content, end in sections[: last + 1]:
        reader = _Reader(component[:end], content)
        match kind:
            case _ if kind == _TYPE:
                kept.append(component[start:end])
                counts[_TYPE_SORT] += reader.number()
            case _ if kind == _IMPORT:
                kept.append(component[start:end])
                imports += _read_imports(reader, counts)
            case _ if kind == _ALIAS:
                kept.append(_section(_ALIAS, _vector(list(_aliases(reader, counts)))))
            case _ if kind not in _WITHOUT_NUMBERS:
                raise _Unpackable
    return b"".join(kept), imports, counts


def _aliases(reader: _Reader, counts: Counter[int]) -> Iterator[bytes]:
    """Yield the bytes of each alias of an instance's export. Aliases of core exports are left out."""
    for _ in range(reader.number()):
        start = reader.at
        sort = reader.byte()
        is_core = sort == _CORE_SORT
        if is_core:
            reader.byte()
        elif sort not in (_FUNC_SORT, _TYPE_SORT, _COMPONENT_SORT, _INSTANCE_SORT):
            raise _Unpackable
        # Only aliases of instance exports are allowed; a top-level component has no outer component to alias.
        if reader.byte() != (_CORE_EXPORT if is_core else _INSTANCE_EXPORT):
            raise _Unpackable
        reader.number()
        reader.name()
        if not is_core:
            counts[sort] += 1
            yield reader.data[start : reader.at]


def _read_imports(reader: _Reader, counts: Counter[int]) -> Iterator[_Imported]:
    for _ in range(reader.number()):
        if reader.byte() not in (0x00, 0x01):
            raise _Unpackable
        name, sort = reader.name(), reader.byte()
        if sort not in (_FUNC_SORT, _TYPE_SORT, _INSTANCE_SORT):
            raise _Unpackable
        # A type import must be bound by equality. A new resource type would differ between outer and inner component.
        if sort == _TYPE_SORT and reader.byte() != 0x00:
            raise _Unpackable
        reader.number()
        yield _Imported(name, sort, counts[sort])
        counts[sort] += 1


# --- writing ---


def _number(value: int) -> bytes:
    """Encode an unsigned LEB128 number."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if not value:
            return bytes([*out, low])
        out.append(low | 0x80)


def _signed(value: int) -> bytes:
    """Encode a type's index as a signed LEB128 number. Codes of primitive types are negative, an index is not."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        if not value and not low & 0x40:
            return bytes([*out, low])
        out.append(low | 0x80)


def _name(text: bytes) -> bytes:
    return _number(len(text)) + text


def _vector(items: list[bytes]) -> bytes:
    return _number(len(items)) + b"".join(items)


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _number(len(content)) + content
