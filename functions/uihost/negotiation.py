"""HTTP negotiation: content encodings, conditional requests and byte ranges (RFC 9110), as pure functions."""

import re
from typing import Final

_ENCODINGS: Final = ((".br", "br"), (".gz", "gzip"))
"""Suffix of the stored form and its name in HTTP, the preferred one first."""

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z", re.IGNORECASE)
_QUALITY: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)\Z", re.IGNORECASE)


def choose_encoding(accept_encoding: str, available: set[str]) -> str:
    """Return the stored form to send: ``.br``, ``.gz`` or ``identity``."""
    accepted = _weights(accept_encoding)
    weights = {
        suffix: weight
        for suffix, name in _ENCODINGS
        if suffix in available and (weight := accepted.get(name, accepted.get("*")))  # not absent, and not 0
    }
    return max(weights, key=lambda suffix: weights[suffix], default="identity")  # of equal weights, the first


def http_name(encoding: str) -> str | None:
    """Return the ``content-encoding`` of a stored form; None for identity."""
    return dict(_ENCODINGS).get(encoding)


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Tell whether ``If-None-Match`` names ``etag`` (weak comparison) or is ``*``."""
    names = [name.strip().removeprefix("W/") for name in if_none_match.split(",")]
    return "*" in names or etag in names


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte of a single satisfiable range.

    None means: send the whole file. RFC 9110 allows this for several ranges and for a malformed range.

    Raises:
        ValueError: the range is well-formed, but it is empty or starts after the end of the file (416).
    """
    match = _RANGE.match(header.strip())
    first_text, last_text = match.groups() if match is not None else ("", "")
    if not first_text and not last_text:
        return None
    if not first_text:
        length = int(last_text)
        if length == 0 or size == 0:
            message = "the range is empty"
            raise ValueError(message)
        return max(0, size - length), size - 1
    first = int(first_text)
    last = min(int(last_text), size - 1) if last_text else size - 1
    if last_text and int(last_text) < first:
        return None
    if first >= size:
        message = "the range starts after the end of the file"
        raise ValueError(message)
    return first, last


def _weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in header.split(",")[:32]:
        name, separator, parameter = item.partition(";")
        quality = _QUALITY.match(parameter.strip())
        # A malformed weight counts as 0, a refusal: every client can read the uncompressed file.
        weights[name.strip().lower()] = float(quality[1]) if quality else (0.0 if separator else 1.0)
    return weights
