"""Fuzz configuration schemas: whatever passes judges any configuration, in bounded time."""

import json
import sys

import atheris

with atheris.instrument_imports(include=["functions.registry"]):
    from functions.registry.schemas.config_schema import check_schema, first_fault

from alga_ext import strict_json
from alga_ext.strict_json import JsonError
from tests.fuzz.harness import fuzz, refused_or_read


def one_input(data: bytes) -> None:
    try:
        document = strict_json.parse(data)
    except JsonError:
        return
    if (
        isinstance(document, dict)
        and isinstance(document.get("schema"), dict)
        and isinstance(document.get("config"), dict)
    ):
        refused_or_read(lambda: check(document["schema"], document["config"]))


def check(schema: dict[str, object], config: dict[str, object]) -> None:
    check_schema(schema)
    first_fault(schema, config)


def seeds() -> list[bytes]:
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "string", "pattern": "^(a+)+$", "maxLength": 5},
            "b": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True}]},
            "c": {"if": {"type": "integer"}, "then": {"multipleOf": 2}, "else": {"not": {"const": "x"}}},
        },
        "additionalProperties": False,
        "$defs": {"n": {"type": ["number", "null"], "exclusiveMinimum": 0}},
    }
    return [json.dumps({"schema": schema, "config": {"a": "aab", "b": [1, 1], "c": 3}}).encode()]


if __name__ == "__main__":
    words = [
        "$ref",
        "$schema",
        "https://json-schema.org/draft/2020-12/schema",
        "$defs",
        "#/$defs/n",
        "properties",
        "items",
        "anyOf",
        "allOf",
        "oneOf",
        "not",
        "pattern",
        "enum",
        "const",
        "prefixItems",
        "contains",
        "minContains",
        "dependentSchemas",
        "unevaluatedProperties",
        "propertyNames",
        "format",
        "multipleOf",
        "uniqueItems",
        "required",
        "dependentRequired",
        "minProperties",
        "type",
        "definitions",
    ]
    fuzz("config_schema", one_input, seeds(), sys.argv[1:], words)
