"""How long the gateway waits for the runner."""

import pytest

from functions.gateway.attempts import margin_s


@pytest.mark.parametrize("limit_ms", [50, 5_000, 27_500, 27_501, 29_000])
def test_the_gateway_answers_before_its_own_time_ends(limit_ms: int) -> None:
    assert 0.5 <= margin_s(limit_ms) <= 2.0
    assert limit_ms / 1_000 + margin_s(limit_ms) <= 29.5
