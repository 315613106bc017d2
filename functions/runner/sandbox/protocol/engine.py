"""The engine's settings: one set for the worker that compiles and the child that runs.

A cwasm loads only into an engine of the same version and settings, so the artifact's key carries both. ``target`` is
the baseline triple of the machine's own architecture: code made on one machine runs on any other of that
architecture. It is never taken from outside, because an unsupported target aborts the process.
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
    # Interruption: epochs end a guest at its deadline, fuel counts its work exactly (9 % in a hot loop).
    "epoch_interruption": True,
    "consume_fuel": True,
    # Memory: the defaults of a 64-bit engine, written down because the out-of-memory rule depends on them.
    "memory_reservation": 4 << 30,
    "memory_guard_size": 32 << 20,
    "memory_init_cow": True,
    "max_wasm_stack": 1 << 20,
    # What no toolchain of ours emits stays off: less of the engine to trust.
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
"""Grows when ``packing`` puts something else around a component, or other components pass: artifacts are made again."""

EPOCH_TICK_MS: Final = 10
"""How often the child advances the epoch while calls are made; a deadline is overshot by at most two ticks."""


def engine_config_hash() -> str:
    """Return the sha256 (64 hex digits) of the settings, the part of an artifact's key that tells them apart."""
    document = {"settings": _SETTINGS, "adapter": _ADAPTER_VERSION}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def wasmtime_version() -> str:
    """Return the engine's version, from the name of its package's metadata folder.

    The engine need not be loaded for it, and ``importlib.metadata`` would cost a cold start 20 ms.

    Raises:
        LookupError: the package is not installed with its metadata.
    """
    spec = find_spec("wasmtime")
    if spec is not None and spec.origin is not None:
        for folder in Path(spec.origin).parents[1].glob("wasmtime-*.dist-info"):
            return folder.name.removeprefix("wasmtime-").removesuffix(".dist-info")
    message = "the metadata of the package wasmtime is missing"
    raise LookupError(message)


def settings() -> dict[str, bool | int | str]:
    """Return a copy of the settings, names as ``wasmtime.Config`` has them."""
    return dict(_SETTINGS)
