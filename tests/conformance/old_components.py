"""Components built against the contract as it was, with the toolchains themselves: see ``old_guests``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.guests.cache import built
from tools.guests.inputs import files_below, hash_of
from tools.guests.javascript import tool_versions as javascript_versions
from tools.guests.python import tool_versions as python_versions
from tools.guests.tool import run_npm_tool, run_python_tool

SOURCES: Final = Path(__file__).parent / "old_guests"
WORLD: Final = ["-n", "runner"]
NAME: Final = "main.wasm"


def quickjs(work: Path) -> None:
    """Build the script for QuickJS."""
    wit, script = str(SOURCES / "wit"), str(SOURCES / "index.js")
    arguments = ["--wit", wit, *WORLD, "--sync", "--js", script, "-o", str(work / NAME)]
    run_npm_tool("componentize-qjs", arguments, cwd=work)


def starlingmonkey(work: Path) -> None:
    """Build the script for StarlingMonkey, as the extensions that exist already were built."""
    wit, script = str(SOURCES / "wit"), str(SOURCES / "index.js")
    run_npm_tool("componentize-js", ["--wit", wit, *WORLD, script, "-o", str(work / NAME)], cwd=work)


def cpython(work: Path) -> None:
    """Build the module for CPython; from a folder of its own, because the tool takes everything beside it."""
    sources = work / "sources"
    sources.mkdir()
    shutil.copyfile(SOURCES / "app.py", sources / "app.py")
    wit = ["-d", str(SOURCES / "wit"), "-w", "runner"]
    run_python_tool(
        "componentize-py", [*wit, "componentize", "app", "-p", str(sources), "-o", str(work / NAME)], cwd=work
    )
    shutil.rmtree(sources)


BUILDS: Final[dict[str, Callable[[Path], None]]] = {
    "quickjs": quickjs,
    "starlingmonkey": starlingmonkey,
    "cpython": cpython,
}


def old_component(name: str) -> bytes:
    """Return the component, built when its sources or tools are new."""
    versions = python_versions() if name == "cpython" else javascript_versions(name)  # type: ignore[arg-type]
    key = hash_of(
        ["old", name, *versions], [(SOURCES, files_below(SOURCES)), (Path(__file__).parent, [Path(__file__)])]
    )
    return (built("guests", key, BUILDS[name]) / NAME).read_bytes()
