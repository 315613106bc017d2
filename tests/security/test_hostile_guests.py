"""Every attack is made once; what is known of it afterwards must all hold."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.security.attacks import Aftermath, Attack, made
from tests.security.guests import answers, endless, hungry, liars, loud
from tests.security.world import World

ATTACKS: Final[dict[str, Attack]] = {
    **endless.ATTACKS,
    **hungry.ATTACKS,
    **liars.ATTACKS,
    **loud.ATTACKS,
    **answers.ATTACKS,
}
GRACE_MS: Final = 500

Made = Callable[[str], Aftermath]
every_attack = pytest.mark.parametrize("name", ATTACKS)


@pytest.fixture(scope="session")
def aftermath(world: World) -> Made:
    """What is known after the attack of a name; it is made the first time somebody asks."""
    known: dict[str, Aftermath] = {}

    def of(name: str) -> Aftermath:
        if name not in known:
            known[name] = made(world, ATTACKS[name])
        return known[name]

    return of


@every_attack
def test_it_gets_its_own_code(aftermath: Made, name: str) -> None:
    response = aftermath(name).response
    assert (response.error.code if response.error else None) == ATTACKS[name].code, response


@every_attack
def test_it_ends_in_time(aftermath: Made, name: str) -> None:
    found = aftermath(name)
    assert found.took_ms < found.limit_ms + GRACE_MS


@every_attack
def test_the_next_call_works(aftermath: Made, name: str) -> None:
    found = aftermath(name)
    assert (found.next_status, found.next_body) == (200, b"hello")


@every_attack
def test_no_process_descriptor_or_thread_is_left(aftermath: Made, name: str) -> None:
    found = aftermath(name)
    assert found.after == found.before
