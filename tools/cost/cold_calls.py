"""How often a tenant's call is cold, and how long calls take then: a model from measured CPU times (pure).

An environment that is idle for ``kept_min`` minutes is ended. Calls come at random (a Poisson process), so a call is
cold when none came in the ``kept_min`` minutes before it. Calls at the same time, which need more than one environment,
are left out: they matter to tenants that call often, whose share of cold calls is small anyway.

With an environment for each tenant, only the tenant's own calls keep it alive. A shared one is kept alive by all
tenants, but it has sandboxes for a few installs only. The install that was not called lately needs a new sandbox.
"""

import math
from typing import Final, NamedTuple

from functions.runner.settings import RUNNER_MEMORY_MB

CORE_MB: Final = 1_769
"""The memory in MB at which a function has one core; less memory gets as much less of it."""
_P95: Final = 0.95


class Work(NamedTuple):
    """What one kind of call takes.

    Attributes:
        cpu_ms: CPU time of all processes together.
        path_ms: how long it takes when no process waits for a core.
    """

    cpu_ms: float
    path_ms: float

    def time_ms(self, memory_mb: int) -> float:
        """Return how long it takes in a function of this memory."""
        return max(self.path_ms, self.cpu_ms * CORE_MB / memory_mb)


class Shares(NamedTuple):
    """The shares of a tenant's calls, which are 1 together.

    Attributes:
        cold: of calls that start an environment.
        new_sandbox: of calls that find an environment without a sandbox for their install.
        warm: of all others.
    """

    cold: float
    new_sandbox: float
    warm: float


class Latency(NamedTuple):
    """Milliseconds of a call within the runner."""

    mean_ms: float
    p95_ms: float


def own_environment(calls_per_hour: float, kept_min: float) -> Shares:
    """Return the shares for a tenant that has environments of its own, and one install."""
    cold = _silent(calls_per_hour, kept_min)
    return Shares(cold, 0.0, 1 - cold)


def shared_environment(calls_per_hour: float, kept_min: float, tenants: int, kept_sandboxes: int) -> Shares:
    """Return the shares for one of several tenants with the same rate of calls and one install each.

    Args:
        calls_per_hour: of each tenant.
        kept_min: minutes after which an idle environment is ended.
        tenants: whose calls meet in one environment.
        kept_sandboxes: how many installs have a sandbox at the same time; the least recently called one loses its own.
    """
    cold = _silent(tenants * calls_per_hour, kept_min)
    found = min(1.0, kept_sandboxes / tenants)  # all installs are called alike, so each is among the last ones as often
    return Shares(cold, (1 - cold) * (1 - found), (1 - cold) * found)


def kept_sandboxes(memory_mb: int, sandbox_mb: int) -> int:
    """Return how many installs have a sandbox in an environment that also has a spare one."""
    return max(1, (memory_mb - RUNNER_MEMORY_MB) // sandbox_mb - 1)


def latency(shares: Shares, cold: Work, new_sandbox: Work, warm: Work, memory_mb: int) -> Latency:
    """Return mean and 95th percentile of calls in a function of this memory."""
    times = [work.time_ms(memory_mb) for work in (cold, new_sandbox, warm)]
    mean = sum(share * ms for share, ms in zip(shares, times, strict=True))
    if shares.cold > 1 - _P95:
        p95 = times[0]
    elif shares.cold + shares.new_sandbox > 1 - _P95:
        p95 = times[1]
    else:
        p95 = times[2]
    return Latency(mean, p95)


def _silent(calls_per_hour: float, minutes: float) -> float:
    """Return the probability that no call comes within some minutes."""
    return math.exp(-calls_per_hour * minutes / 60)
