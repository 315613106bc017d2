"""How hard the files of a bundle are compressed: by bytes, so that no bundle costs more than a fixed amount of work."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.publishing.ui_compression import BOUNDS, BundleCompression

MIB = 1024 * 1024

Variants = tuple[bytes, bytes]


class Recorded:
    """A compressor that records what it is asked for, and compresses nothing."""

    def __init__(self, fails_at: int = -1) -> None:
        self.asked: list[tuple[int, int, int, float]] = []
        self._fails_at = fails_at

    def __call__(
        self, data: bytes, brotli_quality: int, gzip_level: int, budget_s: float
    ) -> tuple[bytes, bytes] | None:
        self.asked.append((len(data), brotli_quality, gzip_level, budget_s))
        return None if len(self.asked) - 1 == self._fails_at else (b"b", b"g")


def test_the_first_files_are_compressed_hardest_and_later_ones_less_and_the_rest_not_at_all() -> None:
    compressor = Recorded()
    compression = BundleCompression(compressor, lambda: 0.0)

    made = [bool(compression.variants(bytes(4 * MIB))) for _ in range(26)]

    levels = [(quality, level) for _, quality, level, _ in compressor.asked]
    assert levels == [(9, 6)] * 2 + [(5, 3)] * 6 + [(1, 1)] * 16
    assert made == [True] * 24 + [False] * 2


def test_the_slow_levels_of_gzip_are_not_used() -> None:
    """Level 9 took 10.6 s for 4 MiB of two random letters, level 6 took 0.3 s."""
    assert max(bound.gzip_level for bound in BOUNDS) == 6
    assert [bound.total_bytes for bound in BOUNDS] == [8 * MIB, 32 * MIB, 96 * MIB]


@settings(derandomize=True, max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4 * MIB), max_size=60))
def test_however_a_bundle_is_cut_into_files_the_work_is_limited(sizes: list[int]) -> None:
    compressor = Recorded()
    compression = BundleCompression(compressor, lambda: 0.0)
    for size in sizes:
        compression.variants(bytes(size))

    for quality, most in ((9, 8 * MIB), (5, 32 * MIB), (1, 96 * MIB)):
        assert sum(size for size, used, _, _ in compressor.asked if used >= quality) <= most
    repeated = Recorded()
    again = BundleCompression(repeated, lambda: 0.0)
    for size in sizes:
        again.variants(bytes(size))
    assert repeated.asked == compressor.asked


def test_after_a_file_that_was_given_up_no_other_is_tried_and_none_fails() -> None:
    compressor = Recorded(fails_at=1)
    compression = BundleCompression(compressor, lambda: 0.0)

    assert [compression.variants(b"x") for _ in range(4)] == [{".br": b"b", ".gz": b"g"}, {}, {}, {}]
    assert len(compressor.asked) == 2


def test_the_files_of_a_bundle_share_one_time_budget() -> None:
    now: dict[str, float] = {"s": 100.0}
    compressor = Recorded()
    compression = BundleCompression(compressor, lambda: now["s"])
    for _ in range(3):
        compression.variants(b"x")
        now["s"] += 20

    assert [budget_s for *_, budget_s in compressor.asked] == [30.0, 10.0, 0.0]


@pytest.mark.parametrize("alphabet", [b"ab", b"acgt", bytes(range(256))])
def test_a_worker_that_is_killed_leaves_the_file_as_it_is(alphabet: bytes) -> None:
    data = bytes(random.Random(1).choices(alphabet, k=100_000))
    evaluator: Any = Evaluator(lambda: False, budget_s=0)

    assert BundleCompression(evaluator.compress, lambda: 0.0).variants(data) == {}
    assert evaluator._process is None
