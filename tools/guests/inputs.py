"""The hash of everything that a build reads, so that unchanged inputs are not built again."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from tools.guests.errors import GuestBuildError
from tools.guests.places import NPM_LOCK, PYTHON_LOCK

_LEFT_OUT: Final = frozenset({"node_modules", "dist", "__pycache__"})
_PACKAGE_SUFFIXES: Final = frozenset({".cjs", ".css", ".js", ".json", ".jsx", ".mjs", ".ts", ".tsx"})


def files_below(folder: Path, *, without: Iterable[Path] = (), left_out: Collection[str] = _LEFT_OUT) -> Iterator[Path]:
    """Yield the files of a source folder in a fixed order, without hidden files.

    Args:
        folder: the folder.
        without: folders below it that are left out too.
        left_out: names of files and folders that are left out at every level. By default packages and earlier output.
    """
    skipped = set(without)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in left_out or path in skipped:
            continue
        if path.is_dir():
            yield from files_below(path, without=skipped, left_out=left_out)
        elif path.is_file():
            yield path


def package_files(folder: Path) -> Iterator[Path]:
    """Yield, in a fixed order, what a bundler may read of the npm packages installed in a source folder."""
    packages = folder / "node_modules"
    kept = (path for path in packages.rglob("*") if path.suffix in _PACKAGE_SUFFIXES and path.is_file())
    return iter(sorted(kept))


def hash_of(facts: Iterable[str], trees: Iterable[tuple[Path, Iterable[Path]]]) -> str:
    """Hash facts and files to 64 hex digits.

    Args:
        facts: settings and tool versions.
        trees: folders, each with files below it. File names are hashed relative to the folder, so that the hash does
            not depend on the path of the repository.
    """
    digest = hashlib.sha256()

    def add(*parts: bytes) -> None:
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)

    for fact in facts:
        add(b"fact", fact.encode())
    for folder, files in trees:
        for file in files:
            add(b"file", file.relative_to(folder).as_posix().encode(), file.read_bytes())
    return digest.hexdigest()


def npm_version(package: str) -> str:
    """Return ``name@version integrity`` of a locked npm package.

    Raises:
        GuestBuildError: the package is not in the lock.
    """
    entry = json.loads(NPM_LOCK.read_text("utf-8"))["packages"].get(f"node_modules/{package}")
    if entry is None:
        message = f"{package} is not in {NPM_LOCK.name}; add it to package.json and run `npm install`."
        raise GuestBuildError(message)
    return f"{package}@{entry['version']} {entry['integrity']}"


def python_version(package: str) -> str:
    """Return ``name==version`` of a locked Python package.

    Raises:
        GuestBuildError: the package is not in the lock.
    """
    match = re.search(rf"^{re.escape(package)}==\S+", PYTHON_LOCK.read_text("utf-8"), re.MULTILINE)
    if match is None:
        message = f"{package} is not in requirements/{PYTHON_LOCK.name}; add it to dev.in and run `make lock`."
        raise GuestBuildError(message)
    return match.group()
