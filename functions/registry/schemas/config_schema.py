"""Check the JSON Schema of an install's configuration, and check configurations against it.

A publisher writes the schema, and the registry applies it to what a tenant sends. A schema can do harm: it can fetch a
URL, read a file, refer to itself without end, double its work at each reference, or match a text for hours. So only a
part of JSON Schema 2020-12 is accepted, whose cost is bounded by its size. References must be ``#/$defs/NAME`` without
cycles, patterns must run in a linear-time engine, and no keyword may need another resource or another engine.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry

from alga_ext.errors import PlatformError
from functions.registry.schemas import linear_patterns
from functions.registry.schemas.linear_patterns import PatternError

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
NODES_LIMIT: Final = 1_000
"""Largest number of schemas after all references are expanded: a schema counts once for each reference to it."""

_OBJECTS_LIMIT: Final = 2_000

_PATTERN_LIMIT_CHARS: Final = 500
_DEPTH_LIMIT: Final = 128
_REFUSED: Final = (
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$vocabulary",
    "patternProperties",
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
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
)
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "dependentSchemas")


def check_schema(schema: Mapping[str, Any]) -> None:
    """Check that a manifest's ``config`` is a schema that can be applied safely.

    Raises:
        PlatformError: ``manifest_invalid``; its detail names the part that is not allowed.
    """
    if (objects := _objects(schema)) > _OBJECTS_LIMIT:  # checking one object takes a millisecond
        raise _refused(f"it has {objects} objects; at most {_OBJECTS_LIMIT} are allowed")
    try:
        no_formats = jsonschema.FormatChecker(formats=())
        jsonschema.Draft202012Validator.check_schema(schema, format_checker=no_formats)
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the schema"
        raise _refused(f"{where[:200]}: {error.message[:200]}") from None
    counter = _Counter(schema)
    count = counter.nodes(schema, ())
    for name in _DEFINITIONS:
        for definition in schema.get(name, {}).values():
            counter.nodes(definition, ())  # definitions without a reference are checked too
    if count > NODES_LIMIT:
        raise _refused(f"with its references expanded it has {count} schemas; at most {NODES_LIMIT} are allowed")


def first_fault(schema: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Return the most relevant fault of a configuration, with its place and reason, or None.

    Args:
        schema: a schema that ``check_schema`` accepts.
        config: the configuration that a tenant's admin sent.
    """
    fault = best_match(_Validator(schema, registry=Registry()).iter_errors(config))
    if fault is None:
        return None
    where = "/".join(str(part) for part in fault.absolute_path) or "config"
    return f"at {where[:200]}: {fault.message[:300]}"


class _Counter:
    """Walks a schema along its references, checks its keywords, and counts its schemas with references expanded."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[str, int] = {}

    def nodes(self, schema: Any, path: tuple[str, ...]) -> int:
        """Return the number of schemas. ``path`` has the references that led to this one."""
        if isinstance(schema, bool):
            return 1
        if len(path) > _DEPTH_LIMIT:
            raise _refused(f"its references are nested more than {_DEPTH_LIMIT} levels deep")
        _check_keywords(schema)
        count = 1 + sum(self.nodes(part, path) for part in _parts(schema))
        if "$ref" in schema:
            count += self._referred(schema["$ref"], path)
        return count

    def _referred(self, reference: str, path: tuple[str, ...]) -> int:
        if reference in path:
            raise _refused(f"{reference[:100]!r} refers to itself")
        if reference not in self._known:
            self._known[reference] = self.nodes(self._target(reference), (*path, reference))
        return self._known[reference]

    def _target(self, reference: str) -> Any:
        start, _, name = reference.rpartition("/")
        member = start.removeprefix("#/")
        if start != f"#/{member}" or member not in _DEFINITIONS or any(mark in name for mark in "~%"):
            raise _refused(f"{reference[:100]!r} is not a reference of the form '#/$defs/name'")
        if name not in self._root.get(member, {}):
            raise _refused(f"{reference[:100]!r} refers to a definition that does not exist")
        return self._root[member][name]


def _objects(document: Any) -> int:
    count, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            count += 1
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return count


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
    pattern = schema.get("pattern", "")
    if len(pattern) > _PATTERN_LIMIT_CHARS:
        raise _refused(f"a pattern has {len(pattern)} characters; at most {_PATTERN_LIMIT_CHARS} are allowed")
    try:
        linear_patterns.check(pattern)
    except PatternError as error:
        raise _refused(f"the pattern {error}") from None


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(instance, "string") and not linear_patterns.found(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(validator: Any, wanted: bool, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    """Check ``uniqueItems`` in one pass over the items; the library compares every item with every other item."""
    if wanted and validator.is_type(instance, "array") and len({_identity(item) for item in instance}) < len(instance):
        yield jsonschema.ValidationError(f"{instance!r} has non-unique elements")


def _identity(value: Any) -> Any:
    """Return a value that is equal for equal JSON values only (JSON Schema core §4.2.2).

    1 and 1.0 are equal; 1 and true are not.
    """
    if isinstance(value, Mapping):
        return ("object", frozenset((name, _identity(member)) for name, member in value.items()))
    if isinstance(value, list):
        return ("array", tuple(_identity(item) for item in value))
    return (isinstance(value, bool), value)


_Validator: Final = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"pattern": _pattern, "uniqueItems": _unique_items}
)


def _refused(why: str) -> PlatformError:
    return PlatformError("manifest_invalid", f"manifest.json: config: {why}.")
