"""Which declared endpoint answers, against a slow reference."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.routing import METHODS, READ_METHODS, ExtensionPath, find_endpoint, parse_path

_segments = st.sampled_from(["a", "b", "notes", "new", ":id", ":x", "%41", "A"])
patterns = st.lists(_segments, max_size=4).map(lambda parts: "/" + "/".join(parts))
paths = st.lists(st.sampled_from(["a", "b", "notes", "new", "", "x", ":id", "A", "é"]), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
methods = st.sampled_from(["GET", "HEAD", "POST", "DELETE"])


def slow_matches(endpoint: dict[str, Any], method: str, path: str) -> bool:
    """The rule as the contract says it: literal or ``:param``, equal segment count, HEAD is GET."""
    if endpoint["method"] != {"HEAD": "GET"}.get(method, method):
        return False
    ours, theirs = endpoint["path"].split("/"), path.split("/")
    if len(ours) != len(theirs):
        return False
    for pattern, segment in zip(ours[1:], theirs[1:], strict=True):
        if pattern.startswith(":"):
            if not segment:
                return False
        elif pattern != segment:
            return False
    return True


endpoints_lists = st.lists(
    st.fixed_dictionaries({"method": st.sampled_from(["GET", "POST", "DELETE"]), "path": patterns}), max_size=6
)


@given(endpoints_lists, methods, paths)
def test_the_endpoint_found_is_one_that_matches(endpoints: list[dict[str, Any]], method: str, path: str) -> None:
    matching = [endpoint for endpoint in endpoints if slow_matches(endpoint, method, path)]
    found = find_endpoint(endpoints, method, path)

    assert (found is None) == (not matching)
    assert found is None or found in matching


@given(endpoints_lists, methods, paths)
def test_of_several_the_one_with_the_earliest_literal_wins(
    endpoints: list[dict[str, Any]], method: str, path: str
) -> None:
    found = find_endpoint(endpoints, method, path)
    if found is None:
        return
    ranks = [
        [part.startswith(":") for part in endpoint["path"].split("/")]
        for endpoint in endpoints
        if slow_matches(endpoint, method, path)
    ]

    assert [part.startswith(":") for part in found["path"].split("/")] == min(ranks)


def endpoint(path: str, method: str = "GET") -> dict[str, str]:
    return {"method": method, "path": path}


def test_a_literal_comes_before_a_parameter() -> None:
    declared = [endpoint("/notes/:id"), endpoint("/notes/new")]

    assert find_endpoint(declared, "GET", "/notes/new") == endpoint("/notes/new")
    assert find_endpoint(declared, "GET", "/notes/old") == endpoint("/notes/:id")


def test_head_is_answered_by_get() -> None:
    assert find_endpoint([endpoint("/a")], "HEAD", "/a") == endpoint("/a")
    assert find_endpoint([endpoint("/a", "POST")], "HEAD", "/a") is None


def test_these_methods_are_known_and_two_of_them_only_read() -> None:
    assert sorted(METHODS) == ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    assert sorted(READ_METHODS) == ["GET", "HEAD"]


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "get", ""])
def test_another_method_is_not_answered(method: str) -> None:
    assert find_endpoint([endpoint("/a")], method, "/a") is None


@pytest.mark.parametrize("path", ["//a", "/a/", "/a//", "///a", "/A", "/a/b", "/"])
def test_a_path_that_is_not_written_as_declared_is_not_answered(path: str) -> None:
    assert find_endpoint([endpoint("/a")], "GET", path) is None


@pytest.mark.parametrize("path", ["/notes/", "/notes//", "//notes"])
def test_a_parameter_is_never_empty(path: str) -> None:
    assert find_endpoint([endpoint("/notes/:id"), endpoint("/:a/:b")], "GET", path) is None


def test_the_root_is_an_endpoint_of_its_own() -> None:
    assert find_endpoint([endpoint("/"), endpoint("/:a")], "GET", "/") == endpoint("/")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/ext/acme.notes/a/b", ExtensionPath("acme.notes", "/a/b")),
        ("/api/ext/acme.notes", ExtensionPath("acme.notes", "/")),
        ("/api/ext/acme.notes/", ExtensionPath("acme.notes", "/")),
        ("/api/ext/x/a//b", ExtensionPath("x", "/a//b")),
        ("/api/ext/x/a b/ü%", ExtensionPath("x", "/a b/ü%")),
    ],
)
def test_a_path_names_extension_and_path_within_it(path: str, target: ExtensionPath) -> None:
    assert parse_path(path) == target


@pytest.mark.parametrize(
    "path",
    ["", "/", "/api/ext", "/api/ext/", "/api/ext//a", "/api/extra/x", "/API/EXT/x", "//api/ext/x", "/api/ext/x/..",
     "/api/ext/x/../y", "/api/ext/x/./y", "/api/ext/x/a/.", "api/ext/x"],
)  # fmt: skip
def test_any_other_path_names_nothing(path: str) -> None:
    assert parse_path(path) is None


@pytest.mark.parametrize("extension", [".", ".."])
def test_a_dot_segment_is_no_extension(extension: str) -> None:
    assert parse_path(f"/api/ext/{extension}/a") is None
