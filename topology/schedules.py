"""The schedules: which functions are invoked at regular intervals."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Schedule:
    """Invokes a function with an empty event every ``every_s`` seconds, the first time after one interval.

    A stage whose database pauses invokes it less often.

    Attributes:
        function: name of the function.
        every_s: the interval.
        retries: how often Lambda repeats a failed invocation.
    """

    function: str
    every_s: float
    retries: int = 2


SCHEDULES: Final = (
    Schedule("sweeper", 60),
    Schedule("ticker", 60, retries=0),  # a retry would only compete with the next tick
)
