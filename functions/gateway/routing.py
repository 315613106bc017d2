"""Decide which declared endpoint answers a request: pure rules over methods and paths."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from alga_ext.bundles.endpoint_paths import encoded_path

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READ_METHODS: Final = frozenset({"GET", "HEAD"})


class ExtensionPath(NamedTuple):
    """The parts of a request path: the extension as the caller wrote it, and the path within the extension."""

    extension: str
    path: str


def parse_path(path: str) -> ExtensionPath | None:
    """Split ``/api/ext/{extension}/{path…}``, which API Gateway has decoded, and return the parts.

    Return None for another path, or for a ``.`` or ``..`` segment.
    """
    prefix = "/api/ext/"
    if not path.startswith(prefix):
        return None
    extension, _, rest = path.removeprefix(prefix).partition("/")
    if not extension or any(segment in (".", "..") for segment in (extension, *rest.split("/"))):
        return None
    return ExtensionPath(extension, "/" + rest)


def find_endpoint(endpoints: Iterable[Mapping[str, Any]], method: str, path: str) -> Mapping[str, Any] | None:
    """Return the declared endpoint for a request, or None.

    Args:
        endpoints: from the manifest, with paths in their normal form.
        method: of the request.
        path: of the request within the extension, decoded; it begins with ``/``.

    Each declared segment is literal or ``:param``, and the number of segments must be equal. An endpoint for GET also
    answers HEAD. When several endpoints match, the one with the earliest literal segment wins, so ``/notes/new`` comes
    before ``/notes/:id``.
    """
    wanted = "GET" if method == "HEAD" else method
    segments = encoded_path(path).split("/")  # empty segments count: "//notes" and "/notes/" differ from "/notes"
    matches = [endpoint for endpoint in endpoints if endpoint["method"] == wanted and _fits(endpoint["path"], segments)]
    return min(matches, key=lambda endpoint: _pattern_rank(endpoint["path"]), default=None)


def _fits(pattern: str, segments: list[str]) -> bool:
    parts = pattern.split("/")
    return len(parts) == len(segments) and all(
        (part.startswith(":") and segment != "") or part == segment
        for part, segment in zip(parts, segments, strict=True)
    )


def _pattern_rank(pattern: str) -> list[bool]:
    return [part.startswith(":") for part in pattern.split("/")]
