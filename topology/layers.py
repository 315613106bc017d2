"""The layers that functions share. `make build` builds them from their folders in ``layers/`` into ``dist/layers/``."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Layer:
    """One Lambda layer.

    Attributes:
        name: of its folder.
        needs: layers that every function with this one also has. What they contain is not in this one again.
    """

    name: str
    needs: tuple[str, ...] = ()


CORE: Final = Layer("core")
DEPS: Final = Layer("deps")
AWS: Final = Layer("aws", needs=("deps",))
WASMTIME: Final = Layer("wasmtime")

LAYERS: Final = (CORE, DEPS, AWS, WASMTIME)
