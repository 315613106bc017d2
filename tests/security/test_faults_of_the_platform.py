"""A fault of the platform's own in the middle of a call costs that call, and nothing of it reaches the next."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.runner.imports.broker import Handler, Opened
from tests.support import wat
from tests.support.runner_fixture import RunnerFixture, call, code_of

ASKS = wat.guest("(call $secrets.list-keys (i32.const 256)) (unreachable)", imports=["secrets.list-keys"])
GREETS = wat.guest("(call $respond (i32.const 204) (i32.const 0) (i32.const 0))")


def _broken(_call: object) -> Opened:
    message = "a provider cannot be opened"
    raise RuntimeError(message)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path / "house", providers={"secrets": _broken})
    yield made
    made.close()


def test_a_host_import_that_hangs_far_past_the_deadline_is_a_timeout(tmp_path: Path) -> None:
    def hang() -> list[str]:
        time.sleep(2.5)
        return []

    def stuck(_call: object) -> Opened:
        return Opened({"secrets.list-keys": Handler(tuple[()], hang, [])}, lambda: None)

    house = RunnerFixture(tmp_path / "stuck", providers={"secrets": stuck})
    try:
        answer = house.execute(call(house.publish(ASKS), timeout_ms=100))
    finally:
        house.close()
    assert code_of(answer) == "guest_timeout"


def test_a_provider_that_raises_does_not_hand_the_outcome_to_the_next_caller(house: RunnerFixture) -> None:
    asks, greets = house.publish(ASKS), house.publish(GREETS)
    broken = house.answer(call(asks, providers=("cap:secrets.get",)))

    answer = house.execute(call(greets))

    assert (broken["statusCode"], answer.status, answer.error) == (500, 204, None)
