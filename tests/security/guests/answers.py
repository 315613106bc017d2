"""Guests whose answers are none."""

from collections.abc import Sequence
from typing import Final

from tests.security.attacks import Attack
from tests.security.guests.wat_snippets import data, numbers
from tests.support.wat import guest

_PAIRS: Final = 2_048
_TEXTS: Final = 8_192


def answering(headers: Sequence[tuple[bytes, bytes]], status: int = 200) -> bytes:
    """Return a guest that answers these headers."""
    places, texts = [], b""
    for pair in headers:
        for text in pair:
            places += [_TEXTS + len(texts), len(text)]
            texts += text
    code = f"""
      (drop (call $respond (i32.const {status}) (i32.const 0) (i32.const 0)))
      (call $headers (i32.const {_PAIRS}) (i32.const {len(headers)}))
      (i32.const 1024)"""
    return guest(code, data=numbers(_PAIRS, *places) + data(_TEXTS, texts))


def repeating(count: int, name_size: int, value_size: int) -> bytes:
    """Return a guest that answers one header many times."""
    return guest(
        f"""
      (local $at i32) (local $round i32) (local $pairs i32) (local $value i32)
      (local.set $pairs (local.tee $at (call $alloc (i32.const {count * 16}))))
      (local.set $value (call $alloc (i32.const {value_size})))
      (memory.fill (local.get $value) (i32.const 121) (i32.const {value_size}))
      (loop $on
        (i32.store offset=0 (local.get $at) (i32.const 2048))
        (i32.store offset=4 (local.get $at) (i32.const {name_size}))
        (i32.store offset=8 (local.get $at) (local.get $value))
        (i32.store offset=12 (local.get $at) (i32.const {value_size}))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $on (i32.lt_u (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const {count}))))
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0)))
      (call $headers (local.get $pairs) (i32.const {count}))
      (i32.const 1024)""",
        data=data(2048, b"x" * name_size),
    )


def _invalid(name: bytes, value: bytes = b"v") -> Attack:
    return Attack(lambda: answering([(b"x-good", b"yes"), (name, value)]), "guest_invalid_response")


def _with_status(status: int) -> Attack:
    return Attack(lambda: answering([], status), "guest_invalid_response")


_STATUSES: Final = (0, 1, 99, 100, 101, 199, 600, 999, 65_535)
_NAMES: Final = {
    "nothing": b"",
    "a space": b"x y",
    "a space at its end": b"x ",
    "a colon": b"x:y",
    "a line's end": b"x\r\nset-cookie",
    "a bare line feed": b"x\ny",
    "NUL": b"x\0y",
    "a letter outside ASCII": "ä".encode(),
    "a tab": b"x\ty",
    "four kilobytes": b"x" * 4_096,
    "a pseudo header": b":status",
}
_VALUES: Final = {
    "a line's end": b"v\r\nset-cookie: session=stolen",
    "a line's end and a body": b"v\r\n\r\n<script>",
    "a bare line feed": b"v\nset-cookie: session=stolen",
    "a bare carriage return": b"v\rset-cookie: session=stolen",
    "NUL": b"v\0w",
    "a control character": b"v\x1bw",
    "DEL": b"v\x7fw",
    "a line's end disguised as a wide character": "v\u010d\u010aset-cookie: x".encode(),
    "a letter that no header can carry": "v\u20ac".encode(),
}

ATTACKS: Final[dict[str, Attack]] = {
    **{f"status {status}": _with_status(status) for status in _STATUSES},
    **{f"a header name with {what}": _invalid(name) for what, name in _NAMES.items()},
    **{f"a header value with {what}": _invalid(b"x", value) for what, value in _VALUES.items()},
    "ten thousand headers": Attack(lambda: repeating(10_000, 3, 3), "response_too_large"),
    "ten thousand headers of a kilobyte": Attack(lambda: repeating(10_000, 3, 1_000), "response_too_large"),
    "one header more than allowed": Attack(lambda: repeating(257, 3, 3), "response_too_large"),
    "headers larger than allowed": Attack(lambda: repeating(40, 3, 1_000), "response_too_large"),
    "a header of a megabyte": Attack(lambda: repeating(1, 3, 1_000_000), "response_too_large"),
    "a body one byte over the limit": Attack(
        lambda: guest("(call $respond (i32.const 200) (call $alloc (i32.const 4194305)) (i32.const 4194305))"),
        "response_too_large",
    ),
    "a body of twenty megabytes": Attack(
        lambda: guest("(call $respond (i32.const 200) (call $alloc (i32.const 20000000)) (i32.const 20000000))"),
        "response_too_large",
    ),
}
