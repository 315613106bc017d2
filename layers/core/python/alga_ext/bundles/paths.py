"""The rule for paths inside a bundle; manifest, archive and UI host share it."""

import unicodedata
from typing import Final

DEPTH_LIMIT: Final = 32
"""Maximum number of segments of a path; it limits the time to match a path against globs."""


class PathError(ValueError):
    """A path breaks the rule; the message says how."""


def check_relative(path: str) -> str:
    """Return ``path`` unchanged when it is a safe relative file path.

    A safe path has 1 to 512 characters in Unicode normal form C, and at most ``DEPTH_LIMIT`` segments separated by
    ``/``. It has no empty, ``.`` or ``..`` segment, no segment that starts with a dot (hidden), no control character,
    no backslash and no colon.

    Raises:
        PathError: the path breaks the rule.
    """
    shown = path[:100]
    if not 1 <= len(path) <= 512:
        message = f"a path must have 1 to 512 characters; this one has {len(path)}"
        raise PathError(message)
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in path):
        message = f"path {shown!r} contains a control character"
        raise PathError(message)
    if "\\" in path or ":" in path:
        message = f"path {shown!r} contains a backslash or a colon"
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
