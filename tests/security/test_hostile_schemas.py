"""Schemas, configurations and patterns made to cost as much as they can: keywords × nesting × repetition.

Whatever is accepted at publish judges any configuration within a fixed number of steps. Steps are counted, so the tests
do not depend on the machine's speed.
"""

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls.envelope import CONFIG_LIMIT_BYTES
from functions.registry.schemas import config_schema, metering
from functions.registry.schemas.config_schema import check_schema, first_fault
from functions.registry.schemas.metering import Meter
from tests.support.refusals import code_of

CONFIG_STEPS = 4_000
"""Instead of the real limit, so that each of the thousands of evaluations that reach it is short."""

OVERSHOOT = 70_000
"""The most that one step can add before it is counted: the size of the largest configuration."""

Nest = Callable[[Any], dict[str, Any]]

KEYWORDS: dict[str, Nest] = {
    "allOf": lambda part: {"allOf": [part, part]},
    "anyOf": lambda part: {"anyOf": [part, part]},
    "oneOf": lambda part: {"oneOf": [part, part]},
    "not": lambda part: {"not": part},
    "if": lambda part: {"if": part, "then": part, "else": part},
    "items": lambda part: {"items": part},
    "prefixItems": lambda part: {"prefixItems": [part, part], "items": part},
    "contains": lambda part: {"contains": part, "minContains": 2},
    "properties": lambda part: {"properties": {"a": part, "b": part}},
    "additionalProperties": lambda part: {"additionalProperties": part},
    "propertyNames": lambda part: {"propertyNames": part, "additionalProperties": part},
    "dependentSchemas": lambda part: {"dependentSchemas": {"a": part, "b": part}},
    "unevaluatedProperties": lambda part: {"allOf": [part], "unevaluatedProperties": False},
    "unevaluatedItems": lambda part: {"allOf": [part], "unevaluatedItems": False},
    "patternProperties": lambda part: {"patternProperties": {"^(a+)+$": part}},
    "dialect": lambda part: {"$schema": config_schema.DIALECT, "allOf": [part]},
}
LEAVES: list[dict[str, Any]] = [
    {"type": "integer"},
    {"enum": [f"value {number}" for number in range(200)]},
    {"const": {"a": [0] * 200}},
    {"uniqueItems": True},
    {"required": [f"name {number}" for number in range(100)]},
    {"pattern": "[ab]*a[ab]{20}c"},
    {"pattern": "[ab]*a(?:[ab]{100}){40}c"},
    {"pattern": "^(a+)+$"},
]


def largest_configs() -> Iterator[dict[str, Any]]:
    """Configurations of the largest size, each of another form."""
    room = CONFIG_LIMIT_BYTES - 100
    yield {"a": "ab" * (room // 2)}
    yield {"a": [1] * (room // 3)}
    yield {"a": [{"a": 1}] * (room // 10)}
    yield {"a": [f"ab{number}" for number in range(room // 12)]}
    yield {f"ab{number}": "ab" for number in range(room // 16)}
    nested: Any = {"a": 1}
    for _ in range(50):
        nested = {"a": nested, "b": [nested]} if len(json.dumps(nested)) < room // 3 else {"a": nested}
    yield nested


CONFIGS = list(largest_configs())


@pytest.fixture(autouse=True)
def _counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail when any evaluation takes more steps than its limit."""
    monkeypatch.setattr(config_schema, "CONFIG_STEPS_LIMIT", CONFIG_STEPS)
    taken: list[Meter] = []
    begin = Meter.__init__

    def recorded(self: Meter, limit: int) -> None:
        taken.append(self)
        begin(self, limit)

    monkeypatch.setattr(metering.Meter, "__init__", recorded)
    yield
    assert {meter.limit for meter in taken} <= {300_000, CONFIG_STEPS}
    assert max((meter.steps - meter.limit for meter in taken), default=0) <= OVERSHOOT


def accepted(schema: dict[str, Any]) -> bool:
    code = code_of(lambda: check_schema(schema))
    assert code in (None, "manifest_invalid")
    return code is None


def nested(keyword: str, leaf: dict[str, Any], levels: int) -> dict[str, Any]:
    """Repeat a keyword by references, so that the schema stays small while its expansion grows."""
    definitions: dict[str, Any] = {"d0": leaf}
    for level in range(levels):
        definitions[f"d{level + 1}"] = KEYWORDS[keyword]({"$ref": f"#/$defs/d{level}"})
    return {"$defs": definitions, "properties": {"a": {"$ref": f"#/$defs/d{levels}"}}}


def test_the_configurations_are_as_large_as_they_may_be() -> None:
    assert [len(json.dumps(config)) for config in CONFIGS] == [
        pytest.approx(CONFIG_LIMIT_BYTES, rel=0.75) for _ in CONFIGS
    ]
    assert all(len(json.dumps(config)) <= CONFIG_LIMIT_BYTES * 1.3 for config in CONFIGS)


def test_the_limits_of_steps_are_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert (config_schema.SCHEMA_STEPS_LIMIT, config_schema.CONFIG_STEPS_LIMIT) == (300_000, 200_000)
    assert metering.PATTERN_STEPS_LIMIT == 20_000_000


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_nested_keyword_is_refused_or_costs_no_more_than_its_steps(keyword: str) -> None:
    for levels, leaf in product((1, 3, 7, 14, 30), (LEAVES[0], LEAVES[5])):
        schema = nested(keyword, leaf, levels)
        if accepted(schema):
            for config in CONFIGS[:3]:
                first_fault(schema, config)
    assert not accepted(nested(keyword, LEAVES[0], 70))


@pytest.mark.parametrize("keyword", ["unevaluatedProperties", "unevaluatedItems", "patternProperties"])
def test_keywords_whose_cost_doubles_or_that_match_names_are_refused_at_any_depth(keyword: str) -> None:
    for levels in (1, 14):
        assert not accepted(nested(keyword, LEAVES[0], levels))


@pytest.mark.parametrize("leaf", range(len(LEAVES)))
def test_many_schemas_over_a_large_value_cost_no_more_than_their_steps(leaf: int) -> None:
    for keyword, count in product(("allOf", "anyOf"), (1, 900)):
        part = {keyword: [LEAVES[leaf]] * count}
        for schema in (
            {"properties": {"a": part}},
            {"properties": {"a": {"items": part}}},
            {"additionalProperties": part, "propertyNames": part},
        ):
            if accepted(schema):
                for config in CONFIGS:
                    first_fault(schema, config)


_schemas = st.recursive(
    st.sampled_from(LEAVES),
    lambda part: st.builds(lambda keyword, inner: KEYWORDS[keyword](inner), st.sampled_from(sorted(KEYWORDS)), part),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(_schemas, st.sampled_from(CONFIGS))
def test_any_mixture_is_refused_or_costs_no_more_than_its_steps(schema: dict[str, Any], config: dict[str, Any]) -> None:
    if accepted({"properties": {"a": schema}}):
        first_fault({"properties": {"a": schema}}, config)


@pytest.mark.parametrize(
    "pattern",
    [
        "[ab]*a(?:[ab]{200}){100}c",
        "((((a{10}){10}){10}){10}){10}",
        "(?:[ab]{70}){72}",
        r"(?:\w{60}){10}",
        "(?x)a#[\n{1000}",
        "(?i:(?:[ab]{1000}){6})",
        "[[ab]&&[^c]]{5001}",
        "|".join(["a{900}"] * 6),
    ],
)
def test_a_pattern_whose_repetitions_multiply_is_refused_before_it_is_compiled(pattern: str) -> None:
    assert not accepted({"properties": {"a": {"pattern": pattern}}})


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 60_000))
def test_positions_times_bytes_of_a_match_are_bounded(inner: int, outer: int, length: int) -> None:
    schema = {"properties": {"a": {"pattern": f"[ab]*a(?:[ab]{{{inner}}}){{{outer}}}c"}}}
    positions = inner * outer + 3
    assert accepted(schema) == (positions <= 5_000)

    if accepted(schema):
        fault = str(first_fault(schema, {"a": "a" * length}))
        assert ("the text has" in fault) == (positions * (length + 1) > 20_000_000)
