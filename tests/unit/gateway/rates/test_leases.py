"""Leases: what a process may use, asks for and gives back, at exact instants."""

import pytest

from alga_ext.calls.limits import Rate
from functions.gateway.rates.leases import Ask, Grant, Lease, Policy, returned, unused_keys

NOW = 1_000_000_000
SECOND = 1_000_000
POLICY = Policy(burst=10, interval_us=100_000, ahead_us=SECOND, largest_block=16)


def grant(taken: int = 3, at_us: int = NOW, remaining: int = 7, late_us: int = 0, policy: Policy = POLICY) -> Grant:
    """Slots of a bucket that was full, or so late that its first slot can be used ``late_us`` after ``at_us``."""
    first_us = at_us + late_us
    return Grant("k", at_us, first_us + (taken + policy.burst - 1) * policy.interval_us, taken, remaining)


def lease(*grants: Grant, policy: Policy = POLICY) -> Lease:
    made = Lease(policy)
    for one in grants:
        made.add(one)
    return made


@pytest.mark.parametrize(
    ("burst", "per_second", "expected"),
    [
        (60, 1.0, Policy(60, 1_000_000, 0, 1)),
        (60, 1.99, Policy(60, 502_513, 0, 1)),
        (60, 2.0, Policy(60, 500_000, 1_000_000, 16)),
        (1, 3.0, Policy(1, 333_334, 1_000_000, 16)),
        (600, 32.0, Policy(600, 31_250, 1_000_000, 16)),
        (600, 33.0, Policy(600, 30_304, 1_000_000, 17)),
        (1_200, 101.0, Policy(1_200, 9_901, 1_000_000, 51)),
    ],
)
def test_a_rate_becomes_a_policy_that_is_never_faster(burst: int, per_second: float, expected: Policy) -> None:
    assert Policy.of(Rate(burst=burst, per_second=per_second)) == expected


def test_slots_are_the_last_ones_before_the_arrival_time() -> None:
    assert grant(taken=3).slots(POLICY) == [NOW, NOW + 100_000, NOW + 200_000]
    assert grant(taken=0).slots(POLICY) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [(grant(1), True), (grant(1, late_us=1), False), (grant(0), False)],
    ids=["now", "1us", "none"],
)
def test_a_grant_is_due_when_its_first_slot_is(given: Grant, expected: bool) -> None:
    assert given.is_due(POLICY) is expected


def test_a_new_lease_has_nothing_and_asks_for_one() -> None:
    made = Lease(POLICY)
    assert not made.is_ready(NOW, NOW)
    assert made.blocked_until_us(0, 0) is None
    assert made.remaining == 10
    assert made.ask("k", NOW, ready=False) == Ask("k", POLICY, wanted=1, needed=1, kept=0, back=0)


@pytest.mark.parametrize(
    ("low_us", "high_us", "expected"),
    [(NOW, NOW, True), (NOW - 1, NOW, False), (NOW, NOW + 5 * SECOND - 1, True), (NOW, NOW + 5 * SECOND, False)],
    ids=["at-its-instant", "before-it", "until-the-end", "at-the-end"],
)
def test_a_slot_is_ready_from_its_instant_until_the_lease_ends(low_us: int, high_us: int, expected: bool) -> None:
    assert lease(grant()).is_ready(low_us, high_us) is expected


def test_a_used_slot_is_not_used_again() -> None:
    made = lease(grant(taken=2))
    made.use()
    assert list(made.slots) == [NOW + 100_000]
    assert not made.is_ready(NOW, NOW)


@pytest.mark.parametrize(
    ("low_us", "high_us", "expected"),
    [
        (NOW, NOW, NOW + 5),
        (NOW + 4, NOW + 4, NOW + 5),
        (NOW + 5, NOW + 5, None),
        (NOW, NOW + 5 * SECOND, None),
    ],
    ids=["before", "just-before", "at-its-instant", "expired"],
)
def test_a_lease_whose_slot_comes_later_is_blocked_until_then(low_us: int, high_us: int, expected: int | None) -> None:
    assert lease(grant(taken=3, late_us=5)).blocked_until_us(low_us, high_us) == expected


@pytest.mark.parametrize(("before_us", "is_blocked"), [(SECOND, False), (SECOND + 1, True)])
def test_a_lease_without_slots_is_blocked_while_no_slot_can_be_taken_ahead(before_us: int, is_blocked: bool) -> None:
    made = lease(grant(taken=1))
    made.use()
    low_us = made.next_us - before_us
    assert made.next_us == NOW + 100_000
    assert made.blocked_until_us(low_us, low_us) == (made.next_us if is_blocked else None)


def test_each_lease_that_is_used_up_asks_for_twice_as_many_up_to_the_largest_block() -> None:
    made = lease(grant(taken=0))
    assert [made.ask("k", NOW, ready=False).wanted for _ in range(6)] == [2, 4, 8, 16, 16, 16]


def test_a_trip_for_another_key_fills_a_lease_up_and_needs_nothing() -> None:
    made = lease(grant(taken=3))
    made.wanted = 8
    assert made.ask("k", NOW, ready=True) == Ask("k", POLICY, wanted=5, needed=0, kept=3, back=0)
    made.wanted = 2
    assert made.ask("k", NOW, ready=True).wanted == 0


def test_an_expired_lease_gives_its_slots_back_and_asks_for_what_it_used() -> None:
    made = lease(grant(taken=3))
    made.wanted = 5
    assert made.ask("k", NOW + 5 * SECOND, ready=False) == Ask("k", POLICY, wanted=2, needed=1, kept=0, back=3)
    assert list(made.slots) == []
    assert made.wanted == 2


def test_an_expired_lease_that_used_nothing_asks_for_one() -> None:
    made = lease(grant(taken=3))
    made.wanted = 3
    assert made.ask("k", NOW + 5 * SECOND, ready=False).wanted == 1


def test_what_a_trip_brings_is_noted() -> None:
    made = lease(grant(taken=2, remaining=4), grant(taken=1, at_us=NOW + 10, remaining=3))
    assert list(made.slots) == [NOW, NOW + 100_000, NOW + 10]
    assert (made.remaining, made.at_us, made.expires_us) == (3, NOW + 10, NOW + 10 + 5 * SECOND)


@pytest.mark.parametrize(("after_us", "kept"), [(7 * SECOND, 2), (7 * SECOND + 1, 0)], ids=["in-time", "too-late"])
def test_slots_are_lost_when_a_trip_ends_after_the_bucket_forgot_them(after_us: int, kept: int) -> None:
    made = lease(grant(taken=2))
    made.add(grant(taken=1, at_us=NOW + after_us))
    assert len(made.slots) == kept + 1


def test_only_expired_leases_with_slots_are_given_back() -> None:
    used_up, expired, fresh = lease(grant(taken=0)), lease(grant(taken=2)), lease(grant(taken=2, at_us=NOW + SECOND))
    asks = returned([("used up", used_up), ("expired", expired), ("fresh", fresh)], NOW + 5 * SECOND)
    assert asks == [Ask("expired", POLICY, wanted=0, needed=0, kept=0, back=2)]
    assert len(fresh.slots) == 2


def test_slots_stay_unused_when_another_key_has_none_for_the_call() -> None:
    asks = [Ask(key, POLICY, 1, needed, 0, 0) for key, needed in (("a", 1), ("b", 1), ("c", 0))]
    due, late = grant(taken=1), grant(taken=1, late_us=1)
    assert unused_keys(asks, {"a": due, "b": late, "c": due}) == ["a"]
    assert unused_keys(asks, {"a": due, "b": due, "c": late}) == []
    assert unused_keys(asks, {"a": late, "b": late, "c": due}) == []
