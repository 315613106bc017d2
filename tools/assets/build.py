"""Build `dist/`: one folder for each function and each layer, ready to be zipped by a deployment."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.assets.bytecode import compile_folder
from tools.assets.functions import build_function
from tools.assets.layers import build_core, build_packages
from tools.assets.rds_roots import build_rds_roots
from tools.assets.runtime import runtime_python
from topology.functions import FUNCTIONS
from topology.layers import LAYERS
from topology.runtime import CODE_FOLDER, LAYERS_FOLDER, RDS_ROOTS_FOLDER


class Built(NamedTuple):
    """One folder of `dist/` and its size."""

    kind: str
    name: str
    unzipped_bytes: int


def build(root: Path, target: Path) -> list[Built]:
    """Build all functions and layers of the repository ``root`` in ``target``, which is replaced when all succeeded.

    Raises:
        NoRuntimePythonError: the Python of the Lambda runtime is not installed.
        BuildError: a package, a module or the roots of RDS cannot be built. ``target`` is as it was.
    """
    python = runtime_python()
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        for layer in LAYERS:
            folder = new / "layers" / layer.name
            if layer.name == "core":
                build_core(root / "layers" / layer.name, folder)
                build_rds_roots(root, folder / RDS_ROOTS_FOLDER.removeprefix(f"{LAYERS_FOLDER}/"))
            else:
                build_packages(layer.name, root / "layers", folder, without=layer.needs)
        for function in FUNCTIONS:
            build_function(function, root, new / "functions" / function.name)
        parts = [(folder, LAYERS_FOLDER) for folder in (new / "layers").iterdir()]
        parts += [(folder, CODE_FOLDER) for folder in (new / "functions").iterdir()]
        for folder, mounted_at in parts:
            compile_folder(python, folder, mounted_at)
        _make_readable(new)
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return list(_sizes(target))


def _make_readable(folder: Path) -> None:
    """Let every account read all files: Lambda keeps their permissions, and runs functions under its own account."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _sizes(target: Path) -> Iterator[Built]:
    for kind in ("functions", "layers"):
        for folder in sorted((target / kind).iterdir()):
            yield Built(kind.removesuffix("s"), folder.name, folder_bytes(folder))


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
