"""The engine's settings, the same for the compile worker and the sandbox child.

A compiled program (cwasm) loads only into an engine of the same version and settings, so the artifact's key contains
both. ``target`` is the baseline triple of the machine's own architecture, so code compiled on one machine runs on any
other machine of that architecture. It is never taken from outside, because an unsupported target aborts the process.
"""

import hashlib
import json
import platform
from importlib.util import find_spec
from pathlib import Path
from typing import Final

TARGET: Final = f"{platform.machine()}-unknown-linux-gnu"

_SETTINGS: Final[dict[str, bool | int | str]] = {
    "target": TARGET,
    # Interruption: epochs end a guest at its deadline. Fuel counts its work exactly, and costs 9 % in a hot loop.
    "epoch_interruption": True,
    "consume_fuel": True,
    # Memory: the defaults of a 64-bit engine. They are set here because the out-of-memory rule depends on them.
    "memory_reservation": 4 << 30,
    "memory_guard_size": 32 << 20,
    "memory_init_cow": True,
    "max_wasm_stack": 1 << 20,
    # Features that no supported toolchain emits are off, so that less of the engine must be trusted.
    "wasm_threads": False,
    "wasm_memory64": False,
    "wasm_multi_memory": True,
    "wasm_relaxed_simd": False,
    "wasm_gc": False,
    "wasm_function_references": False,
    "wasm_component_model": True,
    # Compilation
    "cranelift_opt_level": "speed",
    "native_unwind_info": True,
}

_ADAPTER_VERSION: Final = 3
"""Increase this when ``packing`` nests components differently, or when other components are accepted. All artifacts are
then compiled again."""

EPOCH_TICK_MS: Final = 10
"""How often the child advances the epoch during calls. A deadline is exceeded by at most two ticks."""


def engine_config_hash() -> str:
    """Return the sha256 of the settings (64 hexadecimal digits), which is part of an artifact's key."""
    document = {"settings": _SETTINGS, "adapter": _ADAPTER_VERSION}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def wasmtime_version() -> str:
    """Return the engine's version, read from the name of its package's metadata folder.

    This does not load the engine. ``importlib.metadata`` would lengthen a cold start by 20 milliseconds.

    Raises:
        LookupError: the package is not installed with its metadata.
    """
    spec = find_spec("wasmtime")
    if spec is not None and spec.origin is not None:
        for folder in Path(spec.origin).parents[1].glob("wasmtime-*.dist-info"):
            return folder.name.removeprefix("wasmtime-").removesuffix(".dist-info")
    message = "the metadata folder of the package wasmtime is missing; install the package again"
    raise LookupError(message)


def settings() -> dict[str, bool | int | str]:
    """Return a copy of the settings, with the attribute names of ``wasmtime.Config``."""
    return dict(_SETTINGS)
