"""JSON from somebody else is read with one meaning or not at all."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext import strict_json
from alga_ext.strict_json import JsonError
from tests.support.measures import cpu_s_of

_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
documents = st.recursive(
    _scalars | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_what_is_written_is_read_again(document: object) -> None:
    assert strict_json.parse(json.dumps(document).encode()) == document


@given(documents)
def test_what_is_read_can_be_written_by_the_other_encoder(document: object) -> None:
    read = strict_json.parse(json.dumps(document).encode())

    assert strict_json.parse(msgspec.json.encode(read)) == read


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_in_our_own_words(data: bytes) -> None:
    with suppress(JsonError):
        strict_json.parse(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b"[NaN]", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e999]", "too large"),
        (b"[9223372036854775808]", "64 bits"),
        (b"[-9223372036854775809]", "64 bits"),
        (b"[" + b"9" * 5000 + b"]", "parsed"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'["a\\u0000b"]', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b"\xef\xbb\xbf{}", "parsed"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        ("{}".encode("utf-32"), "UTF-8"),
        (b'"\xff"', "UTF-8"),
        (b"", "parsed"),
        (b"{} {}", "parsed"),
        (b"[" * 66 + b"]" * 66, "nested"),
        (b"[" * 200_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
    ],
)
def test_what_other_parsers_read_otherwise_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(JsonError, match=why):
        strict_json.parse(data)


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_of_64_levels_is_read_and_one_more_refused(opened: bytes, closed: bytes) -> None:
    assert strict_json.parse(opened * 64 + b"1" + closed * 64)
    with pytest.raises(JsonError, match="nested deeper than 64 levels"):
        strict_json.parse(opened * 65 + b"1" + closed * 65)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 1e300, -1e300])
def test_the_largest_numbers_are_read(number: float) -> None:
    assert strict_json.parse(json.dumps(number).encode()) == number


def test_many_members_cost_linear_time() -> None:
    members = ",".join(f'"m{number}":0' for number in range(40_000))
    data = f'{{{members},"m39999":1}}'.encode()

    def parse() -> None:
        with pytest.raises(JsonError, match="twice"):
            strict_json.parse(data)

    assert cpu_s_of(parse) < 5
