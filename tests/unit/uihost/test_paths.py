"""What a path at the UI host names, and what it may not hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.uihost.paths import parse
from tests.support.refusals import code_of

HEX = "ab" * 32
BASE = f"/ext-ui/ext-1/{HEX}"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("", ""),
        ("/", ""),
        ("/index.html", "index.html"),
        ("/a/b/c.js", "a/b/c.js"),
        ("/a/", "a"),
        ("/a%20b.js", "a b.js"),
        ("/%C3%BC.js", "ü.js"),
        ("/a%2Bb+c", "a+b+c"),
        ("/100%25", "100%"),
        ("/a%3Fb", "a?b"),
        ("/%252e%252e/x", "%2e%2e/x"),
    ],
)
def test_a_path_is_decoded_once(raw: str, path: str) -> None:
    found = parse(BASE + raw)

    assert (found.extension_id, found.content_hash, found.path) == ("ext-1", f"sha256:{HEX}", path)


@pytest.mark.parametrize("content_hash", [HEX, f"sha256:{HEX}", f"sha256%3A{HEX}"])
@pytest.mark.parametrize(("rest", "path"), [("", ""), ("/", ""), ("/index.html", "index.html"), ("/a/b.js", "a/b.js")])
def test_the_extension_may_be_left_out(content_hash: str, rest: str, path: str) -> None:
    assert parse(f"/ext-ui/{content_hash}{rest}") == (None, f"sha256:{HEX}", path)


@pytest.mark.parametrize("extension", ["ext-1", "ext%2D1"])
def test_an_extension_that_was_taken_out_of_the_path_is_read_like_one_in_the_path(extension: str) -> None:
    assert parse(f"/ext-ui/{HEX}/a", extension) == parse(f"{BASE}/a") == ("ext-1", f"sha256:{HEX}", "a")


@pytest.mark.parametrize("extension", [".", "..", ".x", "a/b", "a%2Fb", "%5C", "%00", "%ff", "%", "\ud800"])
def test_an_extension_that_was_taken_out_of_the_path_is_refused_like_one_in_the_path(extension: str) -> None:
    assert code_of(lambda: parse(f"/ext-ui/{HEX}/a", extension)) == "ui_path_invalid"


def test_the_extension_in_the_path_wins() -> None:
    assert parse(f"{BASE}/a", "ext-2").extension_id == "ext-1"


def test_of_two_hashes_the_first_is_the_bundle() -> None:
    assert parse(f"/ext-ui/{'cd' * 32}/{HEX}/a") == (None, f"sha256:{'cd' * 32}", f"{HEX}/a")


@pytest.mark.parametrize("content_hash", [HEX, f"sha256:{HEX}", f"sha256%3A{HEX}"])
def test_a_content_hash_is_read_with_and_without_its_prefix(content_hash: str) -> None:
    assert parse(f"/ext-ui/x/{content_hash}/a").content_hash == f"sha256:{HEX}"


@pytest.mark.parametrize(
    "content_hash", ["", HEX[:-1], HEX.upper(), f"sha512:{HEX}", f"{HEX}%0a", "latest", f"sha256:sha256:{HEX}"]
)
def test_what_is_no_content_hash_is_invalid(content_hash: str) -> None:
    assert code_of(lambda: parse(f"/ext-ui/x/{content_hash}/a")) == "ui_path_invalid"


@pytest.mark.parametrize("raw", ["/", "", "/ext-ui", "/EXT-UI/x", "/api/ext-ui/x", "//ext-ui/x"])
def test_another_prefix_is_not_found(raw: str) -> None:
    assert code_of(lambda: parse(raw)) == "ui_not_found"


@pytest.mark.parametrize(
    "raw", ["/ext-ui/", "/ext-ui/x", "/ext-ui/x/", f"/ext-ui//{HEX}/a", f"/ext-ui/./{HEX}/a", f"/ext-ui/..%2f/{HEX}/a"]
)
def test_a_path_without_extension_or_hash_is_invalid(raw: str) -> None:
    assert code_of(lambda: parse(raw)) == "ui_path_invalid"


@pytest.mark.parametrize(
    "raw",
    [
        "/..",
        "/../x",
        "/a/../b",
        "/.",
        "/./a",
        "/.env",
        "/a/.git/config",
        "/%2e%2e/x",
        "/%2E/x",
        "/.%2e/x",
        "/%2eenv",
        "/a%2fb",
        "/a%2F..%2Fb",
        "/a%5cb",
        "/a\\b",
        "/%5c..%5cb",
        "/a%00b",
        "/a%0ab",
        "/a%0d%0ab",
        "/a%7fb",
        "/a%1f",
        "/a%c2%85b",
        "/a%e2%80%a8b",
        "/a%e2%80%a9b",
        "/a%e2%80%aeb",
        "//a",
        "/a//b",
        "/a//",
        "/%",
        "/%2",
        "/%zz",
        "/a%u0041",
        "/%ff",
        "/%c0%ae%c0%ae",
        "/\ud800",
    ],
)
def test_a_path_that_hides_leads_out_or_reads_two_ways_is_invalid(raw: str) -> None:
    assert code_of(lambda: parse(BASE + raw)) == "ui_path_invalid"


@given(st.text(st.sampled_from("ab/.%2eE5cCfF\\0 "), max_size=16))
def test_whatever_is_named_lies_inside(raw: str) -> None:
    if code_of(lambda: parse(f"{BASE}/{raw}")) is not None:
        return
    path = parse(f"{BASE}/{raw}").path

    assert not path.startswith("/")
    assert "\\" not in path
    assert not any(segment.startswith(".") or not segment for segment in path.split("/") if path)


@given(st.text(max_size=40))
def test_any_path_is_read_or_refused_in_our_words(raw: str) -> None:
    assert code_of(lambda: parse(raw)) in (None, "ui_path_invalid", "ui_not_found")
