"""A cursor leads to where a page ended, and to nothing else."""

import base64

import pytest

from functions.registry.api.paging import decode_cursor, encode_cursor
from tests.support.refusals import code_of


@pytest.mark.parametrize("position", [("acme",), ("2026-06-01T00:00:00+00:00", "sha256:ä"), ("a", "b", 'c"\n')])
def test_a_cursor_reads_back(position: tuple[str, ...]) -> None:
    assert decode_cursor(encode_cursor(*position), ("",) * len(position)) == position


@pytest.mark.parametrize("cursor", [None, ""])
def test_without_a_cursor_the_first_page_is_meant(cursor: str | None) -> None:
    assert decode_cursor(cursor, ("-infinity", "")) == ("-infinity", "")


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "!!!", encoded("x"), encoded("{}"), encoded('{"0":"a","1":"b"}'), encoded('"ab"'), encoded('["a"]'),
     encoded('["a","b","c"]'), encoded("[1,2]"), encoded('["a",1]'), encoded('["a",null]'), encoded("[" * 1_000)],
)  # fmt: skip
def test_a_cursor_of_another_form_is_refused(cursor: str) -> None:
    assert code_of(lambda: decode_cursor(cursor, ("", ""))) == "invalid_request"


def test_a_cursor_is_safe_in_a_url() -> None:
    cursors = [encode_cursor("?" * length, "ÿ>") for length in range(4)]

    assert not any(set(cursor) & set("+/=&?%") for cursor in cursors)
