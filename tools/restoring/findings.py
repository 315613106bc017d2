"""What a check after a restore finds."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that is missing or does not agree: what it is about, what is wrong, and what to do."""

    subject: str
    problem: str
    remedy: str
