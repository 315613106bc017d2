"""Run regular expressions of untrusted authors in linear time.

Python's own engine backtracks, so a pattern can keep it busy for years. pydantic includes Rust's engine, which has no
look-around and no back-references, and whose time is linear in the length of the text.
"""

from functools import lru_cache
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError


class PatternError(ValueError):
    """The engine cannot run the pattern."""


def check(pattern: str) -> None:
    """Check that the engine can run ``pattern``, or raise ``PatternError``."""
    _compiled(pattern)


def found(pattern: str, text: str) -> bool:
    """Tell whether ``pattern`` matches anywhere in ``text``; ``PatternError`` when it cannot be run."""
    compiled = _compiled(pattern)
    try:
        compiled.validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> TypeAdapter[str]:
    try:
        return TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        message = f"{pattern[:100]!r} cannot be run; look-around and back-references are not supported"
        raise PatternError(message) from None
