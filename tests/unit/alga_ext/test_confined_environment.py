"""What a confined process gets of its parent's environment: the loader's search path, and nothing else."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alga_ext.errors import PlatformError
from functions.registry.evaluation.evaluator import Evaluator
from functions.runner.preparing.compile_worker import Compiler
from functions.runner.sandboxes.child_process import Child


def start_sandbox(_folder: Path) -> None:
    child = Child()
    child._process.wait(60)
    child.kill()


def start_compile_worker(folder: Path) -> None:
    component = folder / "component.wasm"
    component.write_bytes(b"\0asm")
    assert Compiler(timeout_s=60, memory_bytes=2**30).compile(component, folder / "code").reasons


def start_evaluation_worker(_folder: Path) -> None:
    evaluator = Evaluator(lambda: False)
    with pytest.raises(PlatformError, match="cannot be checked"):
        evaluator.check_schema({})


@pytest.mark.parametrize("start", [start_sandbox, start_compile_worker, start_evaluation_worker])
@pytest.mark.parametrize("given", [{}, {"LD_LIBRARY_PATH": "/opt/lib:/var/lang/lib"}], ids=["without", "with"])
def test_a_confined_process_gets_the_loaders_path_and_nothing_else(
    start: Callable[[Path], None], given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "interpreter"
    interpreter.write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path}/seen\n")
    interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    start(tmp_path)

    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    # The shell adds these itself.
    assert {name: value for name, value in seen.items() if name not in ("PWD", "SHLVL", "_", "OLDPWD")} == given


@pytest.mark.parametrize("start", [start_sandbox, start_compile_worker, start_evaluation_worker])
def test_a_confined_process_is_isolated_and_keeps_the_bytecode_of_what_it_imports(
    start: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "interpreter"
    interpreter.write_text(f'#!/bin/sh\necho "$1 $2 $3" > {tmp_path}/seen\n')
    interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(interpreter))

    start(tmp_path)

    # No -B: other processes of the function do not import wasmtime, which would then be compiled at each start.
    assert (tmp_path / "seen").read_text() == "-I -S -c\n"
