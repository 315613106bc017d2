"""Build the pages of `web/` when a source is newer than the built files."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tools.cli.output import CommandError
from tools.local.processes import start_program
from tools.local.state import ROOT

WEB = ROOT / "web"
BUILT = WEB / "host-demo" / "dist"


async def build_pages(log: Path) -> None:
    """Run the web packages' build in a process that ends with this one. Raises CommandError."""
    if not _stale():
        return
    node = shutil.which("node")
    if node is None:
        raise CommandError("node is not on the search path", "install Node 20 or newer, then run `make setup`")
    child = await start_program(Path(node), ["web/build.mjs"], environment=os.environ, folder=ROOT, log=log)
    try:
        status = await child.wait()
    finally:
        child.kill()
    if status != 0:
        raise CommandError(f"the web packages could not be built (log: {log})", "`make setup` installs the builders")


def _stale() -> bool:
    built = [path.stat().st_mtime for path in _files(BUILT)]
    return not built or max(path.stat().st_mtime for path in _sources()) > min(built)


def _sources() -> Iterator[Path]:
    yield WEB / "build.mjs"
    for package in WEB.iterdir():
        if package.is_dir():
            yield from (path for folder in ("src", "static") for path in _files(package / folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
