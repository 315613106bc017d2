"""Say what is wrong with a manifest in words, without regular expressions or names of Python types (pure)."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel

from alga_ext.bundles.manifest_patterns import RULES

_TYPES: Final = {
    "missing": "is missing",
    "tuple_type": "must be a list",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}
"""The words for pydantic's kinds of errors that speak of Python types."""
_NEAR: Final = 0.7
"""How alike two names are, from 0 to 1, if one is suggested for the other."""


def explain(fault: Any, model: type[BaseModel]) -> str:
    """Return an error of pydantic with its place, in words for the author of the manifest.

    Args:
        fault: one of ``ValidationError.errors()``.
        model: the model of the whole manifest.
    """
    where = ".".join(str(part) for part in fault["loc"])[:200]
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        known = {name: name for name in _members_at(fault["loc"][:-1], model)}
        hint = suggestion(str(fault["loc"][-1]), known)
        return f"{where}: unknown member; {hint}"
    if kind == "string_pattern_mismatch":
        message = RULES.get(context["pattern"], "must begin with '/'")
    elif kind in ("less_than_equal", "greater_than_equal"):
        bound = f"at most {context['le']}" if "le" in context else f"at least {context['ge']}"
        message = f"must be {bound}; this is {str(fault['input'])[:40]}"
    else:
        message = _TYPES.get(kind) or str(fault["msg"]).removeprefix("Value error, ")[:300]
    return f"{where}: {message}" if where else message


def suggestion(given: str, known: Mapping[str, str]) -> str:
    """Return the name that was probably meant, or all that are known.

    Args:
        given: the name that was written.
        known: what ``given`` is compared with → the name to write.
    """
    near = difflib.get_close_matches(given, known, n=1, cutoff=_NEAR)
    return f"did you mean {known[near[0]]!r}?" if near else f"known are {', '.join(sorted(known.values()))}"


def _members_at(place: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    """Return the names that the object at a place of the manifest may have."""
    for part in place:
        field = model.model_fields.get(str(part))
        if field is not None:  # else an index of a list, or a name that the author chose
            model = next(iter(_models_in(field.annotation)), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
