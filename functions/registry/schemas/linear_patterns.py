"""Run regular expressions of untrusted authors in linear time.

Python's own engine backtracks, so a pattern can keep it busy for years. pydantic includes Rust's engine, which has no
look-around and no back-references, and whose time is linear in the length of the text (see ``pattern_cost`` for the
factor).
"""

from functools import lru_cache
from typing import Annotated, Final

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from functions.registry.schemas import pattern_cost

POSITIONS_LIMIT: Final = 5_000
"""Positions of one pattern, with its repetitions written out."""


class PatternError(ValueError):
    """The engine cannot run the pattern, or it would be too slow."""


class Pattern:
    """A pattern that was compiled once.

    Attributes:
        positions: what it costs per byte of a text, see ``pattern_cost``.

    Raises:
        PatternError: the engine cannot run the pattern, or it has more than ``POSITIONS_LIMIT`` positions.
    """

    def __init__(self, source: str) -> None:
        try:
            # Counted first: a pattern over the limit is not even compiled.
            self.positions = pattern_cost.positions(source)
        except pattern_cost.UncountableError as error:
            raise PatternError(str(error)) from None
        if self.positions > POSITIONS_LIMIT:
            message = (
                f"{source[:100]!r} has {self.positions} positions with its repetitions written out; at most "
                f"{POSITIONS_LIMIT} are allowed"
            )
            raise PatternError(message)
        try:
            self._adapter: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(pattern=source)])
        except SchemaError:
            message = f"{source[:100]!r} cannot be run; look-around and back-references are not supported"
            raise PatternError(message) from None

    def found(self, text: str) -> bool:
        """Tell whether the pattern matches anywhere in ``text``."""
        try:
            self._adapter.validate_python(text)
        except ValidationError:
            return False
        return True

    def steps(self, text: str) -> int:
        """Return the most steps that a match in ``text`` takes: positions × bytes. About 10⁸ of them take a second."""
        return self.positions * (len(text.encode("utf-8", "replace")) + 1)


def found(source: str, text: str) -> bool:
    """Tell whether a pattern matches anywhere in ``text``; ``PatternError`` when it cannot be run."""
    return _kept(source).found(text)


@lru_cache(maxsize=256)
def _kept(source: str) -> Pattern:
    return Pattern(source)
