"""The command that starts a confined process: a clean interpreter, told where to import from and nothing else."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_BOOTSTRAP: Final = (
    "import sys; sys.path[:0] = sys.argv[1:-1]; from functions.runner.sandbox.{module} import main; main()"
)


def interpreter(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``functions.runner.sandbox.{module}.main`` in a clean interpreter.

    Isolated and without ``site``: no environment variables, no user packages, no ``.pth`` files are read.
    """
    return [sys.executable, "-I", "-S", "-B", "-c", _BOOTSTRAP.format(module=module), *_import_roots(), *arguments]


def _import_roots() -> list[str]:
    """Return the folders the child imports from: ours, and those that hold wasmtime and msgspec."""
    roots = [str(Path(__file__).parents[3])]
    for name in ("wasmtime", "msgspec"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            roots.append(str(Path(spec.origin).parents[1]))
    return list(dict.fromkeys(roots))
