"""How long the gateway and the dispatcher wait for the runner."""

import pytest

from functions.gateway.attempts import margin_s
from functions.gateway.deliveries.delivering import ANSWER_BY_S
from functions.gateway.execution import Execution


def begun(limit_ms: int, answer_by_s: float) -> Execution:
    return Execution("e", limit_ms, 0.0, answer_by_s)


@pytest.mark.parametrize("limit_ms", [50, 5_000, 27_500, 27_501, 29_000])
def test_the_gateway_answers_before_its_own_time_ends(limit_ms: int) -> None:
    margin = margin_s(begun(limit_ms, 29.5))

    assert 0.5 <= margin <= 2.0
    assert limit_ms / 1_000 + margin <= 29.5


@pytest.mark.parametrize("limit_ms", [1, 29_000, 59_999, 60_000])
def test_the_dispatcher_waits_two_seconds_longer_than_a_delivery_may_take(limit_ms: int) -> None:
    assert margin_s(begun(limit_ms, ANSWER_BY_S)) == 2.0
