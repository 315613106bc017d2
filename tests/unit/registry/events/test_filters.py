"""Filters of subscriptions: every value must be equal, and nothing else matters."""

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.registry.events.filters import passes
from tests.support.events import event_of

PROPERTY: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS: Final = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0]) | st.text(max_size=2)
FIELDS: Final = st.dictionaries(st.sampled_from("abcd"), SCALARS, max_size=4)
ATTRIBUTES: Final = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(0, 2) | st.booleans(), max_size=3)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0, False), (1, "1"), (None, False), (None, 0), ("", None), ("a", "A"), (1, 2)]
)
def test_fields_of_another_value_or_type_do_not_pass(one: Any, other: Any) -> None:
    assert not passes({"data": {"a": one}}, event_of(data={"a": other}))
    assert not passes({"data": {"a": other}}, event_of(data={"a": one}))


@pytest.mark.parametrize(("wanted", "given_value"), [(7, "7"), ("7", 7), (True, "true"), ("false", False), (7, 7)])
def test_attributes_are_compared_as_text(wanted: Any, given_value: Any) -> None:
    assert passes({"attributes": {"own": wanted}}, event_of(own=given_value))


@pytest.mark.parametrize("data", [None, 7, "a", [], ["a"]])
def test_data_without_fields_passes_no_filter_of_fields(data: Any) -> None:
    assert not passes({"data": {"a": 1}}, event_of(data=data))


def test_an_object_in_a_field_equals_no_scalar() -> None:
    assert not passes({"data": {"a": "x"}}, event_of(data={"a": {"x": 1}}))


@PROPERTY
@given(FIELDS, ATTRIBUTES)
def test_without_a_filter_every_event_passes(data: dict[str, Any], attributes: dict[str, Any]) -> None:
    event = event_of(data=data, **attributes)

    assert passes(None, event)
    assert passes({}, event)
    assert passes({"attributes": attributes, "data": data}, event)


@PROPERTY
@given(FIELDS, FIELDS)
def test_an_event_passes_exactly_when_it_has_every_pair(wanted: dict[str, Any], data: dict[str, Any]) -> None:
    def same(one: Any, other: Any) -> bool:
        return one == other and isinstance(one, bool) is isinstance(other, bool)

    has_all = all(name in data and same(data[name], value) for name, value in wanted.items())

    assert passes({"data": wanted}, event_of(data=data)) is has_all
