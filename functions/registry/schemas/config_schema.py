"""Check the JSON Schema of an install's configuration, and check configurations against it.

A publisher writes the schema, and the registry applies it to what a tenant sends. A schema can do harm: it can fetch a
URL, read a file, refer to itself without end, double its work at each reference, or match a text for hours. So only a
part of JSON Schema 2020-12 is accepted, whose cost is bounded by its size. References must be ``#/$defs/NAME`` without
cycles, patterns must run in a linear-time engine, and no keyword may need another resource or another engine. Both
checks count their steps and stop at a limit.

The registry calls this in its evaluation worker, never in the process that answers requests (ADR 0017).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from jsonschema.exceptions import best_match
from jsonschema_specifications import REGISTRY as META_SCHEMAS
from referencing import Registry

from alga_ext.calls.install_config import DEFAULTS_LIMIT_BYTES, json_bytes, with_defaults
from alga_ext.errors import PlatformError
from functions.registry.schemas.linear_patterns import Pattern, PatternError
from functions.registry.schemas.metering import TooCostlyError, Validator, metered

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
NODES_LIMIT: Final = 1_000
"""Largest number of schemas after all references are expanded: a schema counts once for each reference to it."""

TOTAL_POSITIONS_LIMIT: Final = 20_000
"""Largest sum of the positions of all patterns, with references expanded (``pattern_cost``)."""

SCHEMA_STEPS_LIMIT: Final = 300_000
"""Steps of checking a schema against the dialect's own schema."""

CONFIG_STEPS_LIMIT: Final = 200_000
"""Steps of checking a configuration."""

_OBJECTS_LIMIT: Final = 2_000
_LEVELS_LIMIT: Final = 64
"""Levels of objects and lists in the schema as it is written."""
_PATTERN_LIMIT_CHARS: Final = 500
_DEPTH_LIMIT: Final = 64
"""Levels of schemas with references expanded."""
_REFUSED: Final = (
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$vocabulary",
    "patternProperties",
    # Each nested one validates all that is below it again, so their cost doubles with each level.
    "unevaluatedItems",
    "unevaluatedProperties",
)
_DEFINITIONS: Final = ("$defs", "definitions")
_ONE: Final = (
    "additionalProperties",
    "items",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "contentSchema",
)
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "dependentSchemas")


def check_schema(schema: Mapping[str, Any]) -> None:
    """Check that a manifest's ``config`` is a schema that can be applied safely.

    Raises:
        PlatformError: ``manifest_invalid``; its detail names the part that is not allowed.
    """
    objects, levels = _size(schema)
    if objects > _OBJECTS_LIMIT:
        raise _refused(f"it has {objects} objects; at most {_OBJECTS_LIMIT} are allowed")
    if levels > _LEVELS_LIMIT:
        raise _refused(f"it is nested {levels} levels deep; at most {_LEVELS_LIMIT} are allowed")
    try:
        with metered(SCHEMA_STEPS_LIMIT):
            fault = best_match(Validator(Validator.META_SCHEMA, registry=META_SCHEMAS).iter_errors(schema))
    except TooCostlyError as error:
        raise _refused(f"{error}; make it simpler") from None
    if fault is not None:
        where = "/".join(str(part) for part in fault.absolute_path)
        raise _refused(f"{where[:200]}: {fault.message[:200]}")
    counter = _Counter(schema)
    cost = counter.cost(schema, ())
    for name in _DEFINITIONS:
        for definition in schema.get(name, {}).values():
            counter.cost(definition, ())  # definitions without a reference are checked too
    if cost.schemas > NODES_LIMIT:
        raise _refused(f"with its references expanded it has {cost.schemas} schemas; at most {NODES_LIMIT} are allowed")
    if cost.positions > TOTAL_POSITIONS_LIMIT:
        raise _refused(
            f"with references and repetitions expanded its patterns have {cost.positions} positions; at most "
            f"{TOTAL_POSITIONS_LIMIT} are allowed"
        )
    if cost.default_bytes > DEFAULTS_LIMIT_BYTES:
        raise _refused(
            f"with its references expanded its defaults have {cost.default_bytes} bytes as JSON; at most "
            f"{DEFAULTS_LIMIT_BYTES} are allowed"
        )
    _check_defaults(schema)


def first_fault(schema: Mapping[str, Any], document: Any, name: str = "config") -> str | None:
    """Return the most relevant fault of a configuration or of an event's data, with its place and reason, or None.

    A document that takes more than ``CONFIG_STEPS_LIMIT`` steps to check is at fault too.

    Args:
        schema: a schema that ``check_schema`` accepts.
        document: the configuration that a tenant's admin sent, or the data of an event.
        name: what the document as a whole is called.
    """
    try:
        with metered(CONFIG_STEPS_LIMIT):
            fault = best_match(Validator(schema, registry=Registry()).iter_errors(document))
    except TooCostlyError as error:
        return f"at {name}: {error}; shorten it"
    except PatternError as error:  # the version was published before patterns were bounded
        return f"at {name}: the extension's schema has a pattern that is no longer supported: {error}"
    if fault is None:
        return None
    where = "/".join(str(part) for part in fault.absolute_path) or name
    return f"at {where[:200]}: {fault.message[:300]}"


def _check_defaults(schema: Mapping[str, Any]) -> None:
    """Check that a configuration in which nothing is set can be filled in: items of a default have defaults too."""
    try:
        with_defaults(schema, {})
    except PlatformError as error:
        raise _refused(f"its defaults multiply. {error.detail.removesuffix('.')}") from None


class _Cost(NamedTuple):
    """How many schemas a schema consists of, the positions of their patterns, their depth, and the size of defaults."""

    schemas: int
    positions: int
    depth: int
    default_bytes: int = 0

    def around(self, part: "_Cost") -> "_Cost":
        """Return the cost of this schema with one more part below it."""
        return _Cost(
            self.schemas + part.schemas,
            self.positions + part.positions,
            max(self.depth, part.depth + 1),
            self.default_bytes + part.default_bytes,
        )


class _Counter:
    """Walks a schema along its references, checks its keywords, and adds up its cost with references expanded."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[str, _Cost] = {}
        self._patterns: dict[str, int] = {}

    def cost(self, schema: Any, path: tuple[str, ...]) -> _Cost:
        """Return the cost of a schema. ``path`` has the references that led to this one."""
        if isinstance(schema, bool):
            return _Cost(1, 0, 1)
        _check_keywords(schema)
        default_bytes = json_bytes(schema["default"]) if "default" in schema else 0
        found = _Cost(1, self._positions(schema.get("pattern", "")), 1, default_bytes)
        for part in _parts(schema):
            found = found.around(self.cost(part, path))
        if "$ref" in schema:
            found = found.around(self._referred(schema["$ref"], path))
        if found.depth > _DEPTH_LIMIT:
            raise _refused(f"with its references expanded it is nested more than {_DEPTH_LIMIT} levels deep")
        return found

    def _positions(self, pattern: str) -> int:
        if len(pattern) > _PATTERN_LIMIT_CHARS:
            raise _refused(f"a pattern has {len(pattern)} characters; at most {_PATTERN_LIMIT_CHARS} are allowed")
        if pattern not in self._patterns:
            try:
                self._patterns[pattern] = Pattern(pattern).positions
            except PatternError as error:
                raise _refused(f"the pattern {error}") from None
            if (compiled := sum(self._patterns.values())) > TOTAL_POSITIONS_LIMIT:
                raise _refused(
                    f"with repetitions expanded its patterns have at least {compiled} positions; at most "
                    f"{TOTAL_POSITIONS_LIMIT} are allowed"
                )
        return self._patterns[pattern]

    def _referred(self, reference: str, path: tuple[str, ...]) -> _Cost:
        if reference in path:
            raise _refused(f"{reference[:100]!r} refers to itself")
        if len(path) >= _DEPTH_LIMIT:
            raise _refused(f"its references are nested more than {_DEPTH_LIMIT} levels deep")
        if reference not in self._known:
            self._known[reference] = self.cost(self._target(reference), (*path, reference))
        return self._known[reference]

    def _target(self, reference: str) -> Any:
        start, _, name = reference.rpartition("/")
        member = start.removeprefix("#/")
        if start != f"#/{member}" or member not in _DEFINITIONS or any(mark in name for mark in "~%"):
            raise _refused(f"{reference[:100]!r} is not a reference of the form '#/$defs/name'")
        if name not in self._root.get(member, {}):
            raise _refused(f"{reference[:100]!r} refers to a definition that does not exist")
        return self._root[member][name]


def _size(document: Any) -> tuple[int, int]:
    """Return the number of objects in a document, and how many levels deep its objects and lists are nested."""
    objects, levels, level = 0, 0, [document]
    while level := [value for value in level if isinstance(value, Mapping | list)]:
        levels += 1
        objects += sum(isinstance(value, Mapping) for value in level)
        level = [part for value in level for part in (value.values() if isinstance(value, Mapping) else value)]
    return objects, levels


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from (schema[name] for name in _ONE if name in schema)
    for name in _LISTS:
        yield from schema.get(name, ())
    for name in _MAPS:
        yield from schema.get(name, {}).values()


def _check_keywords(schema: Mapping[str, Any]) -> None:
    for name in _REFUSED:
        if name in schema:
            raise _refused(f"the keyword {name!r} is not allowed")
    if schema.get("$schema", DIALECT) != DIALECT:
        raise _refused(f"its $schema must be {DIALECT}")


def _refused(why: str) -> PlatformError:
    return PlatformError("manifest_invalid", f"manifest.json: config: {why}.")
