"""The command that starts a confined process."""

import sys

from functions.runner.sandboxes.interpreter import interpreter


def test_it_is_this_interpreter_in_isolated_mode_without_site() -> None:
    command = interpreter("child.main", "7")
    assert (command[:4], command[-1]) == ([sys.executable, "-I", "-S", "-c"], "7")


def test_it_writes_the_bytecode_of_what_it_imports() -> None:
    # No other process of the runner imports wasmtime, so with -B it would be compiled at each start.
    assert "-B" not in interpreter("child.main", "7")
