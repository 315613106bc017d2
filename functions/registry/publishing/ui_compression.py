"""Decide how hard each UI file of a bundle is compressed, within a budget of bytes and time for the bundle.

The first bytes of a bundle are compressed hardest, later ones at cheaper levels, and what is over the last bound is
stored as it is. So the work for one bundle is limited, and no bundle is refused for its size alone. Equal bundles get
equal variants, because bytes decide; time is only the last resort, against a compressor that takes very much longer
than it should.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

_MIB: Final = 1024 * 1024
BUDGET_S: Final = 30.0
"""Wall-clock time for all files of a bundle. The byte bounds below need about five seconds of it."""


class Bound(NamedTuple):
    """Levels (brotli 0–11, gzip 1–9) for the files up to this many bytes of the bundle's compressible files."""

    total_bytes: int
    brotli_quality: int
    gzip_level: int


BOUNDS: Final = (
    # gzip 9 takes 30 times as long as gzip 6 for some files, and saves one percent of an ordinary script.
    Bound(8 * _MIB, brotli_quality=9, gzip_level=6),
    Bound(32 * _MIB, brotli_quality=5, gzip_level=3),
    Bound(96 * _MIB, brotli_quality=1, gzip_level=1),
)

Compressor = Callable[[bytes, int, int, float], tuple[bytes, bytes] | None]
"""Compresses bytes at a brotli quality and a gzip level within seconds. See ``Evaluator.compress``."""


class BundleCompression:
    """The budget of one bundle.

    Args:
        compress: does the work.
        monotonic_s: a monotonic clock, in seconds.
    """

    def __init__(self, compress: Compressor, monotonic_s: Callable[[], float]) -> None:
        self._compress = compress
        self._monotonic_s = monotonic_s
        self._until_s = monotonic_s() + BUDGET_S
        self._used_bytes = 0
        self._given_up = False

    def variants(self, data: bytes) -> dict[str, bytes]:
        """Return the compressed forms of a file by key suffix (``.br``, ``.gz``); empty when the budget is used up.

        After one file took too long, no further file of the bundle is compressed.
        """
        self._used_bytes += len(data)
        bound = next((bound for bound in BOUNDS if self._used_bytes <= bound.total_bytes), None)
        if bound is None or self._given_up:
            return {}
        left_s = max(0.0, self._until_s - self._monotonic_s())
        made = self._compress(data, bound.brotli_quality, bound.gzip_level, left_s)
        if made is None:
            self._given_up = True
            return {}
        return dict(zip((".br", ".gz"), made, strict=True))
