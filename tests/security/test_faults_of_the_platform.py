"""A fault of the platform's own in the middle of a call costs that call, and nothing of it reaches the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runnerkit import wat
from tests.runnerkit.house import House, call

ASKS = wat.guest("(call $secrets.list-keys (i32.const 256)) (unreachable)", imports=["secrets.list-keys"])
GREETS = wat.guest("(call $respond (i32.const 204) (i32.const 0) (i32.const 0))")


def _broken(_call: object) -> object:
    message = "a provider cannot be opened"
    raise RuntimeError(message)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "house", providers={"secrets": _broken})
    yield made
    made.close()


def test_a_provider_that_raises_does_not_hand_the_outcome_to_the_next_caller(house: House) -> None:
    asks, greets = house.publish(ASKS), house.publish(GREETS)
    broken = house.answer(call(asks, providers=["cap:secrets.get"]))

    answer = house.execute(call(greets))

    assert (broken["statusCode"], answer.status, answer.error) == (500, 204, None)
