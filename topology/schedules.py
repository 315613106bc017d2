"""The schedules: which functions are invoked at a steady pace."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Schedule:
    """A function is invoked with an empty event every ``every_s`` seconds, the first time after one such pause."""

    function: str
    every_s: float


SCHEDULES: Final = (Schedule("sweeper", 60),)
