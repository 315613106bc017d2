"""The buckets of the platform's histograms (pure).

The table ``app.platform_call_total`` has one number for each bucket. Other bounds need a migration.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

MIB: Final = 1024 * 1024

DURATION_MS: Final = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
MEMORY_BYTES: Final = tuple(size * MIB for size in (1, 2, 4, 8, 16, 32, 64, 128, 256))
OVERHEAD_MS: Final = (2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500)
LAG_MS: Final = (100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000)


def count(values: Iterable[float], bounds: tuple[float, ...]) -> list[int]:
    """Return how many values lie in each bucket. A bucket includes its upper bound; the last one has none."""
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return counts
