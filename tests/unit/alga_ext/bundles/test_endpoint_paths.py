"""One normal form of a path: what a manifest declares is what a request finds."""

from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alga_ext.bundles.endpoint_paths import encoded_path, normal_path
from functions.gateway.routing import find_endpoint


@pytest.mark.parametrize(
    ("declared", "normal"),
    [
        ("/", "/"),
        ("/notes", "/notes"),
        ("/notes/:id", "/notes/:id"),
        ("/a%20b", "/a%20b"),
        ("/a%2Db", "/a-b"),
        ("/%61", "/a"),
        ("/a%3ab", "/a:b"),
        ("/a:b", "/a:b"),
        ("/%c3%a4", "/%C3%A4"),
        ("/100%25", "/100%25"),
        ("/%2520", "/%2520"),
        ("/a%22b", "/a%22b"),
        ("/a%2Db:c", "/a-b:c"),
    ],
)
def test_a_path_has_one_normal_form(declared: str, normal: str) -> None:
    assert normal_path(declared, parameters=True) == normal


@pytest.mark.parametrize(
    "path",
    [
        "", "notes", "//", "/a//b", "/a/", "/a b", "/ä", "/a?b", "/a#b", "/a\\b", "/..", "/.", "/%2e%2e", "/%2E",
        "/a%2fb",
        "/%3Aid", "/:", "/:1", "/:a-b", "/%", "/%2", "/%zz", "/a%0ab", "/%00", "/%7f", "/%c2%85", "/%ff", "/%c3",
        "/a\n",
    ],
)  # fmt: skip
def test_a_path_that_no_request_can_have_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"path of an endpoint|segment"):
        normal_path(path, parameters=True)


def test_a_path_is_told_which_segments_it_may_have() -> None:
    with pytest.raises(ValueError, match="must be literal text or a :param, without"):
        normal_path("/a b", parameters=True)
    with pytest.raises(ValueError, match="must be literal text or a :param; it must not be"):
        normal_path("/..", parameters=True)


def test_a_character_that_no_request_can_send_is_written_as_a_question_mark() -> None:
    assert encoded_path("/a\ud800/b") == "/a%3F/b"


def test_a_parameter_is_refused_where_there_are_none() -> None:
    with pytest.raises(ValueError, match="must be literal text, without"):
        normal_path("/:id", parameters=False)


segments = st.text(st.sampled_from("ab-%20cC3a4:.é/~ @!$&'()*+,;="), min_size=1, max_size=8)


@given(st.lists(segments, min_size=1, max_size=3))
def test_the_normal_form_is_its_own_normal_form(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    try:
        normal = normal_path(path, parameters=True)
    except ValueError:
        return

    assert normal_path(normal, parameters=True) == normal
    assert unquote(normal) == unquote(path)


@given(st.lists(segments, min_size=1, max_size=3))
def test_a_declared_path_is_found_by_a_request_for_it(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    try:
        normal = normal_path(path, parameters=False)
    except ValueError:
        return
    as_the_gateway_gets_it = unquote(path)

    assert find_endpoint([{"method": "GET", "path": normal}], "GET", as_the_gateway_gets_it)


@given(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8))
def test_every_encoded_request_path_can_be_declared(segment: str) -> None:
    encoded = encoded_path(f"/{segment}")
    assume(segment not in (".", "..") and not segment.startswith(":"))
    assume(not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in segment))

    assert normal_path(encoded, parameters=False) == encoded
