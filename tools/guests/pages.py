"""The UI of an extension: static files, with its scripts bundled."""

import json
import shutil
from pathlib import Path
from typing import Final

from tools.guests.inputs import files_below
from tools.guests.recipe import Ui
from tools.guests.scripts import bundle_script

_SOURCES: Final = frozenset({".cts", ".jsx", ".mts", ".ts", ".tsx"})
_OPTIONS: Final = (
    "--format=iife",
    "--platform=browser",
    "--minify-syntax",
    "--minify-whitespace",
    '--define:process.env.NODE_ENV="production"',
    # Pictures that a style sheet or a script names become part of the script, because nothing else is copied for them.
    *(f"--loader:.{kind}=dataurl" for kind in ("gif", "jpg", "png", "svg", "webp")),
)


def build_pages(source_dir: Path, ui: Ui, out: Path) -> None:
    """Write the UI into ``out``: scripts bundled with their imports, every other file unchanged.

    Scripts are bundled as classic scripts, so that they load in a frame with an opaque origin without CORS. TypeScript
    and JSX sources are not copied. Style sheets that a script imports are added to the page by that script.

    Raises:
        GuestBuildError: with the output of the bundler.
    """
    folder = source_dir / ui.folder
    for file in files_below(folder):
        relative = file.relative_to(folder)
        if relative in ui.scripts or file.suffix in _SOURCES:
            continue
        target = out / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    for script in ui.scripts:
        target = (out / script).with_suffix(".js")
        work = target.with_name(f".{target.name}")
        work.mkdir(parents=True)
        bundled = work / target.name
        styles = bundle_script(folder / script, bundled, within=source_dir, options=_OPTIONS).styles
        target.write_text(_adding(styles) + bundled.read_text("utf-8"), encoding="utf-8")
        shutil.rmtree(work)


def _adding(styles: str) -> str:
    """Return a script that adds styles to the page. A file of their own would have to be named in every document."""
    if not styles:
        return ""
    text = json.dumps(styles, ensure_ascii=False)
    return f'document.head.append(Object.assign(document.createElement("style"), {{ textContent: {text} }}));\n'
