"""Addresses that accepted no connection are tried last for a while, and one of them leaves time for the next."""

import pytest

from functions.runner.imports.http.unreachable import (
    REMEMBERED_FOR_S,
    REMEMBERED_LIMIT,
    Unreachable,
    connect_timeout_s,
)
from tests.support.clock import Clock


def test_a_dead_address_comes_last_until_it_is_forgotten() -> None:
    clock = Clock()
    dead = Unreachable(clock)
    dead.add("192.0.2.1", 443)

    assert dead.last(["192.0.2.1", "192.0.2.2", "192.0.2.3"], 443) == ["192.0.2.2", "192.0.2.3", "192.0.2.1"]
    clock.now_s += REMEMBERED_FOR_S
    assert dead.last(["192.0.2.1", "192.0.2.2"], 443) == ["192.0.2.1", "192.0.2.2"]


def test_another_port_of_the_address_is_not_dead() -> None:
    dead = Unreachable(Clock())
    dead.add("192.0.2.1", 443)
    assert dead.last(["192.0.2.1", "192.0.2.2"], 8443) == ["192.0.2.1", "192.0.2.2"]


def test_a_bounded_number_of_addresses_is_remembered() -> None:
    dead = Unreachable(Clock())
    for number in range(REMEMBERED_LIMIT + 1):
        dead.add(f"192.0.2.{number}", 443)

    assert dead.last(["192.0.2.0", "192.0.2.9", "live"], 443) == ["192.0.2.0", "live", "192.0.2.9"]
    assert REMEMBERED_LIMIT == 256


@pytest.mark.parametrize(
    ("left_s", "addresses_left", "expected_s"),
    [(4.0, 1, 4.0), (29.0, 1, 5.0), (4.0, 2, 1.0), (6.0, 3, 1.0), (29.0, 2, 5.0), (100.0, 2, 5.0), (8.0, 4, 1.0)],
)
def test_addresses_share_half_of_the_time_and_the_last_one_may_use_all(
    left_s: float, addresses_left: int, expected_s: float
) -> None:
    assert connect_timeout_s(left_s, addresses_left, 5.0) == expected_s
