"""The UI of an extension: static files, with its scripts bundled."""

import shutil
from pathlib import Path

from tools.guests.inputs import files_below
from tools.guests.recipe import Ui
from tools.guests.scripts import bundle_script


def build_pages(source_dir: Path, ui: Ui, out: Path) -> None:
    """Write the UI into ``out``: scripts bundled with their imports, every other file unchanged.

    Scripts are bundled as classic scripts, so that they load in a frame with an opaque origin without CORS. TypeScript
    sources are not copied.

    Raises:
        GuestBuildError: with the output of the bundler.
    """
    folder = source_dir / ui.folder
    for file in files_below(folder):
        relative = file.relative_to(folder)
        if relative in ui.scripts or file.suffix == ".ts":
            continue
        target = out / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    for script in ui.scripts:
        bundle_script(
            folder / script,
            (out / script).with_suffix(".js"),
            within=source_dir,
            options=["--format=iife", "--platform=browser", "--minify-syntax", "--minify-whitespace"],
        )
