"""A publisher's schema runs at our place: it may not fetch, loop, multiply or match for hours."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from functions.registry.schemas.config_schema import check_schema, first_fault
from functions.registry.schemas.metering import TooCostlyError, Validator, metered
from tests.support.answering import Reply, answering
from tests.support.measures import cpu_s_of
from tests.support.refusals import code_of

GREETING: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["greeting"],
    "properties": {
        "greeting": {"type": "string", "maxLength": 5, "pattern": "^[A-Z]"},
        "colour": {"$ref": "#/$defs/colour"},
        "other": {"$ref": "#/definitions/other"},
        "sizes": {"items": {"additionalProperties": {"type": "integer"}}},
    },
    "$defs": {"colour": {"enum": ["red", "blue"]}},
    "definitions": {"other": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
}


def test_an_ordinary_schema_passes() -> None:
    check_schema(GREETING)
    check_schema({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"})
    check_schema({"$ref": "#/$defs/a.box_X-1", "$defs": {"a.box_X-1": {}}})
    check_schema({})


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"greeting": "Hi"}, None),
        ({"greeting": "Hi", "colour": "red", "other": None}, None),
        ({}, "at config: 'greeting' is a required property"),
        ({"greeting": "Hello!"}, "at greeting"),
        ({"greeting": "hi"}, "at greeting: 'hi' does not match"),
        ({"greeting": 5}, "at greeting"),
        ({"greeting": "Hi", "colour": "green"}, "at colour"),
        ({"greeting": "Hi", "other": "x"}, "at other"),
        ({"greeting": "Hi", "sizes": [1, {"deep": "x"}]}, "at sizes/1/deep: 'x' is not of type 'integer'"),
        ({"greeting": "Hi", "more": 1}, "'more' was unexpected"),
    ],
)
def test_a_configuration_is_judged_with_place_and_reason(config: dict[str, Any], fault: str | None) -> None:
    found = first_fault(GREETING, config)

    assert (found is None) if fault is None else (fault in str(found))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"type": "strin"},
        {"properties": [1]},
        {"properties": {"a": {"multipleOf": 0}}},
        {"minLength": "x"},
        {"required": "a"},
        {"properties": {"a": 5}},
        {"items": [{}]},
        {"$defs": {"unused": {"type": 5}}},
        {"$ref": 5},
        {"pattern": 5},
        {"allOf": []},
        {"not": "x"},
        {"enum": 5},
        {"$defs": []},
    ],
)
def test_what_is_no_schema_is_refused(schema: dict[str, Any]) -> None:
    assert code_of(lambda: check_schema(schema)) == "manifest_invalid"


def test_a_fault_of_a_schema_is_named_with_its_place() -> None:
    with pytest.raises(PlatformError, match=r"manifest\.json: config: properties/a/type: 5 is not valid"):
        check_schema({"properties": {"a": {"type": 5}}})


def test_a_reference_to_another_place_is_refused_and_never_followed() -> None:
    with answering(lambda _: Reply(200, b"{}")) as server:
        for target in (
            f"{server.url}/x",
            f"{server.url}/x#/$defs/a",
            "file:///etc/passwd",
            "/etc/passwd",
            "other.json",
            "",
        ):
            schema = {"properties": {"a": {"allOf": [{"$ref": target}]}}}
            assert code_of(lambda schema=schema: check_schema(schema)) == "manifest_invalid"  # type: ignore[misc]
        first_fault({"type": "object"}, {})
        assert server.asked == []


@pytest.mark.parametrize(
    "reference",
    [
        "#",
        "#/",
        "#/$defs",
        "#/$defs/",
        "#/$defs/none",
        "#/properties/a",
        "#/$defs/a/items",
        "#a",
        "#/default",
        "$defs/a",
        "#/$defs/a~1b",
        "#/$defs/%61",
        "/$defs/a",
    ],
)
def test_a_reference_of_any_other_form_is_refused(reference: str) -> None:
    definitions: dict[str, Any] = {"a": {"items": {}}, "a~1b": {}, "%61": {}}
    schema = {"$ref": reference, "$defs": definitions, "properties": {"a": {}}, "default": {}}

    assert code_of(lambda: check_schema(schema)) == "manifest_invalid"


@pytest.mark.parametrize(
    "definitions",
    [
        {"a": {"$ref": "#/$defs/a"}},
        {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}},
        {"a": {"anyOf": [{"type": "null"}, {"properties": {"next": {"$ref": "#/$defs/a"}}}]}},
    ],
)
def test_a_schema_that_refers_to_itself_is_refused(definitions: dict[str, Any]) -> None:
    for schema in ({"$defs": definitions}, {"$defs": definitions, "$ref": "#/$defs/a"}):
        with pytest.raises(PlatformError, match="refers to itself") as refused:
            check_schema(schema)
        assert refused.value.code == "manifest_invalid"


@pytest.mark.parametrize(
    "keyword",
    [
        "$id",
        "$anchor",
        "$dynamicRef",
        "$dynamicAnchor",
        "$recursiveRef",
        "$vocabulary",
        "patternProperties",
        "unevaluatedItems",
        "unevaluatedProperties",
    ],
)
def test_a_keyword_that_needs_more_than_this_schema_is_refused(keyword: str) -> None:
    value: dict[str, Any] = {
        "$id": "https://x.example/",
        "$anchor": "a",
        "$dynamicRef": "#a",
        "$dynamicAnchor": "a",
        "$recursiveRef": "#",
        "$vocabulary": {"https://x.example/": True},
        "patternProperties": {"^a": {}},
        "unevaluatedItems": False,
        "unevaluatedProperties": False,
    }
    schema = {"properties": {"a": {keyword: value[keyword]}}}

    assert code_of(lambda: check_schema(schema)) == "manifest_invalid"


def test_a_property_may_have_a_keywords_name() -> None:
    check_schema(
        {"properties": {"$id": {"type": "string"}, "patternProperties": {"type": "string"}, "$ref": {"type": "string"}}}
    )


def test_data_in_a_schema_is_not_read_as_one() -> None:
    check_schema(
        {"properties": {"a": {"default": {"$ref": "http://x"}, "const": {"$id": 5}, "enum": [{"pattern": "("}]}}}
    )


def test_another_dialect_is_refused() -> None:
    assert code_of(lambda: check_schema({"$schema": "http://json-schema.org/draft-04/schema#"})) == "manifest_invalid"


@pytest.mark.parametrize(
    "schema",
    [
        *({name: "PART"} for name in ("additionalProperties", "items", "contains", "not", "propertyNames")),
        *({name: "PART"} for name in ("if", "then", "else", "contentSchema")),
        *({name: [True, "PART"]} for name in ("allOf", "anyOf", "oneOf", "prefixItems")),
        *({name: {"a": True, "b": "PART"}} for name in ("properties", "dependentSchemas", "$defs", "definitions")),
    ],
    ids=lambda schema: next(iter(schema)),
)
def test_a_part_is_checked_wherever_a_schema_can_stand(schema: dict[str, Any]) -> None:
    def with_part(part: str) -> Any:
        return json.loads(json.dumps(schema).replace('"PART"', part))

    check_schema(with_part('{"pattern": "a"}'))
    for part in ('{"pattern": "("}', '{"$id": "https://x.example/"}', '{"$ref": "#/$defs/none"}'):
        assert code_of(lambda part=part: check_schema(with_part(part))) == "manifest_invalid"  # type: ignore[misc]


# Cost


@pytest.mark.parametrize(
    "pattern", ["(", "(?=a)b", r"(a)\1", "(?!x)", "(?<=x)", "a" * 501, "(a{1000}){1000}", r"\p{Nothing}"]
)
def test_a_pattern_that_no_linear_engine_runs_is_refused(pattern: str) -> None:
    assert code_of(lambda: check_schema({"properties": {"a": {"pattern": pattern}}})) == "manifest_invalid"


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(x+x+)+y", "^([a-zA-Z0-9])(([-.]|[_]+)?([a-zA-Z0-9]+))*$"]
)
def test_a_pattern_that_backtracks_elsewhere_answers_at_once_here(pattern: str) -> None:
    schema = {"properties": {"a": {"pattern": pattern}}}
    check_schema(schema)

    assert cpu_s_of(lambda: first_fault(schema, {"a": "a" * 60_000 + "!"})) < 5
    assert cpu_s_of(lambda: first_fault(schema, {"a": "x" * 60_000})) < 5


def test_a_pattern_costs_its_repetitions_written_out_and_the_refusal_says_how_many() -> None:
    with pytest.raises(PlatformError, match=r"has 20003 positions .* at most 5000 are allowed"):
        check_schema({"properties": {"a": {"pattern": "[ab]*a(?:[ab]{200}){100}c"}}})


def test_patterns_together_may_have_only_so_many_positions() -> None:
    def patterns(count: int) -> dict[str, Any]:
        return {"properties": {f"p{number}": {"pattern": f"^[ab]{{{1000 + number}}}$"} for number in range(count)}}

    check_schema(patterns(19))
    with pytest.raises(PlatformError, match="at least 20190 positions; at most 20000 are allowed"):
        check_schema(patterns(20))
    twenty = {letter: {"pattern": f"{letter}{{1000}}"} for letter in "abcdefghijklmnopqrst"}
    check_schema({"properties": twenty})
    with pytest.raises(PlatformError, match="at least 20001 positions; at most 20000 are allowed"):
        check_schema({"properties": {**twenty, "z": {"pattern": "z"}}})


def test_a_pattern_counts_once_for_each_reference_to_it() -> None:
    schema = {"$defs": {"a": {"pattern": "a{1000}"}}, "allOf": [{"$ref": "#/$defs/a"}] * 21}

    with pytest.raises(PlatformError, match="have 21000 positions; at most 20000 are allowed"):
        check_schema(schema)
    most: list[Any] = [True, {"type": "object"}, *[{"$ref": "#/$defs/a"}] * 20]
    check_schema({**schema, "allOf": most})
    with pytest.raises(PlatformError, match="have 20001 positions; at most 20000 are allowed"):
        check_schema({**schema, "allOf": [*most, {"pattern": "b"}]})


def test_a_pattern_may_have_five_hundred_characters() -> None:
    check_schema({"pattern": "a" * 500})
    with pytest.raises(PlatformError, match="a pattern has 501 characters; at most 500 are allowed"):
        check_schema({"pattern": "a" * 501})


def test_a_schema_may_have_two_thousand_objects() -> None:
    check_schema({"enum": [[{}] for _ in range(1_999)]})
    with pytest.raises(PlatformError, match="it has 2001 objects; at most 2000 are allowed"):
        check_schema({"enum": [[{}] for _ in range(2_000)]})


def test_a_schema_is_checked_in_three_hundred_thousand_steps() -> None:
    """Each name takes two steps: it is a text, and it is compared with the others."""
    names = [f"{number}" for number in range(149_951)]

    check_schema({"required": names})  # 98 + 2 × 149,951
    with pytest.raises(PlatformError, match="checking it takes more than 300000 steps"):
        check_schema({"title": "t", "required": names[:149_947]})  # 107 + 2 × 149,947


def test_a_configuration_is_checked_in_two_hundred_thousand_steps() -> None:
    schema = {"properties": {"a": {"uniqueItems": True}}}

    assert first_fault(schema, {"a": list(range(199_995))}) is None
    assert first_fault(schema, {"a": list(range(199_996))}) == (
        "at config: checking it takes more than 200000 steps; shorten it"
    )


def test_a_pattern_that_was_accepted_before_patterns_were_bounded_is_a_fault() -> None:
    fault = first_fault({"properties": {"a": {"pattern": "(?x)a"}}}, {"a": "a"})

    assert str(fault).startswith("at config: the extension's schema has a pattern that is no longer supported")


def test_a_text_too_long_for_its_pattern_is_a_fault_of_the_value() -> None:
    schema = {"properties": {"a": {"pattern": "[ab]*a[ab]{998}c"}}}
    check_schema(schema)
    most = 20_000_000 // 1_001 - 1

    assert first_fault(schema, {"a": "ab" * 9_000}) is not None  # it does not match
    assert "does not match" in str(first_fault(schema, {"a": "a" * most}))
    assert f"the text has {most + 1} bytes" in str(first_fault(schema, {"a": "a" * (most + 1)}))


def test_a_part_that_names_the_dialect_is_checked_by_the_same_engine() -> None:
    """The library would change to its own validator there, which matches with Python's backtracking engine."""
    part = {"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": "^(a+)+$"}
    schema = {"properties": {"a": part, "b": {"$schema": part["$schema"], "uniqueItems": True}}}
    check_schema(schema)

    with metered(1_000) as meter:
        assert not Validator(schema).is_valid({"a": "a" * 60 + "!"})
    assert meter.steps > 1
    with pytest.raises(TooCostlyError), metered(10_000):
        Validator(schema).is_valid({"b": list(range(20_000))})


def test_a_configuration_that_multiplies_with_the_schema_is_refused_by_steps() -> None:
    schema = {"properties": {"a": {"items": {"allOf": [{"type": "integer"}] * 900}}}}
    check_schema(schema)

    assert first_fault(schema, {"a": [1] * 100}) is None
    assert "takes more than 200000 steps" in str(first_fault(schema, {"a": [1] * 20_000}))


def test_a_schema_may_be_nested_so_deep_and_no_deeper() -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"properties": {"a": nested(levels - 1)}} if levels else {"type": "string"}

    check_schema(nested(31))
    assert first_fault(nested(31), {"a": {}}) is None
    with pytest.raises(PlatformError, match="nested 65 levels deep; at most 64"):
        check_schema(nested(32))
    lists: list[Any] = []
    for _ in range(62):
        lists = [5, lists]
    check_schema({"const": lists})
    with pytest.raises(PlatformError, match="nested 65 levels deep; at most 64"):
        check_schema({"const": [lists]})


@pytest.mark.parametrize(
    ("last", "most"), [(True, 62), ({"type": "string"}, 62), ({"items": True}, 61), ({"not": {"items": {}}}, 60)]
)
def test_references_may_be_followed_so_deep_and_no_deeper(last: Any, most: int) -> None:
    def chain(count: int) -> dict[str, Any]:
        definitions: dict[str, Any] = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(count)}
        return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{count}": last}}

    check_schema(chain(most))
    first_fault(chain(most), {})
    with pytest.raises(PlatformError, match="with its references expanded it is nested more than 64 levels deep"):
        check_schema(chain(most + 1))
    for count in (64, 1_900):  # found before all are followed
        with pytest.raises(PlatformError, match="its references are nested more than 64 levels deep"):
            check_schema(chain(count))


def test_references_that_double_the_work_are_refused_at_once() -> None:
    definitions: dict[str, Any] = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    definitions["d40"] = {"type": "string"}
    schema = {"$defs": definitions, "$ref": "#/$defs/d0"}

    assert code_of(lambda: check_schema(schema)) == "manifest_invalid"
    assert cpu_s_of(lambda: code_of(lambda: check_schema(schema))) < 5


def test_a_schema_up_to_its_size_passes_and_over_it_is_refused_at_once() -> None:
    def wide(count: int) -> dict[str, Any]:
        return {"properties": {f"p{n}": True for n in range(count)}}

    check_schema(wide(999))
    with pytest.raises(PlatformError, match="it has 1001 schemas; at most 1000 are allowed"):
        check_schema(wide(1_000))
    vast: dict[str, Any] = {"enum": [{} for _ in range(50_000)]}
    assert code_of(lambda: check_schema(vast)) == "manifest_invalid"
    assert cpu_s_of(lambda: code_of(lambda: check_schema(vast))) < 5


@pytest.mark.parametrize("reach", ["properties", "allOf", "anyOf", "prefixItems"])
def test_defaults_behind_references_have_one_limit(reach: str) -> None:
    def schema(defaults: list[str]) -> dict[str, Any]:
        parts: list[Any] = [
            True,
            {},
            *({"$ref": "#/$defs/large"} for _ in range(2)),
            *({"default": d} for d in defaults),
        ]
        named = {f"p{number}": part for number, part in enumerate(parts)} if reach == "properties" else parts
        return {reach: named, "$defs": {"large": {"default": "x" * 32_000}}}

    check_schema(schema(["x" * 1_528, ""]))  # each has two quotes
    with pytest.raises(PlatformError, match="its defaults have 65537 bytes as JSON; at most 65536 are allowed"):
        check_schema(schema(["x" * 1_529, ""]))


def test_defaults_of_a_defaults_own_items_count_too() -> None:
    def schema(items: int) -> dict[str, Any]:
        server = {"properties": {"note": {"default": "x" * 1_000}}}
        return {"properties": {"servers": {"items": server, "default": [{} for _ in range(items)]}}}

    check_schema(schema(60))
    with pytest.raises(PlatformError, match="its defaults multiply") as refused:
        check_schema(schema(100))
    assert refused.value.code == "manifest_invalid"


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab$/#", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "$ref", "properties", "$defs", "a", "items", "anyOf", "not", "pattern", "required", "enum"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "$ref", "properties", "$defs", "items", "anyOf", "pattern", "not"]), _json
    ),
    _json,
)
def test_whatever_passes_judges_any_configuration_without_a_fault_of_ours(schema: dict[str, Any], value: Any) -> None:
    if code_of(lambda: check_schema(schema)) is None:
        first_fault(schema, {"a": value})


# Items that are to be unique

_items = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 0.5]) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(_items, max_size=6))
def test_unique_items_are_those_the_library_finds_unique(items: list[Any]) -> None:
    schema = {"properties": {"list": {"uniqueItems": True}}}
    library = jsonschema.Draft202012Validator(schema)

    assert (first_fault(schema, {"list": items}) is None) == library.is_valid({"list": items})


def test_many_distinct_objects_are_found_unique_at_once() -> None:
    """Compared with each other they would take minutes."""
    schema = {"properties": {"list": {"uniqueItems": True}}}

    assert first_fault(schema, {"list": [{"n": number} for number in range(20_000)]}) is None
