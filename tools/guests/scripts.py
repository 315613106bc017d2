"""Bundle JavaScript and TypeScript with esbuild."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tools.guests.errors import GuestBuildError
from tools.guests.inputs import npm_version
from tools.guests.places import FRAME_SDK_SOURCE, ROOT, RUNTIME_SOURCE
from tools.guests.tool import run_npm_tool

_ALIASES: Final = {
    "@alga/extension-runtime": RUNTIME_SOURCE / "index.ts",
    "@alga/extension-iframe-sdk": FRAME_SDK_SOURCE / "index.ts",
    "@alga/extension-iframe-sdk/base.css": FRAME_SDK_SOURCE / "base.css",
    "@alga/extension-iframe-sdk/react": FRAME_SDK_SOURCE / "react" / "index.ts",
}


class Bundle(NamedTuple):
    """What a bundled script exports, and the styles that it imports as one text (empty without styles)."""

    exports: list[str]
    styles: str


def bundler_version() -> str:
    """Return the locked version of the bundler."""
    return npm_version("esbuild")


def bundle_script(entry: Path, out: Path, *, within: Path, options: Sequence[str]) -> Bundle:
    """Bundle one script with all its imports into one file.

    Args:
        entry: the script.
        out: the file to write.
        within: the extension's folder. Imports must be in it or be packages of the platform, because the build's hash
            covers nothing else.
        options: additional options of esbuild.

    Raises:
        GuestBuildError: with esbuild's message, or with the name of a file that was imported from elsewhere.
    """
    meta = out.with_suffix(".meta.json")
    # The SDK's React hooks must use the extension's React: hooks of another copy do not work.
    own_react = within / "node_modules" / "react"
    aliases = {**_ALIASES, **({"react": own_react} if own_react.is_dir() else {})}
    # esbuild writes the paths of its inputs, relative to the working folder, into comments of the output.
    run_npm_tool(
        "esbuild",
        [
            str(entry),
            "--bundle",
            f"--outfile={out}",
            f"--metafile={meta}",
            "--target=es2022",
            "--charset=utf8",
            "--legal-comments=none",
            "--log-level=warning",
            *[f"--alias:{name}={path}" for name, path in aliases.items()],
            *options,
        ],
        cwd=within,
    )
    allowed = (within.resolve(), *(path.parent for path in _ALIASES.values()))
    described = json.loads(meta.read_text("utf-8"))
    meta.unlink()
    for name in described["inputs"]:
        source = (within / name).resolve()
        if not source.is_relative_to(ROOT / "node_modules") and not any(source.is_relative_to(f) for f in allowed):
            message = f"{entry} imports {source}, which is outside {within}; copy the file into the extension's folder."
            raise GuestBuildError(message)
    styles = out.with_suffix(".css")
    text = styles.read_text("utf-8") if styles.is_file() else ""
    styles.unlink(missing_ok=True)
    # The entry of a style sheet in the metafile has no `exports`.
    exports = [export for output in described["outputs"].values() for export in output.get("exports", ())]
    return Bundle(exports, text)
