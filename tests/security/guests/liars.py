"""Guests that break the canonical ABI: pointers, lengths, texts and cases that are none."""

from typing import Final

from tests.security.attacks import Attack
from tests.security.guests.wat_snippets import REALLOC, altered, data, numbers
from tests.support.wat import guest

_END: Final = 2 * 65_536


def _log(at: int, size: int, content: bytes = b"text") -> Attack:
    return Attack(
        lambda: guest(
            f"(call $logging.log-info (i32.const {at}) (i32.const {size})) (unreachable)",
            imports=["logging.log-info"],
            data=data(2048, content),
        ),
        "guest_trapped",
    )


def _fetch(headers: tuple[int, int], result: int = 2048, extra: str = "") -> Attack:
    return Attack(
        lambda: guest(
            f"""(call $http.fetch (i32.const 2100) (i32.const 3) (i32.const 2100) (i32.const 3)
                  (i32.const {headers[0]}) (i32.const {headers[1]})
                  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {result})) (unreachable)""",
            imports=["http.fetch"],
            data=data(2100, "GET") + extra,
        ),
        "guest_trapped",
    )


def _put(value: tuple[int, int], revision: int = 0) -> Attack:
    return Attack(
        lambda: guest(
            f"""(call $storage.put (i32.const 2100) (i32.const 3) (i32.const 2100) (i32.const 3)
                  (i32.const {value[0]}) (i32.const {value[1]}) (i32.const {revision}) (i64.const 1) (i32.const 2048))
                (unreachable)""",
            imports=["storage.put"],
            data=data(2100, "key"),
        ),
        "guest_trapped",
    )


def _answer(address: str, *fields: int) -> Attack:
    """A guest that returns ``address``, where it has put these numbers."""
    return Attack(lambda: guest(address, data=numbers(2048, *fields) + data(4096, b"\xff")), "guest_trapped")


def _allocating(body: str) -> Attack:
    """A guest whose allocator does something else."""
    return Attack(lambda: altered(REALLOC, f"{REALLOC} {body}"), "guest_trapped")


_TEXTS: Final = {
    "a stray continuation byte": b"a\x80b",
    "an overlong NUL": b"\xc0\x80",
    "half a surrogate pair": b"\xed\xa0\x80",
    "a code point beyond the last": b"\xf4\x90\x80\x80",
    "a cut sequence": b"\xe2\x82",
    "a byte that is never used": b"\xff\xfe",
}

ATTACKS: Final[dict[str, Attack]] = {
    "a text beyond its memory": _log(0x7FFFFFFF, 16),
    "a text that ends beyond its memory": _log(_END - 4, 8),
    "a text of length minus one": _log(2048, -1),
    "a text of length two gigabytes": _log(0, -(1 << 31)),
    "a text whose end overflows": _log(-8, 16),
    **{f"a text with {what}": _log(2048, len(text), text) for what, text in _TEXTS.items()},
    "bytes of length minus one": _put((2100, -1)),
    "bytes beyond its memory": _put((-16, 8)),
    "a list of headers whose size overflows": _fetch((2048, 0x10000000)),
    "a list of headers beyond its memory": _fetch((_END - 8, 1)),
    "a list of headers of length minus one": _fetch((2048, -1)),
    "a list of headers at an odd address": _fetch((2049, 1)),
    "headers that point beyond its memory": _fetch((2200, 1), extra=numbers(2200, -1, 4, -1, 4)),
    "a result to be written beyond its memory": _fetch((0, 0), result=_END - 2),
    "a result to be written at an odd address": _fetch((0, 0), result=2049),
    "an option that is neither there nor not": _put((2100, 3), revision=7),
    "a variant without such a case": Attack(
        lambda: guest(
            """(call $storage-v2.put-with (i32.const 2100) (i32.const 3) (i32.const 2100) (i32.const 3)
                  (i32.const 2100) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 99) (i64.const 0)
                  (i32.const 2048)) (unreachable)""",
            imports=["storage-v2.put-with"],
            data=data(2100, "key"),
        ),
        "guest_trapped",
    ),
    "an answer beyond its memory": _answer("(i32.const 0x7ffffff0)"),
    "an answer at an odd address": _answer("(i32.const 2049)"),
    "an answer with headers that are not there": _answer("(i32.const 2048)", 200, 2048, 0x0FFFFFFF, 0, 0, 0),
    "an answer with a body beyond its memory": _answer("(i32.const 2048)", 200, 0, 0, 1, _END - 4, 4_096),
    "an answer with a body of length minus one": _answer("(i32.const 2048)", 200, 0, 0, 1, 2048, -1),
    "an answer whose body is neither there nor not": _answer("(i32.const 2048)", 200, 0, 0, 9, 0, 0),
    "an answer with a header that is no text": _answer(
        "(i32.store (i32.const 2048) (i32.const 200)) (i32.const 2048)",
        200,
        2072,
        1,
        0,
        0,
        0,
        4096,
        1,
        4096,
        1,
    ),
    "an allocator that answers beyond its memory": _allocating("(return (i32.const 0x7ffffff0))"),
    "an allocator that answers an odd address": _allocating("(return (i32.const 65537))"),
    "an allocator that traps": _allocating("(unreachable)"),
    "an allocator that answers minus one": _allocating("(return (i32.const -1))"),
}
