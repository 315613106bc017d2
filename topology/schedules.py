"""The schedules: which functions are invoked at regular intervals."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Schedule:
    """Invokes a function with an empty event every ``every_s`` seconds, the first time after one interval."""

    function: str
    every_s: float


SCHEDULES: Final = (Schedule("sweeper", 60),)
