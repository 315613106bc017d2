"""Every attack is made once; what is known of it afterwards must all hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from functions.runner.sandbox.child import local_imports
from tests.security.attacks import Aftermath, Attack, made
from tests.security.guests import answers, callers, egress_attacks, endless, hungry, liars, loud, strangers, thieves
from tests.security.world import World
from tests.support.runner_fixture import body_of

TABLES: Final = (endless, hungry, liars, loud, answers, strangers, thieves, egress_attacks, callers)
ATTACKS: Final[dict[str, Attack]] = {name: attack for table in TABLES for name, attack in table.ATTACKS.items()}
GRACE_MS: Final = 10_000
"""What starting a sandbox before and after the call may take on a busy machine. Most attacks would go on for longer."""
MARKS: Final = (
    "/usr/",
    "/tmp",
    "/home/",
    f"{Path.home()}/",
    "/proc/",
    "site-packages",
    ".py",
    "Traceback",
    "functions.runner",
    ".cwasm",
)
"""What only somebody who sees this machine or our code could say."""
FAULTS: Final = ("unexpected failure", "Something went wrong on our side.")
LINES_LIMIT: Final = local_imports.LOG_LINES_LIMIT + 1
LINE_LIMIT: Final = local_imports.LOG_LINE_LIMIT_BYTES + len(local_imports.TRUNCATED.encode())

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


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.code is None])
def test_it_hears_what_the_contract_says(aftermath: Made, name: str) -> None:
    response = aftermath(name).response
    assert response.status == ATTACKS[name].status, response


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.body is not None])
def test_it_finds_nothing_but_its_own(aftermath: Made, name: str) -> None:
    assert body_of(aftermath(name).response) == ATTACKS[name].body


@every_attack
def test_no_server_hears_of_it_that_was_not_granted(aftermath: Made, name: str) -> None:
    assert aftermath(name).strangers == 0


@every_attack
def test_its_answer_and_its_log_hold_nothing_private(world: World, aftermath: Made, name: str) -> None:
    found = aftermath(name)
    told = "\n".join([found.answer, found.printed, *found.lines, *found.log.lines])
    assert [what for what, value in world.private.items() if value in told] == []


@every_attack
def test_no_server_hears_anything_private(world: World, aftermath: Made, name: str) -> None:
    heard = b"\n".join(aftermath(name).heard)
    assert [what for what, value in world.private.items() if value.encode() in heard] == []


@every_attack
def test_its_answer_and_its_own_log_show_nothing_of_the_machine(world: World, aftermath: Made, name: str) -> None:
    found = aftermath(name)
    told = "\n".join([found.answer, *found.lines])
    assert [mark for mark in (*MARKS, str(world.folder)) if mark in told] == []


@every_attack
def test_the_platform_has_no_fault_of_its_own_to_log(aftermath: Made, name: str) -> None:
    messages = [line["message"] for line in aftermath(name).log.documents()]
    assert [message for message in messages if message in FAULTS] == []


@every_attack
def test_its_log_is_bounded(aftermath: Made, name: str) -> None:
    found = aftermath(name)
    assert (
        len(found.lines) <= LINES_LIMIT,
        max((len(line.encode()) for line in found.lines), default=0) <= LINE_LIMIT,
        len(found.log.lines) <= 5,
    ) == (True, True, True)


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
