"""A UI's files: how the browser is told to read them, what is stored of them, and the index that names them."""

import hashlib
from collections.abc import Collection

import pytest

from functions.registry.publishing.ui_index import UiFile, Variant, index_document, index_entry, make_file

TYPES = {
    "text/css; charset=utf-8": "css",
    "text/csv; charset=utf-8": "csv",
    "text/html; charset=utf-8": "htm html",
    "text/javascript; charset=utf-8": "js mjs cjs",
    "text/markdown; charset=utf-8": "md",
    "text/plain; charset=utf-8": "txt",
    "application/json": "json map",
    "application/manifest+json": "webmanifest",
    "application/wasm": "wasm",
    "application/xml": "xml",
    "image/svg+xml": "svg",
}
STORED_AS_THEY_ARE = {
    "application/octet-stream": "bin exe",
    "application/pdf": "pdf",
    "application/xhtml+xml": "xhtml",
    "audio/mpeg": "mp3",
    "font/otf": "otf",
    "font/ttf": "ttf",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "image/avif": "avif",
    "image/gif": "gif",
    "image/jpeg": "jpeg jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/x-icon": "ico",
    "video/mp4": "mp4",
    "video/webm": "webm",
}


def halved(data: bytes) -> dict[str, bytes]:
    """A compressor of two forms."""
    half = data[: len(data) // 2]
    return {".br": half, ".gz": half + b"x"}


def made(path: str, size_bytes: int = 256, published: Collection[str] = ()) -> UiFile:
    return make_file(path, b"a" * size_bytes, halved, published)


def suffixes(file: UiFile) -> list[str]:
    return [variant.suffix for variant in file.variants]


@pytest.mark.parametrize(
    ("content_type", "ending", "is_compressed"),
    [
        *((name, ending, True) for name, endings in TYPES.items() for ending in endings.split()),
        *((name, ending, False) for name, endings in STORED_AS_THEY_ARE.items() for ending in endings.split()),
    ],
)
def test_an_ending_tells_the_type_and_the_type_whether_it_is_compressed(
    content_type: str, ending: str, is_compressed: bool
) -> None:
    for path in (f"ui/a/file.min.{ending}", f"ui/FILE.{ending.upper()}"):
        file = made(path)
        assert file.content_type == content_type
        assert suffixes(file) == (["", ".br", ".gz"] if is_compressed else [""])


@pytest.mark.parametrize("path", ["ui/LICENSE", "ui/.html", "ui/a.html/b", "ui/a.htmlx"])
def test_a_file_of_another_ending_is_bytes(path: str) -> None:
    assert made(path).content_type == "application/octet-stream"


@pytest.mark.parametrize(("size_bytes", "stored"), [(0, [""]), (255, [""]), (256, ["", ".br", ".gz"])])
def test_a_small_file_is_not_compressed(size_bytes: int, stored: list[str]) -> None:
    assert suffixes(made("ui/a.js", size_bytes)) == stored


def test_a_file_has_its_bytes_their_hash_and_its_path_below_ui() -> None:
    data = b"a" * 256

    assert make_file("ui/js/ui/a.js", data, halved) == UiFile(
        "js/ui/a.js",
        "text/javascript; charset=utf-8",
        hashlib.sha256(data).hexdigest(),
        (Variant("", data), Variant(".br", data[:128]), Variant(".gz", data[:128] + b"x")),
    )


@pytest.mark.parametrize(("size_bytes", "stored"), [(299, ["", ".br"]), (300, [""]), (301, [""])])
def test_a_variant_that_is_not_smaller_is_left_out(size_bytes: int, stored: list[str]) -> None:
    assert suffixes(make_file("ui/a.js", b"a" * 300, lambda _: {".br": b"b" * size_bytes})) == stored


@pytest.mark.parametrize(
    ("published", "stored"),
    [(["ui/a.js.br"], ["", ".gz"]), (["ui/a.js.br", "ui/a.js.gz"], [""]), (["a.js.br"], ["", ".br", ".gz"])],
)
def test_a_variant_gives_way_to_a_file_of_the_bundle(published: list[str], stored: list[str]) -> None:
    assert suffixes(made("ui/a.js", published=published)) == stored


def test_an_entry_has_size_and_hash_of_each_variant() -> None:
    file = UiFile("a.js", "text/javascript", "ab" * 32, (Variant("", b"abc"), Variant(".br", b"d")))

    assert index_entry(file) == {
        "sha256": "ab" * 32,
        "content_type": "text/javascript",
        "variants": {
            "identity": {"size_bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()},
            ".br": {"size_bytes": 1, "sha256": hashlib.sha256(b"d").hexdigest()},
        },
    }


def test_equal_files_give_an_index_of_equal_bytes() -> None:
    files: dict[str, dict[str, object]] = {"ü.js": {"b": 1, "a": [1, 2]}, "a.js": {}}
    expected = '{"entry":"index.html","extension_id":"e-1","files":{"a.js":{},"ü.js":{"a":[1,2],"b":1}},"version":1}'

    assert index_document("ui/index.html", files, "e-1") == expected.encode()
    assert index_document("ui/index.html", dict(reversed(files.items())), "e-1") == expected.encode()


def test_the_form_of_older_indexes_names_no_extension() -> None:
    assert index_document("ui/a.html", {}, None) == b'{"entry":"a.html","files":{},"version":1}'
