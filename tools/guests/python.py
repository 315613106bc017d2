"""Guests written in Python."""

import shutil
import tempfile
from pathlib import Path

from tools.guests.inputs import files_below, python_version
from tools.guests.places import WIT, WORLD
from tools.guests.tool import run_python_tool


def tool_versions() -> list[str]:
    """Return the locked versions of the tools."""
    return [python_version("componentize-py")]


def compile_python(entry: Path, out: Path) -> None:
    """Compile a module, the modules in its folder and the interpreter into the component ``out``.

    The sources are copied first; otherwise the tool would also include cache files in that folder.

    Raises:
        GuestBuildError: with the output of the tool.
    """
    with tempfile.TemporaryDirectory(prefix="alga-guest-") as folder:
        sources = Path(folder)
        for file in files_below(entry.parent):
            if file.suffix == ".py":
                target = sources / file.relative_to(entry.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        run_python_tool(
            "componentize-py",
            ["-d", str(WIT), "-w", WORLD, "componentize", entry.stem, "-p", str(sources), "-o", str(out)],
            cwd=sources,
        )
