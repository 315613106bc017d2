"""What the figures are to be: the bounds the runner is held to, and whether a figure keeps one."""

from typing import Final

WARM_RATIO: Final = {"StarlingMonkey 12 MB": 1.2}
"""A small call at the handler, p50, as a multiple of the same call through wasmtime-py's own ``Func.__call__``."""

ADDED_MS: Final = {"trivial (WAT)": 1.0}
"""What the handler adds to the same call, p50."""

ECHO_MS: Final = {64 * 1024: 15.0, 1024 * 1024: 200.0}
"""A body there and back at the handler, p50, by its size in bytes."""

COLD_MS: Final = {"StarlingMonkey 12 MB": 700.0}
"""Process start to first answer, p50, the artifact in an object store."""

INIT_CPU_MS: Final = {"gateway": 200.0, "uihost": 130.0, "recorder": 220.0}
"""CPU time of a function's init from its asset: interpreter, imports and settings."""

FIRST_ANSWER_MS: Final = {"trivial (WAT)": 200.0, "StarlingMonkey 12 MB": 300.0}
"""Start of the runner's process to its first answer, p50, from its asset, on a machine with nothing beside it."""

GATEWAY_CPU_MS: Final = 1.5
"""Own CPU time of the gateway for a warm call."""

RESIDENT_MIB: Final = 240.0
"""Memory of four sandboxes that run small programs: interpreter and engine come to about 40 each."""


def verdict(figure: float, most: float | None) -> str | None:
    """Return the bound and whether the figure keeps it, or None when it has none."""
    if most is None:
        return None
    return f"≤ {most:g} {'met' if figure <= most else 'not met'}"
