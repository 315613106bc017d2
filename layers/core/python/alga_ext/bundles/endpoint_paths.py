"""The normal form of an endpoint's path, in which paths of manifests and of requests are compared (pure).

API Gateway decodes the path of a request, so ``/a%20b``, ``/a b`` and ``/%61%20b`` are the same path. The normal form
escapes only what a path cannot contain (RFC 3986, ``pchar``), and writes escapes in upper case.
"""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

_SAFE: Final = ":@!$&'()*+,;=~"
_PARAMETER: Final = re.compile(r":[A-Za-z_][A-Za-z0-9_]*\Z")
_LITERAL: Final = re.compile(r"(?!:)(?:[A-Za-z0-9._~!$&'()*+,;=@:-]|%[0-9A-Fa-f]{2})+\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def encoded_path(path: str) -> str:
    """Percent-encode a decoded path into its normal form. The result is ASCII, which every store can keep."""
    return quote(path, safe="/" + _SAFE, errors="replace")


def normal_path(path: str, *, parameters: bool) -> str:
    """Return the normal form of a path that a manifest declares.

    Args:
        path: begins with ``/``; each segment is literal text or, with ``parameters``, a ``:param``.
        parameters: whether segments may be parameters.

    Raises:
        ValueError: the path is not valid; the message says why.
    """
    if not path.startswith("/"):
        message = "the path of an endpoint or a handler must start with '/'"
        raise ValueError(message)
    if path == "/":
        return path
    return "/" + "/".join(_normal_segment(segment, path, parameters=parameters) for segment in path[1:].split("/"))


def _normal_segment(segment: str, path: str, *, parameters: bool) -> str:
    if parameters and _PARAMETER.match(segment):
        return segment
    forms = "literal text or a :param" if parameters else "literal text"
    if not _LITERAL.match(segment):
        message = (
            f"segment {segment!r} of {path!r} must be {forms}, without spaces or special characters; "
            "write any other character as %XX"
        )
        raise ValueError(message)
    try:
        decoded = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        message = f"segment {segment!r} of {path!r} has escapes that are not UTF-8"
        raise ValueError(message) from None
    if decoded in (".", "..") or "/" in decoded or decoded.startswith(":") or _CONTROL.search(decoded):
        message = (
            f"segment {segment!r} of {path!r} must be {forms}; it must not be '.' or '..', and must not contain an "
            "escaped slash, an escaped ':' at its start or a control character"
        )
        raise ValueError(message)
    return quote(decoded, safe=_SAFE)
