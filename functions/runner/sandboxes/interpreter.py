"""The command that starts a confined process: a clean Python interpreter that gets only its import folders."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_BOOTSTRAP: Final = (
    "import sys; sys.path[:0] = sys.argv[1:-1]; from functions.runner.sandbox.{module} import main; main()"
)


def interpreter(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``main`` of ``functions.runner.sandbox.{module}`` in a clean interpreter.

    It runs in isolated mode and without ``site``: no environment variables, user packages or ``.pth`` files are read.
    """
    return [sys.executable, "-I", "-S", "-c", _BOOTSTRAP.format(module=module), *_import_roots(), *arguments]


def _import_roots() -> list[str]:
    """Return the folders the child imports from: those that contain the platform's code, wasmtime and msgspec."""
    roots = [str(Path(__file__).parents[3])]
    for name in ("alga_ext", "wasmtime", "msgspec"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            roots.append(str(Path(spec.origin).parents[1]))
    return list(dict.fromkeys(roots))
