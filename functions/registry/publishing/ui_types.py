"""Content types of UI files, and which files a browser would misread (pure)."""

from pathlib import PurePosixPath
from typing import Final

# Fixed here and not read from the machine's mime.types, so that a bundle has the same index everywhere.
_TYPES: Final = {
    ".avif": "image/avif",
    ".cjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".gif": "image/gif",
    ".htm": "text/html; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
}
_BEGINNINGS: Final = {
    # A component of the component model begins with another version; no browser runs it.
    ".wasm": (b"\0asm\x01\0\0\0", "a WebAssembly module"),
    ".woff": (b"wOFF", "a WOFF font"),
    ".woff2": (b"wOF2", "a WOFF2 font"),
}
"""How a file with this ending begins. A browser refuses another one."""
_IN_UTF_8: Final = (*(kind for kind in set(_TYPES.values()) if kind.endswith("charset=utf-8")), "application/json")


def content_type_of(path: str) -> str:
    """Return the content type with which a file is served. It depends on the ending of its name alone."""
    return _TYPES.get(PurePosixPath(path).suffix.lower(), "application/octet-stream")


def misreading(path: str, data: bytes) -> str | None:
    """Return why a browser would misread a file that is served with its content type, or None.

    A text is served as UTF-8, so one in another encoding would be shown with wrong characters. XML and SVG name their
    encoding themselves.
    """
    ending = PurePosixPath(path).suffix.lower()
    if ending == ".svgz":
        return "it is compressed, and browsers are not told so; publish the SVG itself, the platform compresses it"
    beginning, what = _BEGINNINGS.get(ending, (b"", ""))
    if not data.startswith(beginning):
        return f"its name ends with {ending!r}, but its bytes are not {what}"
    if content_type_of(path) in _IN_UTF_8:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            return f"text is served as UTF-8, and its byte {error.start + 1} is not; save it as UTF-8"
    return None
