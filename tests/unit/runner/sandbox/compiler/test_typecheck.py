"""Which components fit the world."""

from collections.abc import Iterator

import pytest
import wasmtime
from wasmtime import component

from functions.runner.sandbox.compiler import typecheck
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.shapes import (
    BOOL,
    BYTES,
    F64,
    STRING,
    U8,
    U16,
    U32,
    U64,
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
    record,
)
from functions.runner.sandbox.protocol.world import IMPORTS
from tests.support import wat

ENGINE = abi.make_engine()


def misfits(text: str | bytes) -> list[str]:
    binary = wasmtime.wat2wasm(text) if isinstance(text, str) else text
    return typecheck.misfits(ENGINE, component.Component(ENGINE, bytes(binary)))


def test_a_component_without_a_handler_does_not_fit() -> None:
    assert misfits("(component)") == ["The component does not export the function 'handler'."]


def test_a_handler_of_another_type_does_not_fit() -> None:
    text = """(component
      (core module $m (func (export "h") (result i32) (i32.const 1)))
      (core instance $i (instantiate $m))
      (func (export "handler") (result u32) (canon lift (core func $i "h"))))"""
    assert misfits(text)[0].startswith("The component exports 'handler' with a wrong type")


def test_a_handler_that_is_no_function_does_not_fit() -> None:
    text = """(component (instance $i) (export "handler" (instance $i)))"""
    assert misfits(text)[0].startswith("The component exports 'handler' with a wrong type")


def test_an_import_the_platform_does_not_offer_is_named() -> None:
    text = '(component (import "wasi:keyvalue/store@0.2.0" (instance (export "f" (func)))))'
    assert "The component imports 'wasi:keyvalue/store@0.2.0', which the platform does not offer." in misfits(text)


def test_a_later_generation_of_wasi_is_not_offered() -> None:
    text = '(component (import "wasi:cli/environment@0.3.0" (instance (export "f" (func)))))'
    assert "The component imports 'wasi:cli/environment@0.3.0', which the platform does not offer." in misfits(text)


def test_an_unknown_function_of_a_known_interface_is_named() -> None:
    text = '(component (import "alga:extension/storage" (instance (export "drop-all" (func)))))'
    assert "The component imports alga:extension/storage.drop-all, which the platform does not offer." in misfits(text)


def test_a_known_function_with_another_type_is_named() -> None:
    text = '(component (import "alga:extension/logging" (instance (export "log-info" (func (param "m" u32))))))'
    assert "alga:extension/logging.log-info with a wrong type" in misfits(text)[0]


def test_a_function_imported_outside_an_interface_is_named() -> None:
    assert "The component imports 'f', which is not part of the world" in misfits('(component (import "f" (func)))')[0]


def test_an_interface_of_types_alone_is_no_misfit() -> None:
    assert misfits(wat.guest("(unreachable)")) == []


@pytest.mark.parametrize("part", sorted(wat.WASI))
def test_what_toolchains_import_of_wasi_fits(part: str) -> None:
    assert misfits(wat.guest("(unreachable)", wasi=[part])) == []


def test_the_name_of_the_adapters_handler_is_kept_for_it() -> None:
    text = """(component
      (core module $m (func (export "h") (result i32) (i32.const 1)))
      (core instance $i (instantiate $m))
      (func (export "handler-packed") (result u32) (canon lift (core func $i "h"))))"""
    assert "'handler-packed'" in misfits(text)[1]


def test_a_known_function_with_another_result_is_named() -> None:
    text = '(component (import "alga:extension/config" (instance (export "list-keys" (func (result u32))))))'
    assert "alga:extension/config.list-keys with a wrong type" in misfits(text)[0]


def test_a_known_function_with_a_result_it_should_not_have_is_named() -> None:
    text = """(component
      (import "alga:extension/logging" (instance (export "log-info" (func (param "m" string) (result u32))))))"""
    assert "alga:extension/logging.log-info with a wrong type" in misfits(text)[0]


def test_a_type_imported_by_name_is_no_misfit() -> None:
    assert misfits('(component (import "t" (type (sub resource))))') == [
        "The component does not export the function 'handler'."
    ]


# One wrong part of a type

KINDS: list[Type] = [
    *(BOOL, U8, U16, U32, U64, F64, STRING, BYTES),
    ListOf(STRING),
    Option(U32),
    Result(STRING, U32),
    Result(STRING, None),
    Result(None, U32),
    Result(None, None),
    record(first=STRING, second=BYTES),
    TupleOf((STRING, U32)),
    Enum(("one", "two", "three")),
    Variant((("always", None), ("revision", U64))),
    ListOf(TupleOf((STRING, Option(record(inner=ListOf(BOOL)))))),
]


def changed(kind: Type) -> Iterator[Type]:
    """Return types that differ from one in a single place."""
    yield Option(kind) if not isinstance(kind, Option) else kind.payload
    match kind:
        case Primitive(name):
            yield U32 if name != "u32" else U64
            yield STRING if name != "string" else BYTES
        case ListOf(element):
            yield Option(element)
            yield from map(ListOf, changed(element))
        case Option(payload):
            yield ListOf(payload)
            yield from (Option(other) for other in changed(payload) if not isinstance(other, Option))
        case Result(ok, err):
            yield from (Result(other, err) for other in changed_or_absent(ok))
            yield from (Result(ok, other) for other in changed_or_absent(err))
            yield TupleOf((ok or STRING, err or STRING))
        case Record(fields):
            yield TupleOf(tuple(field for _, field in fields))
            yield Record((*fields, ("more", STRING)))
            for at, (name, field) in enumerate(fields):
                before, after = fields[:at], fields[at + 1 :]
                yield Record((*before, (f"{name}x", field), *after))
                yield from (Record((*before, (name, other), *after)) for other in changed(field))
                if after:
                    yield Record((*before, after[0], (name, field), *after[1:]))
                if len(fields) > 1:
                    yield Record((*before, *after))
        case TupleOf(elements):
            yield TupleOf((*elements, STRING))
            yield TupleOf(elements[:-1])
            for at, element in enumerate(elements):
                yield from (TupleOf((*elements[:at], other, *elements[at + 1 :])) for other in changed(element))
        case Enum(cases):
            yield Enum((*cases, "more"))
            yield Enum(cases[:-1])
            yield Enum((cases[-1], *cases[:-1]))
            yield from (Enum((*cases[:at], f"{name}x", *cases[at + 1 :])) for at, name in enumerate(cases))
            yield Variant(tuple((name, None) for name in cases))
        case Variant(cases):
            yield Variant((*cases, ("more", None)))
            yield Variant(cases[:-1])
            yield Variant((cases[-1], *cases[:-1]))
            for at, (name, carried) in enumerate(cases):
                earlier, later = cases[:at], cases[at + 1 :]
                yield Variant((*earlier, (f"{name}x", carried), *later))
                yield from (Variant((*earlier, (name, other), *later)) for other in changed_or_absent(carried))


def changed_or_absent(kind: Type | None) -> Iterator[Type | None]:
    yield STRING if kind is None else None
    if kind is not None:
        yield from changed(kind)


def component_type(kind: Type) -> object:
    """Return a type as Wasmtime reads it from a component."""
    text = f"(component {wat.declaration('x', {'f': Function((kind,), None)})})"
    program = component.Component(ENGINE, bytes(wasmtime.wat2wasm(text)))
    interface = program.type.imports(ENGINE)["alga:extension/x"].ty
    assert isinstance(interface, component.ComponentInstanceType)
    function = interface.exports(ENGINE)["f"].ty
    assert isinstance(function, component.FuncType)
    ((_, found),) = function.params
    return found


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_type_fits_itself(kind: Type) -> None:
    assert typecheck.fits(component_type(kind), kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_type_with_one_wrong_part_does_not_fit(kind: Type) -> None:
    assert [str(other) for other in changed(kind) if typecheck.fits(component_type(other), kind)] == []


def changed_functions(function: Function) -> Iterator[Function]:
    """Return functions that differ from one in a single place."""
    yield Function((*function.params, STRING), function.result)
    if function.params:
        yield Function(function.params[:-1], function.result)
    for at, param in enumerate(function.params):
        before, after = function.params[:at], function.params[at + 1 :]
        yield from (Function((*before, other, *after), function.result) for other in changed(param))
    for result in changed_or_absent(function.result):
        yield Function(function.params, result)


@pytest.mark.parametrize(
    ("interface", "name"), [(interface, name) for interface, functions in IMPORTS.items() for name in functions]
)
def test_an_import_with_one_wrong_part_is_named(interface: str, name: str) -> None:
    declared = IMPORTS[interface][name]
    no_handler = "The component does not export the function 'handler'."
    wrong_type = f"The component imports alga:extension/{interface}.{name} with a wrong type;"

    assert misfits(f"(component {wat.declaration(interface, {name: declared})})") == [no_handler]
    for other in changed_functions(declared):
        found, rest = misfits(f"(component {wat.declaration(interface, {name: other})})")
        assert (found.startswith(wrong_type), rest) == (True, no_handler), other


@pytest.mark.parametrize("name", ["handler", "handler-packed"])
@pytest.mark.parametrize("types", ["", '(param "a" u32)', "(result u32)", '(param "a" u32) (result u32)'])
def test_an_export_of_another_type_is_named(name: str, types: str) -> None:
    core = types.replace('"a"', "").replace("u32", "i32")
    text = f"""(component
      (core module $m (func (export "h") {core} (unreachable)))
      (core instance $i (instantiate $m))
      (func (export "{name}") {types} (canon lift (core func $i "h"))))"""

    assert len([reason for reason in misfits(text) if f"exports '{name}' with a wrong type" in reason]) == 1


def test_an_export_that_is_no_function_is_named() -> None:
    text = """(component (instance $i) (export "handler-packed" (instance $i)))"""

    assert misfits(text)[1].startswith("The component exports 'handler-packed' with a wrong type")


def test_the_names_of_imports_are_those_of_interfaces_and_sorted() -> None:
    text = """(component
      (import "b:b/b" (instance)) (import "t" (type (sub resource))) (import "f" (func)) (import "a:a/a" (instance)))"""
    program = component.Component(ENGINE, bytes(wasmtime.wat2wasm(text)))

    assert typecheck.import_names(ENGINE, program) == ["a:a/a", "b:b/b"]


def test_the_names_of_exports_are_sorted_and_without_the_adapters() -> None:
    text = """(component (instance $i)
      (export "b" (instance $i)) (export "handler-packed" (instance $i)) (export "a" (instance $i)))"""
    program = component.Component(ENGINE, bytes(wasmtime.wat2wasm(text)))

    assert typecheck.export_names(ENGINE, program) == ["a", "b"]


@pytest.mark.parametrize(
    "name",
    [
        "wasi:cli/environment@0.2.0",
        "wasi:clocks/wall-clock@0.2.12",
        "wasi:sockets/tcp@0.2.3",
        "wasi:random/random@0.2.9",
    ],
)
def test_every_release_of_the_second_generation_of_wasi_fits(name: str) -> None:
    text = f'(component (import "{name}" (instance (export "f" (func)))))'

    assert misfits(text) == ["The component does not export the function 'handler'."]


@pytest.mark.parametrize(
    "name",
    ["wasi:nn/graph@0.2.0", "wasi:cli/environment@0.2.0-rc", "x-wasi:cli/environment@0.2.0", "logging",
     "wasi:cli/environment@0.20.1", "wasi:cli/environment",
     "alga:extension/nothing", "alga:extension/types2", "alga:other/logging"],
)  # fmt: skip
def test_an_interface_of_a_similar_name_is_not_offered(name: str) -> None:
    text = f'(component (import "{name}" (instance (export "f" (func)))))'

    assert f"The component imports {name!r}, which the platform does not offer." in misfits(text)


def test_a_function_of_the_interface_of_types_is_named() -> None:
    text = '(component (import "alga:extension/types" (instance (export "f" (func)))))'

    assert "The component imports alga:extension/types.f, which the platform does not offer." in misfits(text)
