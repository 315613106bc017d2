"""Which UI files a browser would misread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.registry.publishing.ui_types import content_type_of, misreading

IN_UTF_8 = ["css", "csv", "htm", "html", "js", "mjs", "cjs", "json", "map", "md", "txt"]
NAMING_THEIR_ENCODING = ["svg", "xml", "xhtml"]


@pytest.mark.parametrize("ending", IN_UTF_8)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_text_that_is_not_utf_8_is_misread(ending: str, encoding: str) -> None:
    assert "is not; save it as UTF-8" in (misreading(f"ui/a.{ending}", "größe".encode(encoding)) or "")


def test_the_first_wrong_byte_is_named() -> None:
    assert "its byte 3 is not" in (misreading("ui/a.js", b"//\xff") or "")


@given(st.sampled_from(IN_UTF_8), st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_text_in_utf_8_is_read(ending: str, text: str) -> None:
    assert misreading(f"ui/a.{ending}", text.encode()) is None


@pytest.mark.parametrize("ending", NAMING_THEIR_ENCODING)
def test_a_document_that_names_its_encoding_may_have_another(ending: str) -> None:
    assert misreading(f"ui/a.{ending}", '<?xml version="1.0" encoding="ISO-8859-1"?><a>ö</a>'.encode("latin-1")) is None


@pytest.mark.parametrize(
    ("name", "beginning", "other"),
    [
        ("a.wasm", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"),  # the other is a component
        ("a.WASM", b"\0asm\x01\0\0\0", b""),
        ("a.woff", b"wOFF", b"wOF2"),
        ("a.woff2", b"wOF2", b"wOFF"),
    ],
)
def test_bytes_of_another_kind_are_misread(name: str, beginning: bytes, other: bytes) -> None:
    assert misreading(f"ui/{name}", beginning + b"rest") is None
    assert "its bytes are not" in (misreading(f"ui/{name}", other + b"rest") or "")


def test_a_compressed_drawing_is_misread() -> None:
    assert "publish the SVG itself" in (misreading("ui/a.svgz", b"\x1f\x8b") or "")


@pytest.mark.parametrize("name", ["a.bin", "a", "a.js.br", "a.png"])
def test_other_files_may_have_any_bytes(name: str) -> None:
    assert misreading(f"ui/{name}", b"\xff\xfe\x00") is None


def test_the_type_depends_on_the_last_ending_in_any_case() -> None:
    assert content_type_of("js/app.min.MJS") == "text/javascript; charset=utf-8"
    assert content_type_of("app.js.bin") == "application/octet-stream"
