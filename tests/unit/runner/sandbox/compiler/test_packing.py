"""The adapter around a component: what it accepts, and that it changes nothing for the guest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wasmtime import component

from functions.runner.sandbox.compiler import typecheck
from functions.runner.sandbox.compiler.packing import pack
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.world import EXPORT_NAME, PACKED_EXPORT, PACKED_EXPORT_NAME
from functions.runner.sandbox.protocol.world import IMPORTS as EVERY_IMPORT
from tests.support import wat

ENGINE = abi.make_engine()
ECHO = "(call $respond (i32.const 200) (call $body (local.get $request)))"
IMPORTS = ("storage.get", "http.fetch")
GUEST = wat.guest(ECHO, imports=IMPORTS, wasi=["sleep"])
LATE = wat.guest(ECHO, imports=IMPORTS, wasi=["sleep"], layout="imports late")


def test_a_packed_component_fits_the_world_as_before() -> None:
    packed = pack(GUEST)
    assert packed is not None
    assert typecheck.misfits(ENGINE, component.Component(ENGINE, packed)) == []


def test_a_packed_component_imports_what_the_guest_imports() -> None:
    packed = pack(GUEST)
    assert packed is not None
    before, after = (component.Component(ENGINE, binary) for binary in (GUEST, packed))
    assert typecheck.import_names(ENGINE, after) == typecheck.import_names(ENGINE, before)


def test_the_packed_handler_has_the_type_the_codec_expects() -> None:
    packed = pack(GUEST)
    assert packed is not None
    exports = component.Component(ENGINE, packed).type.exports(ENGINE)
    found = exports[PACKED_EXPORT_NAME].ty
    assert isinstance(found, component.FuncType)
    assert typecheck._function_fits(found, PACKED_EXPORT)
    assert EXPORT_NAME in exports


def test_a_component_whose_imports_come_after_its_core_modules_is_packed() -> None:
    packed = pack(LATE)
    assert packed is not None
    after = component.Component(ENGINE, packed)
    assert typecheck.misfits(ENGINE, after) == []
    assert typecheck.import_names(ENGINE, after) == typecheck.import_names(ENGINE, component.Component(ENGINE, GUEST))


def test_a_component_that_makes_an_instance_before_its_imports_is_left_alone() -> None:
    assert pack(wat.guest(ECHO, imports=["storage.get"], layout="own instance first")) is None


@pytest.mark.parametrize("binary", [b"", b"\0asm", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\x0a", b"text"])
def test_what_is_no_component_is_left_alone(binary: bytes) -> None:
    assert pack(binary) is None or binary == b""


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([GUEST, LATE]))
def test_no_bytes_make_it_fail(data: st.DataObject, source: bytes) -> None:
    binary = bytearray(source)
    for _ in range(data.draw(st.integers(1, 5))):
        binary[data.draw(st.integers(0, len(binary) - 1))] = data.draw(st.integers(0, 255))
    pack(bytes(binary[: data.draw(st.integers(0, len(binary)))]))


IMPORT_SECTION = b"\x0a\x01\x00"


@pytest.mark.parametrize(
    "sections",
    [
        b"\x07\xff\xff\xff\xff\xff\xff\x00",
        b"\x0a\x03\x01\x00\x64",
        b"\x06\x03\x01\x02\x00" + IMPORT_SECTION,
        b"\x06\x03\x01\x03\x02" + IMPORT_SECTION,
        b"\x0a\x02\x01\x02",
        b"\x0a\x05\x01\x00\x01a\x02",
        b"\x0a\x06\x01\x00\x01a\x03\x01",
    ],
    ids=[
        "a number too long",
        "a name longer than the rest",
        "an alias of a core module",
        "an alias of an outer item",
        "a name of unknown form",
        "an import of a value",
        "an import of a fresh resource",
    ],
)
def test_a_component_whose_sections_cannot_be_read_or_nested_is_left_alone(sections: bytes) -> None:
    assert pack(b"\0asm\x0d\0\x01\0" + sections) is None


def test_a_component_that_imports_every_function_is_packed() -> None:
    every = [f"{interface}.{name}" for interface, functions in EVERY_IMPORT.items() for name in functions]
    packed = pack(wat.guest(ECHO, imports=every))
    assert packed is not None
    assert typecheck.misfits(ENGINE, component.Component(ENGINE, packed)) == []
