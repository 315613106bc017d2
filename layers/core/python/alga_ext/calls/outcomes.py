"""How a recorded call ended, as one word for lists, totals and metrics (pure)."""

from enum import StrEnum, auto
from typing import Final


class Outcome(StrEnum):
    """The column ``outcome`` of ``app.extension_execution_log``."""

    OK = auto()
    """The guest answered with a status below 500."""
    GUEST_ERROR = auto()
    """The guest answered with a status of 500 or above."""
    TIMEOUT = auto()
    OUT_OF_MEMORY = auto()
    OUT_OF_FUEL = auto()
    TRAPPED = auto()
    """The guest ended without an answer: an uncaught error, or a call of what it was not granted."""
    INVALID_RESPONSE = auto()
    TOO_LARGE = auto()
    """The guest's answer was larger than allowed."""
    PLATFORM_ERROR = auto()
    """The platform could not run the call, or could not use the runner's answer. The guest is not at fault."""
    UNKNOWN = auto()
    """The call was accepted, and no message about its end came within 15 minutes. One that comes later counts."""


_BY_CODE: Final = {
    "guest_timeout": Outcome.TIMEOUT,
    "gateway_timeout": Outcome.TIMEOUT,
    "guest_out_of_memory": Outcome.OUT_OF_MEMORY,
    "guest_out_of_fuel": Outcome.OUT_OF_FUEL,
    "guest_trapped": Outcome.TRAPPED,
    "guest_invalid_response": Outcome.INVALID_RESPONSE,
    "response_too_large": Outcome.TOO_LARGE,
}
"""The codes that are not ``PLATFORM_ERROR``."""


def outcome_of(status: int, error_code: str | None) -> Outcome:
    """Return the outcome of a finished call.

    Args:
        status: what the caller got.
        error_code: None when the guest answered. Every code has an outcome, also one that this release does not know.
    """
    if error_code is not None:
        return _BY_CODE.get(error_code, Outcome.PLATFORM_ERROR)
    return Outcome.GUEST_ERROR if status >= 500 else Outcome.OK
