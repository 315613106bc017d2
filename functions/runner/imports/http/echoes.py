"""Find secrets that a server sends back, in the forms in which servers usually write text (pure).

A value is found as it is, in any case, as base64 (alone or inside a longer text), as hex, and as text that was escaped
for URLs, JSON or HTML. A value that a server transforms in another way is not found.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

WATCHED_LEAST_CHARACTERS: Final = 16
"""Shorter values are not looked for: they occur in ordinary answers by chance."""
_WINDOW_BYTES: Final = 256 * 1024
"""How many bytes are searched at once. Windows overlap, so that what one of them cuts is whole in the next."""
_LONGEST_ESCAPE_BYTES: Final = 16
"""The most bytes that an escape for one byte of a value takes."""

_BACKSLASH_U = re.compile(rb"(?:\\u[0-9a-f]{4})+")
_BACKSLASH_X = re.compile(rb"(?:\\x[0-9a-f]{2})+")
_PERCENT = re.compile(rb"(?:%[0-9a-f]{2})+")
_ENTITY = re.compile(rb"&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));")
_NAMED: Final = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_LARGEST_CODE_POINT: Final = 0x10FFFF


class Echoes:
    """Looks for the values of secrets in responses.

    Args:
        values: by name of the secret. Values of less than ``WATCHED_LEAST_CHARACTERS`` characters are not looked for.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._needles = [(name, needle) for name, value in values.items() for needle in sorted(_needles(value))]
        longest = max((len(needle) for _, needle in self._needles), default=0)
        self._overlap_bytes = _LONGEST_ESCAPE_BYTES * longest
        self._window_bytes = max(_WINDOW_BYTES, 2 * self._overlap_bytes)

    def __bool__(self) -> bool:
        """Tell whether there is any value to look for."""
        return bool(self._needles)

    def why_refused(self, headers: Iterable[tuple[str, str]], body: bytes) -> str | None:
        """Return why a response must not reach the guest, as the end of a sentence about the server, or None.

        It contains a secret, or it is compressed and so cannot be searched. Header names are in lower case.
        """
        if not self._needles:
            return None
        lines = []
        for name, value in headers:
            if body and name == "content-encoding" and value.strip().lower() not in ("", "identity"):
                return (
                    "compressed its response although it was asked not to, so the response cannot be searched for "
                    "secrets"
                )
            lines.append(f"{name}: {value}")
        secret = self.found_in("\n".join(lines).encode("latin-1", "replace")) or self.found_in(body)
        return None if secret is None else f"sent the value of secret {secret} back"

    def found_in(self, data: bytes) -> str | None:
        """Return the name of a secret that occurs in ``data``, or None.

        The time is in proportion to the size of ``data``. Decoded text is held for one window at a time.
        """
        if not self._needles:
            return None
        step_bytes = self._window_bytes - self._overlap_bytes
        for start in range(0, len(data), step_bytes):
            for text in _readings(data[start : start + self._window_bytes]):
                for name, needle in self._needles:
                    if needle in text:
                        return name
        return None


def _needles(value: str) -> set[bytes]:
    found: set[bytes] = set()
    text = value.strip()
    # A server that decodes Basic credentials may return the password alone.
    parts = [part for part in (text, text.partition(":")[2]) if len(part) >= WATCHED_LEAST_CHARACTERS]
    for part in parts:
        for encoding in ("utf-8", "latin-1"):
            with suppress(UnicodeEncodeError):
                raw = part.encode(encoding)
                # Forms write a space as a plus sign.
                forms = {raw, raw.replace(b" ", b"+"), raw.hex().encode(), *_base64_forms(raw)}
                found |= {spelling for form in forms for spelling in _without_backslashes(form.lower())}
    return found


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """Yield the base64 characters that stand for ``raw`` alone, when 0, 1 or 2 other bytes come before it."""
    for before, start in ((0, 0), (1, 2), (2, 3)):
        end = 8 * (before + len(raw)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw)[start:end]


def _readings(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` in lower case, as it is and with one kind of escape after the other decoded."""
    lower = data.lower()
    for text in dict.fromkeys([lower, lower.replace(b"\0", b"")]):  # UTF-16 and UTF-32 have zero bytes
        yield from _without_backslashes(text)
        for decode in _DECODERS:
            decoded = decode(text)
            if decoded != text:
                text = decoded.lower()
                yield from _without_backslashes(text)


def _without_backslashes(text: bytes) -> Iterable[bytes]:
    r"""Return ``text``, and the forms of it in which escapes like ``\/`` and line breaks do not matter.

    The forms are made of values and of responses alike, and then compared: without backslashes; and without line
    breaks, written as they are or as ``\r`` and ``\n``, as well.
    """
    lines = text.replace(b"\\r", b"").replace(b"\\n", b"").translate(None, b"\r\n\\")
    return dict.fromkeys([text, text.translate(None, b"\\"), lines])


def _decode_runs(pattern: re.Pattern[bytes], escape: bytes, decoded: Callable[[bytes], bytes], text: bytes) -> bytes:
    """Decode each run of escapes. A body may consist of millions of runs, so each different run is decoded once."""
    if escape not in text:
        return text
    known: dict[bytes, bytes] = {}

    def decode(match: re.Match[bytes]) -> bytes:
        run = match[0]
        found = known.get(run)
        if found is None:
            found = known[run] = decoded(bytes.fromhex(run.replace(escape, b"").decode()))
        return found

    return pattern.sub(decode, text)


def _from_utf16(data: bytes) -> bytes:
    return data.decode("utf-16-be", "replace").encode()


def _decode_entities(text: bytes) -> bytes:
    if b"&" not in text:
        return text
    return _ENTITY.sub(_entity, text)


def _entity(match: re.Match[bytes]) -> bytes:
    if match[3]:
        return _NAMED[match[3]]
    code_point = int(match[1], 16) if match[1] else int(match[2])
    return chr(code_point).encode("utf-8", "replace") if code_point <= _LARGEST_CODE_POINT else match[0]


def _decode_backslash_u(text: bytes) -> bytes:
    return _decode_runs(_BACKSLASH_U, b"\\u", _from_utf16, text)


_DECODERS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    _decode_backslash_u,
    lambda text: _decode_runs(_BACKSLASH_X, b"\\x", bytes, text),
    lambda text: _decode_runs(_PERCENT, b"%", bytes, text),
    _decode_backslash_u,  # JSON in a URL
    _decode_entities,
)
