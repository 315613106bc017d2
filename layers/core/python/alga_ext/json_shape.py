"""Convert a JSON document to a struct (pure), and say where it does not fit without quoting its values.

msgspec's own messages quote a value that is not in an enumeration. A document may contain a key or a secret that was
put there by mistake, so these messages do not.
"""

import re
from typing import Any, Final, TypeVar

import msgspec

_PLACE: Final = re.compile(r"(.*) - at `\$((?:\.\w+|\[\d+\])+)`", re.DOTALL)
_MEMBER: Final = re.compile(r"Object (?:contains unknown|missing required) field `(.*)`", re.DOTALL)
_NAME_LIMIT_CHARS: Final = 100

Shape = TypeVar("Shape", bound=msgspec.Struct)


class ShapeError(ValueError):
    """The document does not fit.

    Attributes:
        where: names and indexes from the top, such as ``keys.0.use``; empty for the document itself.
        why: what is wrong there; it contains no value.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"at {where or 'document'}: {why}")
        self.where = where
        self.why = why


def convert(document: Any, kind: type[Shape]) -> Shape:
    """Return the struct that a parsed JSON document stands for. Only its first fault is reported.

    Raises:
        ShapeError: it does not fit.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    except UnicodeEncodeError:
        why = "a text in it has half a surrogate pair, which is not a character"
        raise ShapeError("", why) from None


def _explained(message: str) -> ShapeError:
    found = _PLACE.fullmatch(message)
    what, path = (found[1], found[2]) if found else (message, "")
    where = path.replace("[", ".").replace("]", "").lstrip(".")
    if member := _MEMBER.fullmatch(what):
        name = repr(member[1][:_NAME_LIMIT_CHARS])
        return ShapeError(where, f"it has no member {name}" if "missing" in what else f"its member {name} is unknown")
    if what.startswith("Invalid enum value"):
        return ShapeError(where, "it is not one of the allowed values")
    if "matching regex" in what:
        return ShapeError(where, "it does not have the right form")
    return ShapeError(where, what[:1].lower() + what[1:])
