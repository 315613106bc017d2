"""What the record's speed is held to: figures in, the bounds they breach out."""

from collections.abc import Iterable
from typing import Final, NamedTuple

RESOLUTION_LIMIT_MS: Final = 0.5
"""Planning and execution at the database, half of the resolutions."""

GROWTH_LIMIT: Final = 2.0
"""How many times longer a resolution may take among a million installs than among a thousand."""

PAGING_LIMIT: Final = 2.0
"""How many times longer any page of a list may take than its first."""


class Resolution(NamedTuple):
    """Resolving one install: milliseconds at the database (p50) among few installs and among many."""

    name: str
    small_p50_ms: float
    large_p50_ms: float

    @property
    def growth(self) -> float:
        """How many times longer it takes among many."""
        return self.large_p50_ms / self.small_p50_ms


class Paging(NamedTuple):
    """Pages of one list: milliseconds at the database (p50) of its first, middle and last."""

    name: str
    first_p50_ms: float
    middle_p50_ms: float
    last_p50_ms: float

    @property
    def growth(self) -> float:
        """How many times longer the slowest page takes than the first."""
        return max(self.middle_p50_ms, self.last_p50_ms) / self.first_p50_ms


def breaches(resolutions: Iterable[Resolution], pagings: Iterable[Paging]) -> list[str]:
    """Return a sentence for every bound that is breached, with the limit and the actual figure."""
    found = []
    for resolution in resolutions:
        if resolution.large_p50_ms >= RESOLUTION_LIMIT_MS:
            found.append(
                f"{resolution.name}: {resolution.large_p50_ms:.3f} ms at the database, and it must be below "
                f"{RESOLUTION_LIMIT_MS} ms"
            )
        if resolution.growth >= GROWTH_LIMIT:
            found.append(
                f"{resolution.name}: grows {resolution.growth:.2f} times, and it must stay below {GROWTH_LIMIT} times"
            )
    found += [
        f"{paging.name}: a later page takes {paging.growth:.2f} times the first, and it must stay below "
        f"{PAGING_LIMIT} times"
        for paging in pagings
        if paging.growth >= PAGING_LIMIT
    ]
    return found
