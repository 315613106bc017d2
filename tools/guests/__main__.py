"""``python -m tools.guests FOLDER…``: build extensions and print the paths of the results."""

import argparse
import sys
import time
from pathlib import Path
from typing import cast

from alga_ext.bundles.manifest import MANIFEST_NAME
from alga_ext.errors import PlatformError
from tools.guests.build import build_component, build_extension
from tools.guests.errors import GuestBuildError
from tools.guests.places import CACHE
from tools.guests.recipe import ENGINES, Engine


def main(arguments: list[str]) -> int:
    """Build each folder: with a manifest as a whole extension, without one as a component only."""
    parser = argparse.ArgumentParser(prog="python -m tools.guests", description="Build extensions from source.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--engine", choices=ENGINES, help="build only the component, for this engine")
    options = parser.parse_args(arguments)
    for folder in cast("list[Path]", options.folders):
        started = time.monotonic()
        try:
            place = _build(folder, options.engine)
        except (GuestBuildError, PlatformError) as error:
            print(f"{folder}: {error}", file=sys.stderr)
            return 1
        print(f"{folder} → {place} ({time.monotonic() - started:.1f} s)")
    return 0


def _build(folder: Path, engine: Engine | None) -> Path:
    if engine is not None or not (folder / MANIFEST_NAME).is_file():
        return build_component(folder, engine=engine)
    out = CACHE / "extensions" / folder.resolve().name
    build_extension(folder, out)
    return out


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
