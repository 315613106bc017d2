"""Build the layers: our own shared code, and the locked third-party packages without what Lambda does not need."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tools.assets.runtime import program
from topology.runtime import PLATFORM, PYTHON_VERSION

_PACKAGE: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(?:.*\n)(?:[ \t].*\n)*", re.MULTILINE)

_NOT_NEEDED: Final = (
    "bin",
    ".lock",
    "**/__pycache__",
    "**/*.dll",
    "**/*.pyi",
    "**/*.dist-info/RECORD",
    "**/*.dist-info/REQUESTED",
)
"""Scripts name the interpreter that built them. RECORD names their hashes, and files that are not in the asset."""


class BuildError(Exception):
    """The assets cannot be built; the message says why."""


def build_core(source: Path, target: Path) -> None:
    """Copy ``layers/core``, as Lambda mounts it."""
    copy_modules(source, target)


def copy_modules(source: Path, target: Path) -> None:
    """Copy the Python modules below a folder, and nothing else that an editor or a tool has left there."""
    for path in sorted(source.rglob("*.py")):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)


def build_packages(name: str, recipes: Path, target: Path, without: tuple[str, ...] = ()) -> None:
    """Install a layer's locked packages into ``target``/python.

    Args:
        name: of the layer, and of its folder below ``recipes``.
        recipes: the folder ``layers``. Each recipe is a ``requirements.txt`` with hashes.
        target: a folder that does not exist yet.
        without: layers whose packages this one leaves out, because its functions have those layers too.

    Raises:
        BuildError: a package is not available for the runtime, or its hash is another one.
    """
    packages = locked(recipes / name / "requirements.txt")
    left_out = {package for other in without for package in locked(recipes / other / "requirements.txt")}
    install({package: text for package, text in packages.items() if package not in left_out}, target / "python")


def install(packages: Mapping[str, str], target: Path) -> None:
    """Install packages for the Lambda runtime into a folder, without what Lambda does not need.

    Args:
        packages: name to its lines in a ``requirements.txt`` with hashes (``locked``). Nothing that they need is added.
        target: the folder.

    Raises:
        BuildError: a package is not available for the runtime, or its hash is another one.
    """
    uv = program("uv")
    if uv is None:
        message = "uv is not installed; `make setup` installs it"
        raise BuildError(message)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(packages.values()), encoding="utf-8")
        command = [uv, "pip", "install", "--quiet", "--target", str(target), "--no-deps", "--require-hashes"]
        command += ["--python-version", PYTHON_VERSION, "--python-platform", PLATFORM, "--only-binary", ":all:"]
        # Copies: links would share their permissions with uv's cache.
        command += ["--link-mode", "copy", "-r", str(requirements)]
        ran = subprocess.run([*command, "--offline"], capture_output=True, text=True, check=False)
        if ran.returncode != 0:  # a package is not in uv's cache yet
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        names = ", ".join(packages)
        message = f"these packages cannot be installed for the Lambda runtime: {names}\n{ran.stderr.strip()}"
        raise BuildError(message)
    for pattern in _NOT_NEEDED:
        for path in list(target.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def locked(requirements: Path) -> Mapping[str, str]:
    """Return the packages of a ``requirements.txt`` with hashes: name to its lines."""
    text = requirements.read_text(encoding="utf-8")
    return {match[1]: match[0] for match in _PACKAGE.finditer(text)}
