"""The value codec against wasmtime-py's own conversion, over random values of every type of the world."""

import ctypes
import struct
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from wasmtime import Engine, Store, component
from wasmtime import _ffi as binding
from wasmtime.component import _types as theirs

from functions.runner.sandbox.child import codec
from functions.runner.sandbox.child.arena import Arena
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.shapes import (
    BYTES,
    Enum,
    Function,
    ListOf,
    Option,
    Primitive,
    Record,
    Result,
    TupleOf,
    Type,
    Variant,
)
from functions.runner.sandbox.protocol.world import EXPORT, IMPORTS
from tests.support import wat

RANGES = {"u8": 8, "u16": 16, "u32": 32, "u64": 64}
EVERY_IMPORT = [f"{interface}.{name}" for interface, functions in IMPORTS.items() for name in functions]


def values(kind: Type) -> st.SearchStrategy[Any]:
    """Values of a type, as the codec has them."""
    if kind == BYTES:
        return st.binary(max_size=200)
    match kind:
        case Primitive("bool"):
            return st.booleans()
        case Primitive("string"):
            return st.text(max_size=40)
        case Primitive("f64"):
            return st.floats(allow_nan=False)
        case Primitive(name):
            return st.integers(0, 2 ** RANGES[name] - 1)
        case ListOf(element):
            return st.lists(values(element), max_size=4)
        case TupleOf(elements):
            return st.tuples(*map(values, elements))
        case Record(fields):
            return st.tuples(*[values(field) for _, field in fields])
        case Option(payload):
            return st.none() | values(payload)
        case Enum(cases):
            return st.sampled_from(cases)
        case Result(ok, err):
            return st.one_of(
                st.tuples(st.just(value=True), values(ok) if ok else st.none()),
                st.tuples(st.just(value=False), values(err) if err else st.none()),
            )
        case Variant(cases):
            return st.one_of(*[st.tuples(st.just(n), values(p) if p else st.none()) for n, p in cases])


def as_theirs(kind: Type, found: Any, value: Any) -> Any:
    """A value of ours as wasmtime-py has it; ``found`` is its type object."""
    if kind == BYTES:
        return value
    match kind:
        case Primitive("f64"):
            return float(value)
        case Primitive(_) | Enum(_):
            return value
        case ListOf(element):
            return [as_theirs(element, found.element, item) for item in value]
        case TupleOf(elements):
            parts = zip(elements, found.elements, value, strict=True)
            return tuple(as_theirs(element, part, item) for element, part, item in parts)
        case Record(fields):
            record = theirs.Record()
            for (name, field), (_, part), item in zip(fields, found.fields, value, strict=True):
                setattr(record, name, as_theirs(field, part, item))
            return record
        case Option(payload):
            if value is None:
                return theirs.Variant("none") if found._tagged() else None
            inner = as_theirs(payload, found.payload, value)
            return theirs.Variant("some", inner) if found._tagged() else inner
        case Result(ok, err):
            is_ok, payload = value
            wanted, part = (ok, found.ok) if is_ok else (err, found.err)
            inner = as_theirs(wanted, part, payload) if wanted else None
            return theirs.Variant("ok" if is_ok else "err", inner) if found._tagged() else inner
        case Variant(cases):
            name, payload = value
            wanted, part = dict(cases)[name], dict(found.cases)[name]
            inner = as_theirs(wanted, part, payload) if wanted else None
            return theirs.Variant(name, inner) if found._tagged() else inner


def normal(value: Any) -> Any:
    """A value with sequences as tuples, so that lists and tuples compare."""
    return tuple(map(normal, value)) if isinstance(value, list | tuple) else value


class Types:
    """Every parameter and result type of the world, with wasmtime-py's object for it."""

    def __init__(self) -> None:
        self.engine = Engine(abi_config())
        self.program = component.Component(self.engine, wat.guest("(unreachable)", imports=EVERY_IMPORT))
        self.pairs: list[tuple[str, Type, Any]] = []
        for name, extern in self.program.type.imports(self.engine).items():
            interface = name.removeprefix("alga:extension/")
            if interface in IMPORTS:
                assert isinstance(extern.ty, component.ComponentInstanceType)
                for function, item in extern.ty.exports(self.engine).items():
                    if isinstance(item.ty, component.FuncType):
                        self._add(f"{interface}.{function}", IMPORTS[interface][function], item.ty)
        self._add("handler", EXPORT, self.program.type.exports(self.engine)["handler"].ty)

    def _add(self, name: str, declared: Function, found: Any) -> None:
        for place, ((_, part), kind) in enumerate(zip(found.params, declared.params, strict=True)):
            self.pairs.append((f"{name} p{place}", kind, part))
        if declared.result is not None:
            self.pairs.append((f"{name} result", declared.result, found.result))


def abi_config() -> Any:
    from wasmtime import Config

    return Config()


TYPES = Types()


@pytest.mark.parametrize(("kind", "found"), [pair[1:] for pair in TYPES.pairs], ids=[pair[0] for pair in TYPES.pairs])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_we_lower_is_what_wasmtime_py_reads(kind: Type, found: Any, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    arena = Arena()
    at = arena.take(codec.VALUE_BYTES)
    part, address = arena.buffer, arena.base + at
    lower = codec.lowering(kind)  # holds the names that the value points to
    lower(value, arena, part, at)
    copy = binding.wasmtime_component_val_t()
    abi.value_clone(address, ctypes.addressof(copy))
    assert found.convert_from_c(copy) == as_theirs(kind, found, value)


@pytest.mark.parametrize(("kind", "found"), [pair[1:] for pair in TYPES.pairs], ids=[pair[0] for pair in TYPES.pairs])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_wasmtime_py_writes_is_what_we_lift(kind: Type, found: Any, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    written = binding.wasmtime_component_val_t()
    try:
        found.convert_to_c(Store(TYPES.engine), as_theirs(kind, found, value), ctypes.pointer(written))
    except ValueError:
        reject()  # wasmtime-py 50 cannot write the error of a result<option<…>, …>
    try:
        assert normal(codec.lifting(kind)(bytes(written), 0)) == normal(value)
    finally:
        abi.value_delete(ctypes.addressof(written))


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 70_000, 1 << 20])
def test_bytes_of_any_size_come_back_as_they_went(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    arena = Arena()
    at = arena.take(codec.VALUE_BYTES)
    part = arena.buffer
    codec.lowering(BYTES)(data, arena, part, at)
    assert codec.lifting(BYTES)(bytes(part[at : at + codec.VALUE_BYTES]), 0) == data


def test_the_layout_is_the_bindings_own() -> None:
    value, entry = binding.wasmtime_component_val_t, binding.wasmtime_component_valrecord_entry_t
    assert (ctypes.sizeof(value), value.of.offset) == (codec.VALUE_BYTES, 8)
    assert (ctypes.sizeof(entry), entry.val.offset) == (codec.ENTRY_BYTES, 16)


def test_the_kinds_are_the_bindings_own() -> None:
    named = {name: getattr(binding, f"WASMTIME_COMPONENT_{name.upper()}").value for name in codec.KINDS}
    assert named == codec.KINDS


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Primitive("bool"), 1),
        (Primitive("u16"), "1"),
        (Primitive("u16"), 65_536),
        (Primitive("u16"), -1),
        (Primitive("string"), 5),
        (Primitive("string"), None),
        (BYTES, "text"),
        (Enum(("a", "b")), "c"),
        (Variant((("a", None),)), ("b", None)),
        (Record((("a", Primitive("bool")),)), ()),
        (TupleOf((Primitive("bool"),)), (True, True)),
        (Result(None, Primitive("string")), "ok"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(kind: Type, value: Any) -> None:
    arena = Arena()
    at = arena.take(codec.VALUE_BYTES)
    with pytest.raises((codec.CodecError, TypeError, ValueError, AttributeError, struct.error)):
        codec.lowering(kind)(value, arena, arena.buffer, at)


def test_a_value_of_another_kind_is_refused_when_read() -> None:
    arena = Arena()
    at = arena.take(codec.VALUE_BYTES)
    part = arena.buffer
    codec.lowering(Primitive("string"))("text", arena, part, at)
    with pytest.raises(codec.CodecError):
        codec.lifting(Primitive("u32"))(bytes(part[at : at + codec.VALUE_BYTES]), 0)


def test_an_option_of_a_number_is_no_list_of_numbers() -> None:
    arena = Arena()
    for kind, absent in ((Option(Primitive("u64")), None), (Option(Primitive("u8")), None)):
        for value in (absent, 5):
            at = arena.take(codec.VALUE_BYTES)
            codec.lowering(kind)(value, arena, arena.buffer, at)
            assert codec.lifting(kind)(bytes(arena.buffer[at : at + codec.VALUE_BYTES]), 0) == value


def test_an_arena_gives_the_same_memory_again_after_a_reset() -> None:
    arena = Arena()
    first = arena.base + arena.take(100)
    arena.take(1 << 20)
    arena.reset()
    assert arena.base + arena.take(100) == first


@pytest.mark.parametrize(
    ("written", "value", "read"),
    [
        (TupleOf((Primitive("bool"), Primitive("bool"))), (True, True), TupleOf((Primitive("bool"),))),
        (Record((("a", Primitive("bool")),)), (True,), Record((("a", Primitive("bool")), ("b", Primitive("bool"))))),
        (Enum(("a", "b")), "b", Enum(("a",))),
        (Variant((("a", None), ("b", None))), ("b", None), Variant((("a", None),))),
        (Primitive("u32"), 5, Primitive("string")),
    ],
    ids=["tuple", "record", "enum", "variant", "string"],
)
def test_a_value_of_another_type_of_the_kind_is_refused_when_read(written: Type, value: Any, read: Type) -> None:
    arena = Arena()
    at = arena.take(codec.VALUE_BYTES)
    lower = codec.lowering(written)  # which owns the names of cases
    lower(value, arena, arena.buffer, at)
    with pytest.raises(codec.CodecError):
        codec.lifting(read)(bytes(arena.buffer[at : at + codec.VALUE_BYTES]), 0)
