"""How many steps a check takes, and that none is taken beyond the limit."""

from typing import Any

import pytest

from functions.registry.schemas.metering import Meter, TooCostlyError, Validator, metered

OBJECT = {"a": 1, "b": [2, {"c": 3}]}


def check(schema: dict[str, Any], instance: Any, limit: int = 1_000_000) -> tuple[int, list[str]]:
    """The steps that a check took, and the faults that it found."""
    with metered(limit) as meter:
        faults = [fault.message for fault in Validator(schema).iter_errors(instance)]
    return meter.steps, faults


@pytest.mark.parametrize(
    ("schema", "instance", "steps"),
    [
        ({}, OBJECT, 0),
        ({"title": "not a keyword that checks", "default": 1}, OBJECT, 0),
        ({"type": "object", "minProperties": 1}, OBJECT, 2),
        ({"allOf": [{"type": "object"}, {"type": "object"}]}, OBJECT, 3),
        # What is compared is counted: the values of the schema for these keywords, of the instance for uniqueItems.
        ({"enum": [OBJECT, 7]}, 7, 1 + 8),
        ({"const": OBJECT}, OBJECT, 1 + 6),
        ({"required": ["a", "b"]}, OBJECT, 1 + 3),
        ({"dependentRequired": {"a": ["b"], "x": ["y", "z"]}}, OBJECT, 1 + 6),
        ({"uniqueItems": True}, [OBJECT, 7], 1 + 8),
        ({"uniqueItems": True}, 7, 1 + 1),
        # Keywords that visit members: one for each of the instance, and one for each that the schema names.
        ({"properties": {"x": True, "y": True, "z": True}}, OBJECT, 1 + 2 + 3),
        ({"properties": {"x": True, "y": True, "z": True}}, [1, 2], 1 + 2 + 3),
        ({"properties": {"x": True, "y": True, "z": True}}, "abcdef", 1),
        ({"additionalProperties": True}, OBJECT, 1 + 2),
        ({"additionalProperties": {"title": "t", "default": 0}}, OBJECT, 1 + 2 + 2),
        ({"propertyNames": True}, OBJECT, 1 + 2),
        ({"propertyNames": {"type": "string"}}, OBJECT, 1 + 2 + 1 + 2),
        ({"contains": True}, [1, 2, 3, 4], 1 + 4),
        ({"contains": True}, 7, 1),
        # An item costs what is applied to it.
        ({"items": {"type": "integer"}}, [1, 2, 3], 1 + 3),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}, 1 + 1 + 1 + 1),
    ],
)  # fmt: skip
def test_every_keyword_and_every_compared_value_is_a_step(schema: dict[str, Any], instance: Any, steps: int) -> None:
    assert check(schema, instance) == (steps, [])


@pytest.mark.parametrize(("chars", "steps"), [(99, 1 + 1), (100, 1 + 2), (199, 1 + 2), (200, 1 + 3)])
def test_a_fault_is_a_step_and_every_hundred_characters_of_its_text_are_another(chars: int, steps: int) -> None:
    text = "x" * (chars - len("'' is not of type 'null'"))

    assert check({"type": "null"}, text) == (steps, [f"'{text}' is not of type 'null'"])


def test_a_fault_is_counted_once_for_each_schema_around_it() -> None:
    assert check({"allOf": [{"type": "null"}]}, 7)[0] == (1 + 1) + (1 + 1)


@pytest.mark.parametrize(
    ("pattern", "chars", "steps"),
    [("a{1000}", 1_999, 1 + 2_000), ("a{1000}", 1_998, 1 + 1_999), ("a", 998, 1), ("a", 999, 1 + 1)],
)
def test_a_match_is_a_step_for_every_thousand_positions_times_bytes(pattern: str, chars: int, steps: int) -> None:
    assert check({"pattern": pattern}, "a" * chars) == (steps, [])


@pytest.mark.parametrize(("pattern", "most_bytes"), [("x{1000}", 19_999), ("xxx", 6_666_665)])
def test_one_match_takes_twenty_million_steps_at_most(pattern: str, most_bytes: int) -> None:
    assert check({"pattern": pattern}, "x" * most_bytes)[1] == []
    steps, (message,) = check({"pattern": pattern}, "x" * (most_bytes + 1))

    assert steps == 1 + 1  # the text is not matched
    assert f"the text has {most_bytes + 1} bytes" in message
    assert f"at most {most_bytes} are allowed" in message


def test_a_text_counts_its_bytes_and_half_a_surrogate_pair_counts_too() -> None:
    assert check({"pattern": "^.{1000}$"}, "é" * 1_000) == (1 + 2_001, [])
    assert check({"pattern": "^.{1000}$"}, "\ud800")[0] == 1 + 2 + 1
    assert "the text has 20000 bytes" in check({"pattern": "x{1000}"}, "\ud800" * 20_000)[1][0]


def test_a_pattern_says_which_text_does_not_match_it() -> None:
    assert check({"pattern": "^b"}, "a" * 101) == (1 + 2, [f"'{'a' * 100}' does not match '^b'"])
    assert check({"pattern": "^b"}, 7) == (1, [])


@pytest.mark.parametrize("taken", [(10,), (3, 7), (0, 10, 0)])
def test_as_many_steps_as_the_limit_may_be_taken_and_no_more(taken: tuple[int, ...]) -> None:
    meter = Meter(10)
    for steps in taken:
        meter.take(steps)

    assert meter.steps == 10
    with pytest.raises(TooCostlyError, match="takes more than 10 steps"):
        meter.take(1)


def test_a_check_stops_before_the_step_that_is_over_the_limit() -> None:
    schema = {"items": {"enum": [1, 2]}}  # one step, and four for each item

    assert check(schema, [1, 2], limit=9) == (9, [])
    with pytest.raises(TooCostlyError):
        check(schema, [1, 2], limit=8)


def test_a_pattern_is_compiled_once_and_a_size_computed_once() -> None:
    meter, part = Meter(10), [1, [2]]

    assert meter.pattern("a") is meter.pattern("a")
    assert [meter.size(part), meter.size(part), meter.size(part[1])] == [4, 4, 2]


def test_outside_of_a_metered_block_nothing_is_checked() -> None:
    with metered(10), metered(5) as inner:
        Validator({"type": "object"}).is_valid({})
    assert inner.steps == 1

    with pytest.raises(LookupError):
        Validator({"type": "object"}).is_valid({})


def test_a_step_is_counted_by_the_innermost_block() -> None:
    with metered(10) as outer:
        with metered(5) as inner:
            Validator({"type": "object"}).is_valid({})
        Validator({"type": "object"}).is_valid({})

    assert (outer.steps, inner.steps) == (1, 1)


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, 1.0], False),
        ([1, True], True),
        ([0, False, None, "", [], {}], True),
        ([[1], [True]], True),
        ([[1, 2], [2, 1]], True),
        ([{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], False),
        ([{"a": 1}, {"a": True}], True),
        ([{"a": 1}, [["a", [False, 1]]]], True),
        ([["array"], ["array", []]], True),
        ([[False, 1], 1], True),
        ([["x"], "x"], True),
        ([[{}], [[]]], True),
    ],
)
def test_items_are_unique_when_no_two_are_equal_as_json(items: list[Any], unique: bool) -> None:
    assert check({"uniqueItems": True}, items)[1] == ([] if unique else [f"{items!r} has non-unique elements"])
    assert check({"uniqueItems": False}, items)[1] == []


@pytest.mark.parametrize(
    ("divisor", "instance", "fits"), [(5, 10, True), (5, 12, False), (5, "12", True), (0.01, 19.99, True)]
)
def test_a_number_and_nothing_else_is_checked_to_be_a_multiple(divisor: float, instance: Any, fits: bool) -> None:
    faults = [] if fits else [f"{instance} is not a multiple of {divisor}"]

    assert check({"multipleOf": divisor}, instance)[1] == faults
