"""Guests written in Python."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from tools.guests.errors import GuestBuildError
from tools.guests.inputs import files_below, python_version
from tools.guests.places import WIT, WORLD
from tools.guests.tool import ToolFailedError, run_python_tool

_PRELOAD: Final = Path(__file__).parent / "preload.py"
# Names of the modules that the build adds, and where the compiler shows its first and second --python-path.
_ENTRY, _PRELOAD_NAME = "alga_guest_entry", "alga_guest_preload"
_SOURCES_SHOWN, _OWN_SHOWN = "/0/", "/1/"
_TRACE: Final = re.compile(r"AssertionError: (?P<trace>.*?)(?=\n\s*\nCaused by:|\Z)", re.DOTALL)
_FRAME: Final = re.compile(r'  File "(?P<file>[^"]*)".*\n(?:    .*\n)*')
_NO_FRAMES: Final = "Traceback (most recent call last):\nImportError: "
_MISSING: Final = re.compile(r"^ModuleNotFoundError: No module named '(?P<name>[^']+)'", re.MULTILINE)


def tool_versions() -> list[str]:
    """Return the locked versions of the tools."""
    return [python_version("componentize-py")]


def compile_python(entry: Path, out: Path) -> None:
    """Compile a module, the modules in its folder and the interpreter into the component ``out``.

    The guest sees its own folder and the standard library, not the packages of this environment. The sources are copied
    first; otherwise the tool would also include cache files in that folder.

    Raises:
        GuestBuildError: with the message of the tool; its places are in the extension's sources.
    """
    with tempfile.TemporaryDirectory(prefix="alga-guest-") as folder:
        sources, own, empty = (Path(folder) / name for name in ("sources", "own", "environment"))
        for file in files_below(entry.parent):
            if file.suffix == ".py":
                target = sources / file.relative_to(entry.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        own.mkdir()
        shutil.copyfile(_PRELOAD, own / f"{_PRELOAD_NAME}.py")
        lines = [
            f"from {entry.stem} import WitWorld",
            f"import {_PRELOAD_NAME}",
            f"{_PRELOAD_NAME}.load_what_calls_import()",
        ]
        (own / f"{_ENTRY}.py").write_text("\n".join(lines), encoding="utf-8")
        (empty / "site-packages").mkdir(parents=True)
        paths = ["-p", str(sources), "-p", str(own)]
        try:
            run_python_tool(
                "componentize-py",
                ["-d", str(WIT), "-w", WORLD, "componentize", _ENTRY, *paths, "-o", str(out)],
                cwd=sources,
                # The tool adds the packages of VIRTUAL_ENV, or else those of the first python3 on the path.
                environment={"VIRTUAL_ENV": str(empty), "PATH": os.defpath, "TMPDIR": tempfile.gettempdir()},
            )
        except ToolFailedError as error:
            message = f"{entry} cannot be compiled:\n{readable(error.output, entry.parent)}"
            raise GuestBuildError(message) from None


def readable(output: str, folder: Path) -> str:
    """Return the exception of a failed build with the frames of the extension's sources, and a remedy if one is known.

    Args:
        output: of the compiler.
        folder: of the entry module; the compiler shows it as ``/0``.
    """
    found = _TRACE.search(output)
    if found is None:
        return output
    trace = _FRAME.sub(lambda frame: "" if frame["file"].startswith(_OWN_SHOWN) else frame.group(), found["trace"])
    said = trace.replace(_SOURCES_SHOWN, f"{folder}/").removeprefix(_NO_FRAMES).strip()
    if "cannot import name 'WitWorld'" in said:
        return "It has no class `WitWorld`; add one with the method `handler(self, request)`."
    missing = _MISSING.search(said)
    if missing is not None:
        name = missing["name"]
        said += f"\n→ {name!r} is neither in {folder} nor in Python's standard library."
        said += " Copy the package into that folder; it must be pure Python."
    return said
