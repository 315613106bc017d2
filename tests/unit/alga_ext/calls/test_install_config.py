"""Defaults of a configuration's schema, filled in when the guest reads it."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls.install_config import DEFAULTS_LIMIT_BYTES, as_texts, json_bytes, with_defaults
from alga_ext.errors import PlatformError
from functions.registry.schemas.config_schema import check_schema
from tests.support.refusals import code_of


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


SERVER = schema(port={"type": "integer", "default": 80}, host={"type": "string"})


@pytest.mark.parametrize(
    ("properties", "config", "expected"),
    [
        ({"colour": {"default": "blue"}}, {}, {"colour": "blue"}),
        ({"colour": {"default": "blue"}}, {"colour": "red"}, {"colour": "red"}),
        ({"colour": {"default": "blue"}}, {"colour": None}, {"colour": None}),
        ({"colour": {"default": None}}, {}, {"colour": None}),
        ({"on": {"default": False}, "n": {"default": 0}}, {}, {"on": False, "n": 0}),
        ({"colour": {"type": "string"}}, {}, {}),
        ({"colour": True}, {}, {}),
        ({"server": SERVER}, {}, {}),
        ({"server": SERVER}, {"server": {"host": "h"}}, {"server": {"host": "h", "port": 80}}),
        ({"server": SERVER}, {"server": {"port": 1}}, {"server": {"port": 1}}),
        ({"server": {**SERVER, "default": {}}}, {}, {"server": {"port": 80}}),
        ({"server": {**SERVER, "default": {"port": 8}}}, {}, {"server": {"port": 8}}),
        ({"server": SERVER}, {"server": "no object"}, {"server": "no object"}),
        ({"list": {"items": SERVER}}, {}, {}),
        ({"list": {"items": SERVER}}, {"list": [{}, {"port": 1}, 5]}, {"list": [{"port": 80}, {"port": 1}, 5]}),
        ({"list": {"items": {"items": SERVER}}}, {"list": [[{}], {}]}, {"list": [[{"port": 80}], {}]}),
        ({"list": {"items": SERVER, "default": [{}]}}, {}, {"list": [{"port": 80}]}),
        ({"list": {"prefixItems": [True, SERVER]}}, {"list": [{}, {}, {}]}, {"list": [{}, {"port": 80}, {}]}),
        ({"list": {"prefixItems": [{}], "items": SERVER}}, {"list": [{}, {}]}, {"list": [{}, {"port": 80}]}),
        ({"list": {"allOf": [{"items": SERVER}]}}, {"list": [{}]}, {"list": [{"port": 80}]}),
        ({"colour": {"allOf": [{"type": "string"}, {"default": "blue"}]}}, {}, {"colour": "blue"}),
        ({"colour": {"allOf": [{"default": "red"}], "default": "blue"}}, {}, {"colour": "blue"}),
        ({"colour": {"allOf": [{"allOf": [{"default": 1}]}, {"default": 2}]}}, {}, {"colour": 1}),
        ({"server": {"allOf": [SERVER, {"default": {}}]}}, {}, {"server": {"port": 80}}),
        (
            {"server": {"allOf": [SERVER, schema(path={"default": "/"})]}},
            {"server": {}},
            {"server": {"port": 80, "path": "/"}},
        ),
        ({"servers": {"additionalProperties": SERVER}}, {"servers": {"a": {}}}, {"servers": {"a": {"port": 80}}}),
        ({"servers": {**schema(a={}), "additionalProperties": SERVER}}, {"servers": {"a": {}}}, {"servers": {"a": {}}}),
        ({"colour": {"anyOf": [{"default": "blue"}]}}, {}, {}),
        ({"colour": {"if": True, "then": {"default": "blue"}}}, {}, {}),
        ({"list": {"contains": SERVER}}, {"list": [{}]}, {"list": [{}]}),
    ],
)
def test_the_default_of_an_absent_property_is_filled_in(properties: Any, config: Any, expected: Any) -> None:
    assert with_defaults(schema(**properties), config) == expected


def test_defaults_behind_the_schemas_own_all_of_are_filled_in() -> None:
    found = {"allOf": [{"$ref": "#/$defs/base"}, schema(b={"default": 2})], "$defs": {"base": schema(a={"default": 1})}}
    assert with_defaults(found, {}) == {"a": 1, "b": 2}
    assert with_defaults(found, {"b": 3}) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("first", "second", "filled"),
    [({"default": 1}, {"default": 2}, 1), ({"type": "integer"}, {"default": 2}, 2), (True, {"default": 2}, 2)],
)
def test_of_two_parts_that_describe_one_property_the_first_default_counts(first: Any, second: Any, filled: int) -> None:
    assert with_defaults({"allOf": [schema(a=first), schema(a=second)]}, {}) == {"a": filled}


def test_a_version_without_a_schema_adds_nothing() -> None:
    assert with_defaults(None, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize("member", ["$defs", "definitions"])
def test_defaults_behind_a_reference_are_filled_in(member: str) -> None:
    found = {
        "properties": {"server": {"$ref": f"#/{member}/server", "default": {}}, "n": {"$ref": f"#/{member}/n"}},
        member: {"server": SERVER, "n": {"$ref": f"#/{member}/m"}, "m": {"default": 3}},
    }
    assert with_defaults(found, {}) == {"server": {"port": 80}, "n": 3}


def test_references_that_lead_nowhere_or_in_a_circle_add_nothing() -> None:
    found = {
        "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/none"}, "c": {"$ref": "#"}},
        "$defs": {"a": {"$ref": "#/$defs/a"}},
        "#": "a member that no keyword means",
    }
    assert with_defaults(found, {}) == {}


def test_neither_the_configuration_nor_the_schema_is_changed() -> None:
    found, config = schema(server={**SERVER, "default": {}}), {"other": {"x": 1}}
    before = copy.deepcopy((found, config))
    with_defaults(found, config)["server"]["port"] = 99
    assert (found, config) == before


@pytest.mark.parametrize(
    "items",
    [
        {"allOf": [schema(**{f"p{number}": {"type": "string"}}) for number in range(15)]},
        schema(**{f"p{number}": {"type": "string"} for number in range(900)}),
        {"$ref": "#/$defs/item"},
    ],
)
@pytest.mark.parametrize("reach", ["items", "additionalProperties"])
def test_a_configuration_that_multiplies_with_the_schema_is_refused_by_steps(items: Any, reach: str) -> None:
    found = schema(values={reach: items})
    found["$defs"] = {"item": {"allOf": [schema(a={"allOf": [{"type": "string"}] * 300})]}}
    check_schema(found)

    def config(count: int) -> dict[str, Any]:
        return {"values": [{}] * count if reach == "items" else {f"k{number}": {} for number in range(count)}}

    assert with_defaults(found, config(10)) == config(10)
    with pytest.raises(PlatformError, match="takes more than 50000 steps; shorten its lists and objects") as refused:
        with_defaults(found, config(5_000))
    assert refused.value.code == "config_invalid"


def test_filling_in_takes_at_most_50000_steps_and_not_one_more() -> None:
    """Two steps for the schema, three for each absent property and one for a property that is set."""
    found = schema(**{f"p{number}": {"type": "string"} for number in range(16_666)})
    one_more = {**found, "properties": {**found["properties"], "set": {"type": "string"}}}

    assert with_defaults(found, {}) == {}
    assert code_of(lambda: with_defaults(one_more, {"set": "a"})) == "config_invalid"


def test_many_parts_of_a_schema_times_many_objects_are_refused_by_steps() -> None:
    """Each part describes another property, so no default is ever found and each object meets each part."""
    found = schema(lists={"allOf": [{"items": {"maxProperties": number}} for number in range(450)]})
    check_schema(found)
    assert code_of(lambda: with_defaults(found, {"lists": [{} for _ in range(20_000)]})) == "config_invalid"


def test_a_configuration_of_many_plain_values_takes_no_steps_for_each() -> None:
    found = schema(numbers={"items": {"allOf": [{"type": "integer"}] * 900}}, colour={"default": "blue"})
    check_schema(found)
    assert with_defaults(found, {"numbers": [1] * 30_000})["colour"] == "blue"


def test_a_large_default_is_not_copied_for_every_item_of_a_list() -> None:
    found = schema(servers={"items": schema(note={"default": "x" * 10_000})})
    check_schema(found)
    assert len(with_defaults(found, {"servers": [{} for _ in range(6)]})["servers"][5]["note"]) == 10_000
    with pytest.raises(PlatformError, match="more than 65536 bytes as JSON; shorten its lists") as refused:
        with_defaults(found, {"servers": [{} for _ in range(7)]})
    assert refused.value.code == "config_invalid"


def test_defaults_of_64_kib_are_filled_in_and_no_byte_more() -> None:
    assert DEFAULTS_LIMIT_BYTES == 65_536
    fits = {"a": {"default": "x" * 65_530}, "b": {"default": 1_000}}
    assert set(with_defaults(schema(**fits), {})) == {"a", "b"}
    assert code_of(lambda: with_defaults(schema(**{**fits, "b": {"default": 10_000}}), {})) == "config_invalid"


@given(
    st.recursive(
        st.fixed_dictionaries({}, optional={"default": st.integers() | st.sampled_from([{}, [{}], {"a": [{}]}])}),
        lambda inner: st.fixed_dictionaries(
            {"properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
            optional={
                "default": st.sampled_from([{}, [{}]]),
                "allOf": st.lists(inner, min_size=1, max_size=2),
                "items": inner,
                "prefixItems": st.lists(inner, min_size=1, max_size=2),
                "additionalProperties": inner | st.booleans(),
            },
        ),
        max_leaves=12,
    ),
    st.recursive(
        st.integers(),
        lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3) | st.lists(inner, max_size=3),
        max_leaves=10,
    ),
)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_nothing_that_is_set_is_changed_and_filling_again_adds_nothing(found: Any, config: Any) -> None:
    given_config = config if isinstance(config, dict) else {"a": config}
    filled = with_defaults(found, given_config)
    assert contains(filled, given_config)
    assert with_defaults(found, filled) == filled


def contains(filled: Any, config: Any) -> bool:
    if isinstance(config, list):
        return len(filled) == len(config) and all(map(contains, filled, config))
    if not isinstance(config, dict):
        return bool(filled == config)
    return all(name in filled and contains(filled[name], value) for name, value in config.items())


def test_values_are_read_as_text_and_others_as_json() -> None:
    assert as_texts({"a": "t", "b": 5, "c": ["a", "ü"], "d": {"x": None}, "e": True}) == {
        "a": "t",
        "b": "5",
        "c": '["a","ü"]',
        "d": '{"x":null}',
        "e": "true",
    }


def test_a_value_is_measured_as_compact_json_in_utf8() -> None:
    assert json_bytes({"a": ["ü", 1]}) == len('{"a":["ü",1]}'.encode()) == 14
