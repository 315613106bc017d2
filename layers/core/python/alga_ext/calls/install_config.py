"""The configuration of an install as its guest reads it: with the schema's defaults, as texts (pure).

Only what the tenant's admin set is stored. Defaults come from the schema of the version that the install runs, whenever
the gateway loads the install. They are filled in and not evaluated: only keywords that apply to every value are
followed, never conditions. The steps and the bytes that are copied have limits, because a list in the configuration can
multiply a default. So neither a schema's publisher nor a tenant can make this slow.
"""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from alga_ext.calls.envelope import CONFIG_LIMIT_BYTES
from alga_ext.errors import PlatformError

DEFAULTS_LIMIT_BYTES: Final = CONFIG_LIMIT_BYTES
"""How many bytes of defaults, as JSON, are filled in. A configuration with more is too large in any case."""
DEFAULTS_STEPS_LIMIT: Final = 50_000
"""How many schemas and properties are looked at while defaults are filled in."""


def with_defaults(schema: Mapping[str, Any] | None, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the default of each property that is absent.

    The properties of an object or list are filled in if it is set, or has a default itself. Schemas are followed
    through ``$ref``, ``allOf``, ``properties``, ``additionalProperties``, ``items`` and ``prefixItems``. Of two
    defaults of one property the first counts: a schema's own comes before those behind its ``$ref``, and these before
    those in its ``allOf``. A default under ``anyOf``, ``oneOf``, ``if`` or ``dependentSchemas`` is not filled in.

    Args:
        schema: a schema that the registry accepted; None when the version has none.
        config: what the admin set. It is not changed.

    Raises:
        PlatformError: ``config_invalid`` when there are more defaults than the limits allow.
    """
    filled = copy.deepcopy(dict(config))
    if schema is not None:
        _Filler(schema).fill(filled)
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
        self._left_steps = DEFAULTS_STEPS_LIMIT
        self._left_bytes = DEFAULTS_LIMIT_BYTES
        self._sizes: dict[int, int] = {}
        """The size of each default by its ``id``: each is measured once, however often it is used."""
        self._waiting: list[tuple[list[Any], Any]] = []
        """Objects and lists that are not filled in yet, each with the schemas that apply to it."""

    def fill(self, config: dict[str, Any]) -> None:
        self._wait([self._root], config)
        while self._waiting:
            schemas, value = self._waiting.pop()
            parts = self._parts(schemas)
            if isinstance(value, dict):
                self._fill_object(parts, value)
            else:
                self._fill_list(parts, value)

    def _fill_object(self, parts: list[Mapping[str, Any]], value: dict[str, Any]) -> None:
        for part in parts:
            for name in part.get("properties", {}):
                self._step()
                if name not in value:
                    self._set_default(parts, value, name)
        for name, inner in value.items():
            if isinstance(inner, dict | list):
                self._wait((_of_property(part, name) for part in parts), inner)

    def _fill_list(self, parts: list[Mapping[str, Any]], value: list[Any]) -> None:
        for index, inner in enumerate(value):
            if isinstance(inner, dict | list):
                self._wait((_of_item(part, index) for part in parts), inner)

    def _wait(self, schemas: Iterable[Any], value: Any) -> None:
        found = []
        for schema in schemas:
            self._step()
            if isinstance(schema, Mapping):  # true and false have no keywords
                found.append(schema)
        if found:
            self._waiting.append((found, value))

    def _set_default(self, parts: list[Mapping[str, Any]], value: dict[str, Any], name: str) -> None:
        for schema in self._parts(self._of_name(parts, name)):
            if "default" in schema:
                self._take_bytes(schema["default"])
                value[name] = copy.deepcopy(schema["default"])
                return

    def _of_name(self, parts: list[Mapping[str, Any]], name: str) -> list[Any]:
        found = []
        for part in parts:
            self._step()
            if name in part.get("properties", {}):
                found.append(part["properties"][name])
        return found

    def _parts(self, schemas: Iterable[Any]) -> list[Mapping[str, Any]]:
        """Return schemas and those that apply with them through ``$ref`` and ``allOf``, each once."""
        found: dict[int, Mapping[str, Any]] = {}
        waiting = [*schemas][::-1]
        while waiting:
            schema = waiting.pop()
            self._step()
            if not isinstance(schema, Mapping) or id(schema) in found:
                continue
            found[id(schema)] = schema
            waiting.extend(reversed(schema.get("allOf", ())))
            if "$ref" in schema:
                waiting.append(self._target(schema["$ref"]))
        return list(found.values())

    def _target(self, reference: str) -> Any:
        member, _, name = reference.removeprefix("#/").partition("/")
        return self._root.get(member, {}).get(name) if name else None

    def _step(self) -> None:
        self._left_steps -= 1
        if self._left_steps < 0:
            raise _refused(f"filling in the schema's defaults takes more than {DEFAULTS_STEPS_LIMIT} steps")

    def _take_bytes(self, default: Any) -> None:
        if id(default) not in self._sizes:
            self._sizes[id(default)] = json_bytes(default)
        self._left_bytes -= self._sizes[id(default)]
        if self._left_bytes < 0:
            raise _refused(f"the schema's defaults for it have more than {DEFAULTS_LIMIT_BYTES} bytes as JSON")


def _of_property(schema: Mapping[str, Any], name: str) -> Any:
    properties = schema.get("properties", {})
    return properties[name] if name in properties else schema.get("additionalProperties")


def _of_item(schema: Mapping[str, Any], index: int) -> Any:
    first = schema.get("prefixItems", ())
    return first[index] if index < len(first) else schema.get("items")


def _refused(why: str) -> PlatformError:
    return PlatformError("config_invalid", f"The configuration cannot be used: {why}; shorten its lists and objects.")
