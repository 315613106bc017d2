"""Guests written in JavaScript or TypeScript."""

from pathlib import Path
from typing import Final

from tools.guests.errors import GuestBuildError
from tools.guests.inputs import npm_version
from tools.guests.places import WIT, WORLD
from tools.guests.recipe import Engine
from tools.guests.scripts import bundle_script, bundler_version
from tools.guests.tool import run_npm_tool

EXPORT: Final = "handler"

_COMPILERS: Final[dict[Engine, str]] = {
    "quickjs": "componentize-qjs",
    "starlingmonkey": "@bytecodealliance/componentize-js",
}


def tool_versions(engine: Engine) -> list[str]:
    """Return the locked versions of the tools that build for an engine."""
    return [bundler_version(), npm_version(_COMPILERS[engine])]


def compile_javascript(entry: Path, engine: Engine, out: Path, *, within: Path) -> None:
    """Compile a script and what it imports into the component ``out``.

    Raises:
        GuestBuildError: with the output of the tool that failed.
    """
    script = out.with_suffix(".js")
    exports = bundle_script(
        entry, script, within=within, options=["--format=esm", "--platform=neutral", "--external:alga:extension/*"]
    )
    if EXPORT not in exports:
        # The compiler for QuickJS does not check this, and every call would trap.
        message = f"{entry} does not export `{EXPORT}`; add `export const {EXPORT} = router.{EXPORT};`."
        raise GuestBuildError(message)
    wit = ["--wit", str(WIT), "-n", WORLD]
    if engine == "quickjs":
        # --sync: without the asynchronous component model, which the runner does not enable.
        run_npm_tool("componentize-qjs", [*wit, "--sync", "--js", str(script), "-o", str(out)], cwd=out.parent)
    else:
        run_npm_tool("componentize-js", [*wit, str(script), "-o", str(out)], cwd=out.parent)
    script.unlink()
