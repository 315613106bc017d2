"""The rule for paths inside a bundle, shared by manifest, archive and UI host."""

import unicodedata
from typing import Final

DEPTH_LIMIT: Final = 32
"""Segments of a path; it bounds what matching a path against globs can cost."""


class PathError(ValueError):
    """A path that does not keep the rule; the message says which part of it."""


def check_relative(path: str) -> str:
    """Return ``path`` when it is a safe relative file path, as it stands.

    It has 1–512 characters in NFC and at most ``DEPTH_LIMIT`` segments with ``/`` between them, no empty, ``.`` or
    ``..`` segment, no segment that starts with a dot (hidden), no control character, no backslash and no drive colon.

    Raises:
        PathError: it breaks the rule.
    """
    shown = path[:100]
    if not 1 <= len(path) <= 512:
        message = f"a path has 1 to 512 characters; this one has {len(path)}"
        raise PathError(message)
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in path):
        message = f"path {shown!r} holds a control character"
        raise PathError(message)
    if "\\" in path or ":" in path:
        message = f"path {shown!r} holds a backslash or a colon"
        raise PathError(message)
    if unicodedata.normalize("NFC", path) != path:
        message = f"path {shown!r} is not in Unicode normal form C"
        raise PathError(message)
    segments = path.split("/")
    if len(segments) > DEPTH_LIMIT:
        message = f"path {shown!r} has {len(segments)} segments; at most {DEPTH_LIMIT} are allowed"
        raise PathError(message)
    for segment in segments:
        if not segment:
            message = f"path {shown!r} is absolute or has an empty segment"
            raise PathError(message)
        if segment.startswith("."):
            message = f"path {shown!r} has a hidden, '.' or '..' segment"
            raise PathError(message)
    return path
