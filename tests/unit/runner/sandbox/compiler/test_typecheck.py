"""Which components fit the world."""

import pytest
import wasmtime
from wasmtime import component

from functions.runner.sandbox.compiler import typecheck
from functions.runner.sandbox.protocol import abi
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
