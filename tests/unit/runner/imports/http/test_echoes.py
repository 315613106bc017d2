"""A secret is found in a response in each form in which servers write text, wherever in the response it is."""

import json
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.runner.imports.http.echoes import WATCHED_LEAST_CHARACTERS, Echoes
from tests.support.secret_forms import FORMS, json_every

AROUND: Final[dict[str, Callable[[bytes], bytes]]] = {
    "alone": lambda found: found,
    "in a field": lambda found: b'{"headers":{"authorization":"Bearer ' + found + b'"}}',
    "after a backslash": lambda found: b"\\" + found,
    "at the end of much text": lambda found: b"x" * 300_000 + found,
    "at the end of a window": lambda found: b"x" * (256 * 1024 - 20) + found + b"y" * 100_000,
    "at the end of the overlap": lambda found: b"x" * (256 * 1024 - 2_000) + found + b"y" * 4_000,
    "among escapes": lambda found: b"%41\\u0042&amp;" * 50 + found + b"%",
}
_ASCII = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
values = st.text(_ASCII | st.sampled_from(" äéÿ/+&<>\"'\\%"), min_size=16, max_size=80).filter(
    lambda text: len(text.strip()) >= WATCHED_LEAST_CHARACTERS
)
examples = settings(max_examples=40, derandomize=True, deadline=None, database=None)


@pytest.mark.parametrize("form", FORMS)
@examples
@given(value=values, around=st.sampled_from([name for name in AROUND if "end" not in name]))
def test_a_value_is_found_in_every_form(form: str, value: str, around: str) -> None:
    body = AROUND[around](FORMS[form](value.strip()))
    assert Echoes({"KEY": value}).found_in(body) == "KEY"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", AROUND)
def test_a_value_is_found_in_every_place(form: str, around: str) -> None:
    body = AROUND[around](FORMS[form]("s3cr3t/value+with&more <9>"))
    assert Echoes({"KEY": "s3cr3t/value+with&more <9>"}).found_in(body) == "KEY"


@examples
@given(value=values, body=st.binary(max_size=400))
def test_a_body_without_the_value_is_not_refused(value: str, body: bytes) -> None:
    folded = value.strip().lower().encode()
    assert folded in body.lower() or Echoes({"KEY": value}).found_in(body) is None


@pytest.mark.parametrize("form", FORMS)
def test_a_value_that_differs_in_one_character_is_not_the_value(form: str) -> None:
    body = FORMS[form]("s3cr3t-value-0123456789")
    assert Echoes({"KEY": "s3cr3t-value-0123466789"}).found_in(body) is None


@pytest.mark.parametrize(("size", "is_found"), [(15, False), (16, True), (17, True)])
def test_values_of_sixteen_characters_and_more_are_looked_for(size: int, is_found: bool) -> None:
    value = "0123456789abcdefg"[:size]
    echoes = Echoes({"KEY": value})
    assert (bool(echoes), echoes.found_in(value.encode()) == "KEY") == (is_found, is_found)


def test_the_password_of_basic_credentials_is_found_alone() -> None:
    assert Echoes({"KEY": "user:s3cr3t-password-1"}).found_in(b'{"password":"s3cr3t-password-1"}') == "KEY"


def test_a_value_of_several_lines_is_found_as_json() -> None:
    value = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\n-----END KEY-----\n"
    assert Echoes({"KEY": value}).found_in(json.dumps({"k": value}).encode()) == "KEY"


def test_the_secret_that_was_found_is_named() -> None:
    echoes = Echoes({"A": "first-secret-0123456", "B": "other-secret-0123456"})
    assert echoes.found_in(b"... other-secret-0123456 ...") == "B"


def test_without_values_nothing_is_looked_for() -> None:
    assert not Echoes({})
    assert Echoes({}).found_in(b"anything") is None


def test_a_very_long_value_is_found_across_windows() -> None:
    value = "".join(f"{number:05d}/" for number in range(8_000))
    body = b"x" * 1_000_000 + json_every(value) + b"y" * 1_000_000
    assert Echoes({"KEY": value}).found_in(body) == "KEY"


@pytest.mark.parametrize("offset", [1, 256, 496, 511, 512])
def test_a_value_in_its_longest_escapes_is_found_wherever_a_window_cuts_it(offset: int) -> None:
    value = "0123456789abcdef"
    escaped = b"".join(b"%%26%%23%%780000%02x;" % digit for digit in value.encode().hex().encode())
    body = b"x" * (256 * 1024 - offset) + escaped + b"y" * 1_000

    assert len(escaped) == 16 * 2 * len(value) == 512
    assert Echoes({"KEY": value}).found_in(body) == "KEY"


@pytest.mark.parametrize(
    ("form", "other"),
    [
        *((form, "r3cr3t-value-0123456789") for form in FORMS),
        *((form, "s3cr3t-value-012345678y") for form in FORMS),
        ("base64", "33cr3t-value-0123456789"),
        ("base64 for URLs", "33cr3t-value-0123456789"),
        ("plain", "s3cr3t-value-x0123456789"),
    ],
)
def test_a_value_that_differs_at_an_end_is_not_the_value(form: str, other: str) -> None:
    assert Echoes({"KEY": "s3cr3t-value-0123456789"}).found_in(FORMS[form](other)) is None


@pytest.mark.parametrize(
    ("character", "written"),
    [
        ("&", b"&amp;"),
        ("<", b"&lt;"),
        (">", b"&gt;"),
        ('"', b"&quot;"),
        ("'", b"&apos;"),
        ("\U0010ffff", b"&#x10ffff;"),
        ("\U0010ffff", b"&#1114111;"),
        ("A", b"&#x000041;"),
        ("A", b"&#0000065;"),
    ],
)
def test_a_character_written_as_an_html_entity_is_found(character: str, written: bytes) -> None:
    assert Echoes({"KEY": f"01234567{character}89abcdef"}).found_in(b"01234567%b89abcdef" % written) == "KEY"


@pytest.mark.parametrize(
    "text",
    [
        "&#x110000;",
        "&#1114112;",
        "&#;",
        "&#x;",
        "&#x0000041;",
        "&#00000065;",
        "&nbsp;",
        "&amp",
        "&#x41",
        "\\u004",
        "%4",
    ],
)
def test_what_is_no_escape_stays_as_it_is(text: str) -> None:
    value = f"0123456789abcdef < {text}"

    assert Echoes({"KEY": value}).found_in(b"0123456789abcdef &lt; " + text.encode()) == "KEY"


@pytest.mark.parametrize("text", [b"\\ud800", b"\\udc00\\ud800", b"&#xd800;", b"&#xdfff;", b"\xff\xfe", b"%ff"])
def test_text_that_is_not_unicode_is_searched_nevertheless(text: bytes) -> None:
    echoes = Echoes({"KEY": "0123456789abcdef"})

    assert echoes.found_in(text) is None
    assert echoes.found_in(text + b"0123456789ABCDEF" + text) == "KEY"


def test_a_value_of_lines_is_found_however_lines_are_ended() -> None:
    value = "first line\r\nother line\r\nthird line"

    for body in (b"first line\nother line\nthird line", json.dumps(value).encode(), json.dumps([value] * 2).encode()):
        assert Echoes({"KEY": value}).found_in(body) == "KEY"


SECRET: Final = "s3cr3t-value-0123456789"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], SECRET.encode()),
        ([("x-echo", SECRET)], b""),
        ([("a", "b"), ("x-echo", f"Bearer {SECRET}"), ("c", "d")], b"text"),
        ([("content-encoding", "identity")], SECRET.encode()),
        ([("content-encoding", " Identity ")], SECRET.encode()),
        ([("content-encoding", "")], SECRET.encode()),
        ([("x-encoding", "gzip")], SECRET.encode()),
        ([("content-encoding", SECRET)], b""),
        ([("x-city", "Łódź")], SECRET.encode()),
    ],
)
def test_a_response_with_a_secret_is_refused_and_the_secret_is_named(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    reason = Echoes({"KEY": SECRET}).why_refused(headers, body)
    assert reason is not None
    assert "secret KEY" in reason
    assert SECRET not in reason


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip", "identityx"])
def test_a_response_that_cannot_be_searched_is_refused(encoding: str) -> None:
    reason = Echoes({"KEY": SECRET}).why_refused([("a", "b"), ("content-encoding", encoding)], b"\x1f\x8b")
    assert reason is not None
    assert "compressed" in reason


@pytest.mark.parametrize(
    ("values", "headers", "body"),
    [
        ({"KEY": SECRET}, [], b""),
        ({"KEY": SECRET}, [("x-city", "Łódź"), ("content-type", "text/plain")], b"text"),
        ({"KEY": SECRET}, [("content-encoding", "gzip")], b""),
        ({}, [("content-encoding", "gzip")], b"\x1f\x8b"),
        ({"KEY": "too short"}, [("x-echo", "too short")], b"too short"),
    ],
)
def test_any_other_response_passes(values: dict[str, str], headers: list[tuple[str, str]], body: bytes) -> None:
    assert Echoes(values).why_refused(headers, body) is None
