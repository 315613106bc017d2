"""Timing: side by side, in turns, so that what else the machine does hits all alike."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Timing(NamedTuple):
    """Milliseconds of one thing measured many times."""

    p50_ms: float
    p99_ms: float
    times: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Timing":
        ordered = sorted(samples)
        last = ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.99) - 1)]
        return cls(round(ordered[len(ordered) // 2], 3), round(last, 3), len(ordered))


def in_turns(actions: Sequence[Callable[[], Any]], times: int) -> list[Timing]:
    """Time each action ``times`` times, one after the other in every round."""
    samples: list[list[float]] = [[] for _ in actions]
    for _ in range(times):
        for action, taken in zip(actions, samples, strict=True):
            started = time.perf_counter()
            action()
            taken.append((time.perf_counter() - started) * 1_000)
    return [Timing.of(taken) for taken in samples]
