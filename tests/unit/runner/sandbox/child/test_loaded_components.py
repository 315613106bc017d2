"""Loaded components: however small they are, there is a limit to how many."""

from pathlib import Path

import pytest
from wasmtime.component import Component

from functions.runner.sandbox.child import linking
from functions.runner.sandbox.child.linker_imports import host_functions
from functions.runner.sandbox.child.linking import Components, Linkers
from functions.runner.sandbox.compiler.main import _Refusing
from functions.runner.sandbox.compiler.packing import pack
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.messages import Program
from tests.support import wat

GUEST = wat.guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 0))")


@pytest.fixture(scope="module")
def code() -> bytes:
    return bytes(Component(abi.make_engine(), pack(GUEST) or GUEST).serialize())


def test_beyond_the_count_the_one_that_was_used_longest_ago_goes(
    tmp_path: Path, code: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "COMPONENTS_LIMIT", 2)
    engine = abi.make_engine()
    callbacks = {name: function.callback for name, function in host_functions(_Refusing()).items()}
    components = Components(engine, Linkers(engine, callbacks), budget_bytes=1 << 30)
    for key in ("a", "b", "a", "c"):
        (tmp_path / key).write_bytes(code)
        components.get(Program(key, str(tmp_path / key), len(code)))

    assert (components.take_evicted(), components.loads) == (["b"], 3)


def test_only_so_many_linkers_are_kept() -> None:
    engine = abi.make_engine()
    callbacks = {name: function.callback for name, function in host_functions(_Refusing()).items()}
    linkers = Linkers(engine, callbacks)
    for number in range(65):
        linkers.linker_for(frozenset({("wasi:http/types@0.2.3", ((f"f{number}", False),))}))

    assert len(linkers._linkers) == 64
