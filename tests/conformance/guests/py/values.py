"""Values of the guest contract as JSON, as README.md beside this folder describes them."""

import base64
import dataclasses
import types
import typing
from enum import Enum
from typing import Any


def to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Enum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name.replace("_", "-"): to_json(getattr(value, name)) for name in names}
    return value


def from_json(value: Any, wanted: Any) -> Any:
    """Turn JSON into a value of the annotated type that the bindings declare."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if value is None:
        return None
    if origin in (typing.Union, types.UnionType):
        options = [option for option in inner if option is not type(None)]
        return from_json(value, options[0]) if len(options) == 1 else _case(value, options)
    if origin is list:
        return [from_json(item, inner[0]) for item in value]
    if origin is tuple:
        return tuple(from_json(item, part) for item, part in zip(value, inner, strict=True))
    if isinstance(value, dict) and "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if isinstance(value, dict) and "$u64" in value:
        return int(value["$u64"])
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return wanted[value.upper().replace("-", "_")]
    if dataclasses.is_dataclass(wanted):
        hints = typing.get_type_hints(wanted)
        return wanted(**{name: from_json(value.get(name.replace("_", "-")), hint) for name, hint in hints.items()})
    return wanted(value)


def _case(value: dict[str, Any], options: list[Any]) -> Any:
    """Build the case ``{"tag": …, "val": …}`` of a variant, whose bindings are classes ``Variant_Case``."""
    for option in options:
        if option.__name__.rpartition("_")[2].lower() == value["tag"].replace("-", ""):
            hints = typing.get_type_hints(option)
            return option(*[from_json(value["val"], hint) for hint in hints.values()])
    message = f"no case {value['tag']}"
    raise ValueError(message)
