"""What a call costs, for tests of hostile input."""

import tracemalloc
from collections.abc import Callable
from time import process_time


def peak_bytes_of(call: Callable[[], object]) -> int:
    """Run ``call`` and return its peak memory in bytes: what Python allocates, which is where input is kept."""
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def cpu_s_of(call: Callable[[], object]) -> float:
    """Run ``call`` and return the CPU seconds of this process meanwhile.

    A bound on them tells linear from quadratic, not fast from slow: leave at least ten times the measured cost,
    because a core that is shared may take several times as long. Speed is the benches' matter.
    """
    started = process_time()
    call()
    return process_time() - started
