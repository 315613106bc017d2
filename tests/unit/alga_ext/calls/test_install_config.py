"""Defaults of a configuration's schema, filled in when the guest reads it."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls.install_config import DEFAULTS_LIMIT_BYTES, PROPERTIES_LIMIT, as_texts, json_bytes, with_defaults


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
        ({"list": {"items": SERVER}}, {"list": [{}]}, {"list": [{}]}),
    ],
)
def test_the_default_of_an_absent_property_is_filled_in(properties: Any, config: Any, expected: Any) -> None:
    assert with_defaults(schema(**properties), config) == expected


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
    }
    assert with_defaults(found, {}) == {}


def test_neither_the_configuration_nor_the_schema_is_changed() -> None:
    found, config = schema(server={**SERVER, "default": {}}), {"other": {"x": 1}}
    before = copy.deepcopy((found, config))
    with_defaults(found, config)["server"]["port"] = 99
    assert (found, config) == before


def test_the_work_is_bounded_whatever_the_schema_is() -> None:
    names = {f"p{number}": {"default": number} for number in range(PROPERTIES_LIMIT + 500)}
    assert len(with_defaults(schema(**names), {})) == 1_000


def test_a_large_default_is_not_copied_for_every_property_that_refers_to_it() -> None:
    found = {
        "properties": {f"p{number}": {"$ref": "#/$defs/large"} for number in range(500)},
        "$defs": {"large": {"default": [[]] * 10_000}},
    }
    filled = with_defaults(found, {})
    assert (len(filled), json_bytes(filled["p0"])) == (2, 30_001)


def test_defaults_of_64_kib_are_filled_in_and_no_byte_more() -> None:
    assert DEFAULTS_LIMIT_BYTES == 65_536
    fits = {"a": {"default": "x" * 65_530}, "b": {"default": 1_000}}
    assert set(with_defaults(schema(**fits), {})) == {"a", "b"}
    assert set(with_defaults(schema(**{**fits, "b": {"default": 10_000}}), {})) == {"a"}


@given(
    st.recursive(
        st.fixed_dictionaries({}, optional={"default": st.integers() | st.just({})}),
        lambda inner: st.fixed_dictionaries(
            {"properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
            optional={"default": st.just({})},
        ),
        max_leaves=10,
    ),
    st.recursive(
        st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=10
    ),
)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_nothing_that_is_set_is_changed_and_filling_again_adds_nothing(found: Any, config: Any) -> None:
    given_config = config if isinstance(config, dict) else {"a": config}
    filled = with_defaults(found, given_config)
    assert contains(filled, given_config)
    assert with_defaults(found, filled) == filled


def contains(filled: Any, config: Any) -> bool:
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
