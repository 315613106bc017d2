"""One rule for paths inside a bundle: nothing that leads out, hides, or reads differently elsewhere."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.bundles.paths import PathError, check_relative


@pytest.mark.parametrize(
    "path", ["a", "ui/index.html", "ui/a b.txt", "ünïcode/é.js", "a/b..c/d", "x" * 512, "-", "~", "a./b."]
)
def test_plain_relative_paths_pass_as_they_stand(path: str) -> None:
    assert check_relative(path) == path


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "1 to 512"),
        ("x" * 513, "1 to 512"),
        ("/etc/passwd", "absolute"),
        ("a//b", "empty segment"),
        ("a/", "empty segment"),
        ("..", "'..'"),
        ("a/../b", "'..'"),
        ("./a", "'.'"),
        (".env", "hidden"),
        ("ui/.git/config", "hidden"),
        ("...", "hidden"),
        ("a\\b", "backslash"),
        ("..\\..\\b", "backslash"),
        ("C:/windows", "colon"),
        ("ui/x:stream", "colon"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("a\x85b", "control"),
        ("a\u202eb", "control"),
        ("a\u200bb", "control"),
        ("a\u2028b", "control"),
        ("a\u2029b", "control"),
        ("a\ud800b", "control"),
        ("e\u0301", "normal form"),
        ("/".join("a" * 33), "has 33 segments; at most 32"),
    ],
)
def test_unsafe_paths_are_refused_with_the_reason(path: str, why: str) -> None:
    with pytest.raises(PathError, match=why):
        check_relative(path)


def test_a_path_of_32_segments_is_accepted() -> None:
    assert check_relative("/".join("a" * 32)) == "/".join("a" * 32)


def test_a_long_path_is_shown_up_to_its_hundredth_character() -> None:
    with pytest.raises(PathError) as refused:
        check_relative(":" + "x" * 200)

    assert str(refused.value) == f"path {':' + 'x' * 99!r} contains a backslash or a colon"


@given(st.text(st.sampled_from("ab./\\:-\0é"), max_size=12) | st.text(max_size=12))
def test_an_accepted_path_stays_inside_wherever_it_is_put(path: str) -> None:
    try:
        check_relative(path)
    except PathError:
        return
    assert posixpath.normpath(posixpath.join("/anywhere", path)) == f"/anywhere/{path}"
