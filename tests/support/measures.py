"""What a call costs, for tests of hostile input."""

import tracemalloc
from collections.abc import Callable
from time import process_time
from typing import NamedTuple


class Cost(NamedTuple):
    """Peak memory in bytes beyond what was there before, and CPU seconds."""

    peak_bytes: int
    cpu_s: float


def cost_of(call: Callable[[], object]) -> Cost:
    """Run ``call`` and return what it cost; memory is what Python allocates, which is where input is kept."""
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    started = process_time()
    try:
        call()
        cpu_s = process_time() - started
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Cost(peak - before, cpu_s)
