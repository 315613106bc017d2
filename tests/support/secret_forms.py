"""The forms in which servers write a value that they send back."""

import base64
import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus


def _json_php(text: str) -> bytes:
    return json.dumps(text)[1:-1].replace("/", "\\/").encode()


def json_every(text: str) -> bytes:
    """Return a text with each UTF-16 unit written as an escape of JSON."""
    units = text.encode("utf-16-be")
    return b"".join(b"\\u%02X%02x" % (units[at], units[at + 1]) for at in range(0, len(units), 2))


def _json_some(text: str) -> bytes:
    # As Go and JavaScript writers do for HTML.
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    for character in "&<>'":
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return escaped.encode()


FORMS: Final[dict[str, Callable[[str], bytes]]] = {
    "plain": str.encode,
    "upper case": lambda text: text.encode().upper(),
    "lower case": lambda text: text.encode().lower(),
    "utf-16": lambda text: text.encode("utf-16-le"),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).rstrip(b"="),
    "base64 after one byte": lambda text: base64.b64encode(b":" + text.encode()),
    "base64 after two bytes": lambda text: base64.b64encode(b"a:" + text.encode() + b"z"),
    "base64 after a word": lambda text: base64.b64encode(b"Bearer " + text.encode() + b"\n"),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()),
    "base64 in JSON of PHP": lambda text: base64.b64encode(text.encode()).replace(b"/", b"\\/"),
    "base64 in a URL": lambda text: quote(base64.b64encode(text.encode()), safe="").encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "hex in capitals": lambda text: text.encode().hex().upper().encode(),
    "url": lambda text: quote(text, safe="").encode(),
    "url, every byte": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()).encode(),
    "form": lambda text: quote_plus(text).encode(),
    "json": lambda text: json.dumps(text).encode(),
    "json in UTF-8": lambda text: json.dumps(text, ensure_ascii=False).encode(),
    "json of PHP": _json_php,
    "json, every character": json_every,
    "json for HTML": _json_some,
    "json in json": lambda text: json.dumps(json.dumps(text)).encode(),
    "json in a URL": lambda text: quote(json.dumps(text), safe="").encode(),
    "python": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()).encode(),
    "html": lambda text: html.escape(text).encode(),
    "html, every character": lambda text: "".join(f"&#{ord(one)};" for one in text).encode(),
    "html, every character in hex": lambda text: "".join(f"&#x{ord(one):X};" for one in text).encode(),
}
