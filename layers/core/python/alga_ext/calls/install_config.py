"""The configuration of an install as its guest reads it: with the schema's defaults, as texts (pure).

Only what the tenant's admin set is stored. Defaults come from the schema of the version that the install runs, whenever
the gateway loads the install. They are filled in and not evaluated: the only keywords read are ``properties``,
``default`` and ``$ref``, and the defaults that are copied have a limit of bytes. So the schema's publisher cannot make
this slow.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from alga_ext.calls.envelope import CONFIG_LIMIT_BYTES

PROPERTIES_LIMIT: Final = 1_000
"""How many properties are looked at. The registry accepts no schema with more."""
DEFAULTS_LIMIT_BYTES: Final = CONFIG_LIMIT_BYTES
"""How many bytes of defaults, as JSON, are filled in. The registry accepts no schema with more.

A default behind a reference is copied for each property that refers to it, so a small schema could have gigabytes.
"""
_REFERENCES_LIMIT: Final = 128


def with_defaults(schema: Mapping[str, Any] | None, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the default of each property that is absent.

    Defaults inside an object are filled in if the object is set, or has a default itself. A default that is reached by
    ``allOf``, ``if`` or items of a list is not filled in.

    Args:
        schema: a schema that the registry accepted; None when the version has none.
        config: what the admin set. It is not changed.
    """
    filled = copy.deepcopy(dict(config))
    if schema is not None:
        _Filler(schema).fill(schema, filled)
    return filled


def as_texts(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the values as the guest reads them: text unchanged, any other value as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        for name, value in config.items()
    }


def json_bytes(value: Any) -> int:
    """Return the size of a value as compact JSON in UTF-8."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


class _Filler:
    """Fills in the defaults of one schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = PROPERTIES_LIMIT
        self._left_bytes = DEFAULTS_LIMIT_BYTES
        self._sizes: dict[int, int] = {}
        """The size of each default by its ``id``: each is measured once, however often it is referred to."""

    def fill(self, schema: Any, config: dict[str, Any]) -> None:
        for part in self._parts(schema):
            for name, of_property in part.get("properties", {}).items():
                if self._left == 0:
                    return
                self._left -= 1
                if name not in config:
                    found = [found["default"] for found in self._parts(of_property) if "default" in found]
                    if not found:
                        continue
                    self._left_bytes -= self._size(found[0])
                    if self._left_bytes < 0:
                        return
                    config[name] = copy.deepcopy(found[0])
                if isinstance(config[name], dict):
                    self.fill(of_property, config[name])

    def _size(self, default: Any) -> int:
        if id(default) not in self._sizes:
            self._sizes[id(default)] = json_bytes(default)
        return self._sizes[id(default)]

    def _parts(self, schema: Any) -> Iterator[Mapping[str, Any]]:
        """Yield a schema and those that its ``$ref`` leads to. ``true`` and ``false`` are schemas without keywords."""
        for _ in range(_REFERENCES_LIMIT):
            if not isinstance(schema, Mapping):
                return
            yield schema
            member, _, name = str(schema.get("$ref", "")).removeprefix("#/").partition("/")
            schema = self._root.get(member, {}).get(name) if name else None
