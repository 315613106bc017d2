"""Guests written in JavaScript or TypeScript."""

import json
import re
from pathlib import Path
from typing import Final

from tools.guests.errors import GuestBuildError
from tools.guests.inputs import npm_version
from tools.guests.places import RUNTIME_SOURCE, WIT, WORLD
from tools.guests.recipe import Engine
from tools.guests.scripts import bundle_script, bundler_version
from tools.guests.source_map import SourceMap
from tools.guests.tool import ToolFailedError, run_npm_tool

EXPORT: Final = "handler"
SOURCE_MAP_NAME: Final = "main.map.json"
"""The file beside the component in the cache. It is never packed, so a publisher's sources are not uploaded."""

_COMPILERS: Final[dict[Engine, str]] = {
    "quickjs": "componentize-qjs",
    "starlingmonkey": "@bytecodealliance/componentize-js",
}
_OPTIONS: Final = (
    "--format=esm",
    "--platform=neutral",
    # esbuild knows no main fields for this platform, and packages without `exports` have nothing else.
    "--main-fields=module,main",
    "--external:alga:extension/*",
    '--define:process.env.NODE_ENV="production"',
    "--define:global=globalThis",
    "--sourcemap",
)
# Frames of the tool's own code, and what Node.js prints around an uncaught exception.
_TOOL_LINE: Final = re.compile(r"\s+at .*(file:|node:)|Node\.js v|\s*$")
_TOOL_PREFIX: Final = re.compile(r"Error: (: )?(?:Failed to [^:\n]*: ?\n?|Exception while [^\n]*\n)*")


def tool_versions(engine: Engine) -> list[str]:
    """Return the locked versions of the tools that build for an engine."""
    return [bundler_version(), npm_version(_COMPILERS[engine])]


def compile_javascript(entry: Path, engine: Engine, out: Path, *, within: Path) -> None:
    """Compile a script and what it imports into the component ``out``, alone in its folder.

    Raises:
        GuestBuildError: with the message of the tool that failed; its places are in the extension's sources.
    """
    script = out.with_name("guest.js")
    exports = bundle_script(entry, script, within=within, options=_OPTIONS).exports
    if EXPORT not in exports:
        # The compiler for QuickJS does not check this, and every call would trap.
        message = f"{entry} does not export `{EXPORT}`; add `export const {EXPORT} = router.{EXPORT};`."
        raise GuestBuildError(message)
    if engine == "quickjs":
        script = _with_quickjs_entry(script)
    try:
        _compile(script, engine, out)
    except ToolFailedError as error:
        hidden = (RUNTIME_SOURCE, out.parent.resolve())
        said = SourceMap.read(script).translate(readable(error.output), script.name, within=within, hidden=hidden)
        message = f"{entry} cannot be compiled for the engine {engine!r}:\n{said}"
        raise GuestBuildError(message) from None
    mapped = SourceMap.read(script).text(script.name)
    for file in out.parent.glob("*.js*"):
        file.unlink()
    out.with_name(SOURCE_MAP_NAME).write_text(mapped, encoding="utf-8")


def _with_quickjs_entry(guest: Path) -> Path:
    """Bundle a guest with what QuickJS lacks: a console, and an answer that is checked before the engine takes it."""
    entry, script = guest.with_name("entry.js"), guest.with_name("component.js")
    lines = [
        f"import {json.dumps(str(RUNTIME_SOURCE / 'quickjs' / 'console.ts'))};",
        f"import {{ {EXPORT} as own }} from './{guest.name}';",
        f"import {{ checked }} from {json.dumps(str(RUNTIME_SOURCE / 'quickjs' / 'handler.ts'))};",
        f"export const {EXPORT} = checked(own);",
    ]
    entry.write_text("\n".join(lines), encoding="utf-8")
    bundle_script(entry, script, within=guest.parent, options=_OPTIONS)
    return script


def _compile(script: Path, engine: Engine, out: Path) -> None:
    wit = ["--wit", str(WIT), "-n", WORLD]
    if engine == "quickjs":
        # --sync: without the asynchronous component model, which the runner does not enable.
        run_npm_tool("componentize-qjs", [*wit, "--sync", "--js", str(script), "-o", str(out)], cwd=out.parent)
    else:
        run_npm_tool("componentize-js", [*wit, str(script), "-o", str(out)], cwd=out.parent)


def readable(output: str) -> str:
    """Return a compiler's output from its message on, without its own stack frames."""
    start = re.search(r"^Error: ", output, re.MULTILINE)
    lines = output[start.start() if start else 0 :].splitlines()
    kept = [line for line in lines if not _TOOL_LINE.match(line)]
    return _TOOL_PREFIX.sub("", "\n".join(kept), count=1)
