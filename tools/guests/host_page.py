"""The demonstration page of the host application (``web/host-demo``)."""

from pathlib import Path
from typing import Final

from tools.guests.cache import built
from tools.guests.inputs import files_below, hash_of
from tools.guests.places import FRAME_SDK_SOURCE, ROOT
from tools.guests.scripts import bundler_version
from tools.guests.tool import run_node_script

_WEB: Final = ROOT / "web"
_BUILD_SCRIPT: Final = _WEB / "build.mjs"


def build_host_page() -> Path:
    """Build the page and return its folder in the cache, which a web server can serve unchanged.

    Raises:
        GuestBuildError: with the output of the bundler.
    """
    sources = (_WEB / "host-demo", _WEB / "host-bridge" / "src", FRAME_SDK_SOURCE)
    trees = [(folder, list(files_below(folder))) for folder in sources]
    # A package.json maps the package's name to a source file.
    trees.append((_WEB, [_BUILD_SCRIPT, *sorted(_WEB.glob("*/package.json"))]))
    key = hash_of([bundler_version()], trees)
    return built("pages", key, _build)


def _build(work: Path) -> None:
    run_node_script(_BUILD_SCRIPT, ["host-demo", str(work)], cwd=ROOT)
