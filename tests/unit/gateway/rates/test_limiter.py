"""The rate limiter over several processes, with buckets in memory and a clock of the test's own."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls.limits import Rate
from functions.gateway.rates.leases import LIFETIME_US
from functions.gateway.rates.limiter import Clocks, RateKey, RateLimiter
from tests.support.rate_model import ModelBuckets

PERSON = Rate(burst=60, per_second=1)
SERVICE = Rate(burst=600, per_second=20)
INSTALL = Rate(burst=300, per_second=20)
TENANT = Rate(burst=1_200, per_second=100)


class Processes:
    """Gateway processes that share buckets. ``now_s`` is the clock of all."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.now_s = 1_700_000_000.0
        self.frozen_s = 0.0
        self.buckets = ModelBuckets(lambda: round(self.now_s * 1e6))
        self.limiters = [RateLimiter(self.buckets.of(str(number))) for number in range(count)]
        self._random = random.Random(seed)
        self._weights = [1 / (number + 1) for number in range(count)]

    def restart(self, number: int) -> None:
        """End a process with the slots that it holds, and start one in its place."""
        self.limiters[number] = RateLimiter(self.buckets.of(f"{number} from {self.now_s}"))

    def take(self, keys: Sequence[RateKey], number: int | None = None) -> bool:
        """Make a call in one process, by default with a Zipf spread; tell whether it is admitted."""
        chosen = self._random.choices(self.limiters, self._weights)[0] if number is None else self.limiters[number]
        return not chosen.take(keys, Clocks(self.now_s - self.frozen_s, self.now_s)).violated


def user(rate: Rate, subject: str = "ann", tenant_id: str = "acme") -> RateKey:
    return RateKey("user", tenant_id, f"user:{subject}", rate)


def of_call(rate: Rate) -> list[RateKey]:
    """The three keys of a call of one user."""
    return [user(rate), RateKey("install", "acme", "install:1", INSTALL), RateKey("tenant", "acme", "tenant", TENANT)]


def excess(times_s: Sequence[float], rate: Rate) -> float:
    """Return by how many calls the worst period exceeds ``burst + rate × time``; negative when none does."""
    return max(
        (later - earlier + 1 - rate.burst - rate.per_second * (times_s[later] - times_s[earlier])
         for earlier in range(len(times_s)) for later in range(earlier, len(times_s))),
        default=-1.0,
    )  # fmt: skip


EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.0, 4.0, 11.0, 20.0]), st.integers(1, 12)),
    min_size=1,
    max_size=25,
)


@given(
    rate=st.builds(Rate, burst=st.integers(1, 40), per_second=st.sampled_from([0.1, 1.0, 2.5, 20.0])),
    events=EVENTS,
    deaths=st.sets(st.integers(0, 24)),
    freezes=st.sets(st.integers(0, 24)),
)
@settings(max_examples=200, deadline=None)
def test_no_period_admits_more_than_burst_and_rate(
    rate: Rate, events: list[tuple[int, float, int]], deaths: set[int], freezes: set[int]
) -> None:
    """In any period, over any processes, also when they end with slots or their monotonic clock stands still."""
    processes, admitted_s = Processes(5), []
    for turn, (number, pause_s, calls) in enumerate(events):
        processes.now_s += pause_s
        if turn in freezes:
            processes.frozen_s += pause_s
        if turn in deaths:
            processes.restart(number)
        admitted_s += [processes.now_s for _ in range(calls) if processes.take([user(rate)], number)]
    assert excess(admitted_s, rate) < 1e-3


@pytest.mark.parametrize("rate", [PERSON, INSTALL, SERVICE, TENANT], ids=["person", "install", "service", "tenant"])
@pytest.mark.parametrize(("share", "most"), [(0.9, 0.0), (1.0, 0.03)], ids=["below-the-burst", "the-whole-burst"])
def test_a_legitimate_burst_is_admitted_over_sixteen_processes(rate: Rate, share: float, most: float) -> None:
    refused = calls = 0
    for seed in range(8):
        processes, count = Processes(16, seed), int(rate.burst * share)
        for _ in range(count):
            processes.now_s += 0.5 / count
            refused += not processes.take([user(rate)])
        calls += count
    assert refused / calls <= most


@pytest.mark.parametrize(
    ("rate", "processes", "most"),
    [(SERVICE, 1, 0.1), (SERVICE, 4, 0.1), (PERSON, 1, 1.0), (PERSON, 16, 1.0)],
    ids=["service-in-one-process", "service-in-four", "person-in-one-process", "person-in-sixteen"],
)
def test_trips_of_a_steady_caller_are_few(rate: Rate, processes: int, most: float) -> None:
    made, calls = Processes(processes), round(120 * rate.per_second)
    for _ in range(calls):
        made.now_s += 1 / rate.per_second
        assert made.take(of_call(rate))
    assert made.buckets.trips <= most * calls


@pytest.mark.parametrize("processes", [1, 4, 16])
@pytest.mark.parametrize("rate", [PERSON, SERVICE], ids=["person", "service"])
def test_a_flood_costs_two_trips_a_second_in_each_process(rate: Rate, processes: int) -> None:
    made = Processes(processes)
    keys = [user(rate)]
    while made.take(keys):
        pass
    for _ in range(200 * 5):  # until each process knows that nothing is left
        made.now_s += 1 / 200
        made.take(keys)
    made.buckets.trips = 0
    for _ in range(200 * 20):
        made.now_s += 1 / 200
        made.take(keys)
    assert made.buckets.trips <= 2 * 20 * processes


def test_a_refusal_is_remembered_until_its_exact_instant() -> None:
    made, keys = Processes(1), [user(Rate(burst=1, per_second=1))]
    assert made.take(keys)
    trips = made.buckets.trips
    made.now_s += 0.999
    assert not made.take(keys)
    assert made.buckets.trips == trips
    made.now_s += 0.001
    assert made.take(keys)


def test_a_refused_caller_is_told_to_wait_until_the_next_call_is_free() -> None:
    made = Processes(1)
    verdict = None
    for _ in range(2):
        verdict = made.limiters[0].take([user(Rate(burst=1, per_second=0.25))], Clocks(made.now_s, made.now_s))
    assert verdict is not None
    assert (verdict.violated, verdict.retry_after_s) == (("user",), 4)


def test_a_call_that_one_key_refuses_is_not_counted_toward_the_others() -> None:
    made = Processes(1)
    keys = [user(Rate(burst=1, per_second=0.001)), RateKey("tenant", "acme", "tenant", Rate(burst=3, per_second=0.001))]
    assert [made.take(keys) for _ in range(5)] == [True, False, False, False, False]
    assert [made.take([user(PERSON, "ben"), keys[1]]) for _ in range(3)] == [True, True, False]


def test_unused_slots_are_given_back_when_their_lease_ends() -> None:
    made, rate = Processes(2), Rate(burst=320, per_second=0.001)
    for _ in range(8):
        assert made.take([user(rate)], 0)
    made.now_s += LIFETIME_US / 1e6
    assert made.take([user(rate, "ben")], 0)  # another key of the tenant
    assert sum(made.take([user(rate)], 1) for _ in range(320)) == 320 - 8


def test_slots_that_the_bucket_counts_no_more_are_not_used() -> None:
    """A trip may take seconds. When it ends after the slots that were kept, the bucket has filled up without them."""
    made, rate = Processes(1), Rate(burst=400, per_second=2)
    keys = [user(rate), RateKey("tenant", "acme", "tenant", Rate(burst=2_000, per_second=0.001))]
    admitted_s = []
    for _ in range(9):
        admitted_s += [made.now_s] if made.take(keys) else []
    asked_s = made.now_s + 4.9
    made.now_s += 11
    while not made.limiters[0].take(keys, Clocks(asked_s, asked_s)).violated:
        admitted_s.append(made.now_s)
    assert excess(admitted_s, rate) < 1e-3


def test_a_lower_limit_holds_at_the_next_call() -> None:
    made = Processes(1)
    for _ in range(100):
        made.take([user(SERVICE)])
    assert sum(made.take([user(Rate(burst=5, per_second=0.001))]) for _ in range(20)) <= 5


def test_a_wall_clock_that_jumps_changes_nothing_but_how_long_slots_are_held() -> None:
    made, rate = Processes(1), Rate(burst=10, per_second=0.001)
    limiter = made.limiters[0]
    jumps = [0.0, 7_200.0, -7_200.0, 86_400.0]
    admitted = [
        not limiter.take([user(rate)], Clocks(made.now_s + turn * 0.01, made.now_s + jumps[turn % 4])).violated
        for turn in range(30)
    ]
    assert admitted == [True] * 10 + [False] * 20


def test_a_database_clock_that_is_put_back_does_not_lock_callers_out() -> None:
    made, rate = Processes(1), Rate(burst=10, per_second=1)
    assert made.take([user(rate)])
    monotonic_s, made.now_s = made.now_s, made.now_s - 3_600
    limiter = RateLimiter(made.buckets.of("new"))
    admitted = [
        not limiter.take([user(rate)], Clocks(monotonic_s + turn, monotonic_s + turn)).violated for turn in range(1)
    ]
    made.now_s += 2
    admitted += [not limiter.take([user(rate)], Clocks(monotonic_s + 2, monotonic_s + 2)).violated]
    assert admitted[-1]


def test_levels_fall_with_each_call_and_rise_with_time() -> None:
    made = Processes(1)
    seen = []
    for pause_s in (0.0, 0.0, 0.0, 2.0):
        made.now_s += pause_s
        seen.append(made.limiters[0].take([user(PERSON)], Clocks(made.now_s, made.now_s)).levels[0].remaining)
    assert seen == [59, 58, 57, 58]
    assert all(later <= earlier + 1 for earlier, later in pairwise(seen))
