"""`python -m tools.assets`: build the functions and layers for Lambda into `dist/`, and show their sizes."""

import sys

from rich.console import Console
from rich.table import Table

from tools.assets.build import Built, build
from tools.assets.layers import BuildError
from tools.assets.runtime import NoRuntimePythonError
from tools.guests.places import ROOT
from topology.functions import FUNCTIONS

UNZIPPED_LIMIT_MIB = 250
"""Lambda's limit for a function with its layers."""


def main() -> int:
    """Build everything; the status is 1 when something cannot be built."""
    try:
        built = build(ROOT, ROOT / "dist")
    except (BuildError, NoRuntimePythonError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return 1
    Console().print(_table(built))
    return 0


def _table(built: list[Built]) -> Table:
    sizes = {(part.kind, part.name): part.unzipped_bytes for part in built}
    table = Table("function", "own code", "with its layers", "of Lambda's limit", title="dist/ (unzipped)")
    for function in FUNCTIONS:
        own = sizes["function", function.name]
        whole = own + sum(sizes["layer", layer.name] for layer in function.layers)
        share = whole / 2**20 / UNZIPPED_LIMIT_MIB
        table.add_row(function.name, f"{own / 1024:.0f} KiB", f"{whole / 2**20:.1f} MiB", f"{share:.0%}")
    return table


if __name__ == "__main__":
    sys.exit(main())
