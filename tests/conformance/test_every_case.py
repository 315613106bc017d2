"""Every case of every enum, every option absent and present, in every answer of the host: as the guest gets it.

The host answers what the test says (``scripted``), through a runner of its own in this process.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from functions.runner.sandbox.protocol.shapes import Enum, Result
from tests.conformance import scripted
from tests.conformance.conftest import EVERY_GUEST, Guests
from tests.conformance.guest import Guest, function_of
from tests.conformance.local import LocalRunner
from tests.conformance.scripted import SERVED, answering, samples
from tests.conformance.test_refusals import WITHOUT
from tests.conformance.values import Err

ARGUMENTS: Final[dict[str, tuple[Any, ...]]] = {name: WITHOUT[name][1] for name in SERVED}
LARGEST_U32: Final = {"quickjs": 2**31 - 1}
"""componentize-qjs reads larger numbers of a u32 in a result as negative (docs/reference/building.md)."""


@pytest.fixture(scope="module")
def scripted_guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    runner = LocalRunner(tmp_path_factory.mktemp("scripted"), scripted.providers())
    yield Guests(runner)
    runner.close()


@pytest.fixture(scope="module", params=EVERY_GUEST)
def guest(request: pytest.FixtureRequest, scripted_guests: Guests) -> Guest:
    return scripted_guests[request.param]


@pytest.mark.parametrize("function", SERVED)
def test_the_guest_gets_what_the_host_answered(guest: Guest, function: str) -> None:
    result = function_of(function).result
    for outcome in samples(result, LARGEST_U32.get(guest.name, 2**32 - 1)):
        got = guest.call(function, *ARGUMENTS[function], config=answering(result, outcome))
        assert got == outcome


@pytest.mark.parametrize("function", SERVED)
def test_the_guest_gets_each_error_by_its_name(guest: Guest, function: str) -> None:
    result = function_of(function).result
    cases = result.err.cases if isinstance(result, Result) and isinstance(result.err, Enum) else ()
    for case in cases:
        got = guest.call(function, *ARGUMENTS[function], config=answering(result, Err(case)))
        assert got == Err(case)


@pytest.mark.parametrize("case", EVERY_GUEST)
def test_a_host_that_answers_out_of_type_ends_the_guest_and_not_the_runner(scripted_guests: Guests, case: str) -> None:
    guest = scripted_guests[case]
    for wrong in ([True], [False, "no-such-case"], None, [True, 5], [True, ["ns", "k"]]):
        config = answering(None, wrong)
        response = guest.ask("storage.get", "ns", "k", config=config)
        assert response.error is not None
        assert response.error.code == "guest_trapped"
    assert guest.count() == 1
