"""The outcome of a call: one word for every status and error code."""

import pytest

from alga_ext.calls.outcomes import Outcome, outcome_of
from alga_ext.errors import CODES

OF_GUEST = {
    "guest_timeout": Outcome.TIMEOUT,
    "gateway_timeout": Outcome.TIMEOUT,
    "guest_out_of_memory": Outcome.OUT_OF_MEMORY,
    "guest_out_of_fuel": Outcome.OUT_OF_FUEL,
    "guest_trapped": Outcome.TRAPPED,
    "guest_invalid_response": Outcome.INVALID_RESPONSE,
    "response_too_large": Outcome.TOO_LARGE,
}


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_code_has_one_outcome_and_most_are_the_platforms(code: str) -> None:
    assert outcome_of(502, code) == OF_GUEST.get(code, Outcome.PLATFORM_ERROR)


def test_no_code_of_a_guest_is_missing_from_the_outcomes() -> None:
    assert {code for code in CODES if code.startswith("guest_")} <= set(OF_GUEST)


def test_a_code_of_a_newer_runner_is_an_error_of_the_platform() -> None:
    assert outcome_of(502, "not_known_here") == Outcome.PLATFORM_ERROR


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (302, "ok"), (404, "ok"), (499, "ok"), (500, "guest_error"), (599, "guest_error")],
)
def test_an_answer_of_the_guest_is_judged_by_its_status(status: int, outcome: str) -> None:
    assert outcome_of(status, None) == outcome


def test_the_error_code_goes_before_the_status() -> None:
    assert outcome_of(200, "guest_trapped") == Outcome.TRAPPED
