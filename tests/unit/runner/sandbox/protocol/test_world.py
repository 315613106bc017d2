"""The world as values against the WIT, by means of guests that toolchains built from it."""

import pytest
from wasmtime import component

from functions.runner.sandbox.compiler import typecheck
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.world import IMPORTS, PACKAGE
from tests.support.places import ROOT
from tools.guests.build import build_component
from tools.guests.recipe import Engine

GUESTS = ROOT / "tests" / "conformance" / "guests"


@pytest.mark.parametrize(("folder", "engine"), [("js", "quickjs"), ("py", "cpython")])
def test_a_guest_built_from_the_wit_fits_the_world(folder: str, engine: Engine) -> None:
    made = abi.make_engine()
    program = component.Component(made, build_component(GUESTS / folder, engine=engine).read_bytes())
    assert typecheck.misfits(made, program) == []


def test_the_world_has_every_function_of_the_wit_and_no_other() -> None:
    made = abi.make_engine()
    program = component.Component(made, build_component(GUESTS / "js").read_bytes())
    interfaces = {
        name.removeprefix(PACKAGE): extern.ty
        for name, extern in program.type.imports(made).items()
        if name.startswith(PACKAGE) and name != f"{PACKAGE}types"
    }
    found = {
        interface: {name for name, extern in ty.exports(made).items() if isinstance(extern.ty, component.FuncType)}
        for interface, ty in interfaces.items()
        if isinstance(ty, component.ComponentInstanceType)
    }
    assert found.keys() == interfaces.keys()
    assert found == {interface: set(functions) for interface, functions in IMPORTS.items()}
