"""Documents are read as structs without leniency, and a refusal names the place and no value."""

from typing import Annotated, Any, Literal

import msgspec
import pytest

from alga_ext.json_shape import ShapeError, convert


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["a", "b"] = "a"
    code: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+\Z")] = "x"


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    items: list[Inner] = []


def refusal(document: Any) -> tuple[str, str]:
    with pytest.raises(ShapeError) as caught:
        convert(document, Outer)
    assert "hunter2" not in str(caught.value)
    return caught.value.where, caught.value.why


def test_a_document_becomes_the_struct() -> None:
    assert convert({"number": 1, "items": [{"kind": "b"}]}, Outer) == Outer(1, [Inner("b")])


@pytest.mark.parametrize(
    ("document", "where", "why"),
    [
        ([], "", "expected `object`, got `array`"),
        ("hunter2", "", "expected `object`, got `str`"),
        ({}, "", "it has no member 'number'"),
        ({"number": "hunter2"}, "number", "expected `int`, got `str`"),
        ({"number": True}, "number", "expected `int`, got `bool`"),
        ({"number": 1, "extra": "hunter2"}, "", "its member 'extra' is unknown"),
        ({"number": 1, "a` - at `b": 1}, "", "its member 'a` - at `b' is unknown"),
        ({"number": 1, "x" * 200: 1}, "", f"its member '{'x' * 100}' is unknown"),
        ({"number": 1, "items": [{}, {"kind": "hunter2"}]}, "items.1.kind", "it is not one of the allowed values"),
        ({"number": 1, "items": [{"code": "hunter2"}]}, "items.0.code", "it does not have the right form"),
        ({"number": 1, "items": [{"codes": 1}]}, "items.0", "its member 'codes' is unknown"),
    ],
    ids=map(str, range(11)),
)
def test_what_does_not_fit_is_named_by_its_place(document: Any, where: str, why: str) -> None:
    assert refusal(document) == (where, why)


def test_a_refusal_of_the_whole_document_says_so() -> None:
    with pytest.raises(ShapeError, match="at document: expected `object`"):
        convert(1, Outer)


def test_half_a_surrogate_pair_is_refused_like_any_other_fault() -> None:
    assert "half a surrogate pair" in refusal({"number": 1, "items": [{"kind": "\udcf3"}]})[1]
