"""Servers that answer what is not HTTP, or HTTP that can be read in two ways: no fetch hangs, grows or raises.

Family: answers from a grammar of status lines, interim responses, headers, lengths and chunks, each right or broken. An
answer with a broken part fails with ``transport``, and what is taken is exactly what the server meant.
"""

from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.runner.imports.http.responses import HEAD_LIMIT_BYTES, INTERIM_LIMIT
from tests.support.fetching import Bench
from tests.support.scripted_server import ScriptedServer

TRANSPORT: Final = (False, "transport")
BODY: Final = b"hello"

STATUS_LINES: Final = (
    b"", b"\r\n", b"HTTP/1.1\r\n", b"HTTP/1.1 \r\n", b"HTTP/1.1 20\r\n", b"HTTP/1.1 2000 OK\r\n",
    b"HTTP/1.1 +20 OK\r\n",
    b"HTTP/1.1 2_0 OK\r\n", b"HTTP/1.1 000 OK\r\n", b"HTTP/1.1 99 OK\r\n", b"HTTP/1.1 -200 OK\r\n",
    b"HTTP/1.1  200 OK\r\n",
    b"HTTP/2 200\r\n", b"HTTP/2.0 200 OK\r\n", b"HTTP/0.9 200 OK\r\n", b"HTTP/1.10 200 OK\r\n", b"http/1.1 200 OK\r\n",
    b"ICY 200 OK\r\n", b" HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\r\n", b"HTTP/1.1 \xb2\xb0\xb0 OK\r\n", b"\0" * 40,
    b"HTTP/1.1 200 " + b"x" * HEAD_LIMIT_BYTES + b"\r\n", b"HTTP/1.1 101 Switching\r\n",
)  # fmt: skip
HEADERS: Final = (
    b"no colon\r\n", b": no name\r\n", b"a b: c\r\n", b"a\t: c\r\n", b"a : c\r\n", b"\xe4: c\r\n", b"a(b): c\r\n",
    b" x: y\r\n", b"\tx: y\r\n", b"From me\r\n", b">From me\r\n", b"x: a\rset-cookie: b\r\n", b"x: a\r\r\n",
    b"\rx: y\r\n",
    b"x: a\r\n\rb: c\r\n", b"x:\r\n y\rb: c\r\n",
    *(b"x: a%cb\r\n" % one for one in [*range(9), 11, 12, *range(14, 32), 127]),
    *(b"x%c: a\r\n" % one for one in [0, 11, 27, 34, 47, 123, 127, 128, 255]),
    b"x: " + b"y" * HEAD_LIMIT_BYTES + b"\r\n", b"".join(b"x-%d: y\r\n" % number for number in range(101)),
)  # fmt: skip
LENGTHS: Final = (
    b"content-length: -5\r\n", b"content-length: +5\r\n", b"content-length: 5_0\r\n", b"content-length: 0x5\r\n",
    b"content-length: five\r\n", b"content-length: 5.0\r\n", b"content-length: 5, 5\r\n", b"content-length: \r\n",
    b"content-length: 5\r\ncontent-length: 6\r\n", b"content-length: 99999999999999999999\r\n",
    b"content-length: 6\r\n", b"content-length: \xb5\r\n", b"content-length: 5\x0b\r\n", b"content-length: \xa05\r\n",
    b"content-length: 5\r\n 5\r\n", b"content-length: 5\rcontent-length: 5\r\n",
    b"content-length: 5\r\ntransfer-encoding: chunked\r\n", b"transfer-encoding: gzip\r\n",
    b"transfer-encoding: gzip, chunked\r\n", b"transfer-encoding: chunked, chunked\r\n", b"transfer-encoding: \r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", b"transfer-encoding: xchunked\r\n",
    b"transfer-encoding: identity\r\n",
)  # fmt: skip
CHUNKS: Final = (
    b"", b"5", b"5\r\n", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n0", b"5\r\nhello\r\n0\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
    b"0_5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n", b"4\r\nhello\r\n0\r\n\r\n",
    b"6\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhello\n\n0\r\n\r\n", b"f" * 16 + b"\r\nhello",
    b"5;" + b"x" * 5_000 + b"\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n" + b"x: y\r\n" * 6_000 + b"\r\n",
    b"5\r\nhello\r\n0\r\nx: y\r\n",
)  # fmt: skip
INTERIM: Final = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"


class Fetched(NamedTuple):
    outcome: tuple[bool, Any]
    received_bytes: int
    explained: list[str]


def fetched(answer: bytes, timeout_s: float = 5.0) -> Fetched:
    """Fetch from a server that answers with these bytes."""
    with ScriptedServer(lambda _heard: answer) as server:
        bench = Bench([server.url], timeout_s=timeout_s)
        outcome = bench.fetch(server.url)
    (entry,) = bench.call.ledger.destinations.values()
    return Fetched(outcome, entry.bytes_received, bench.explained)


def is_refused(answer: bytes) -> None:
    found = fetched(answer)
    assert (found.outcome, len(found.explained)) == (TRANSPORT, 1)
    assert found.explained[0].startswith("http.fetch failed: http://api.test:")
    assert found.received_bytes <= len(answer)


@pytest.mark.parametrize("line", STATUS_LINES, ids=range(len(STATUS_LINES)))
def test_a_broken_status_line_fails_the_fetch(line: bytes) -> None:
    is_refused(line + b"content-length: 5\r\n\r\n" + BODY)


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_broken_header_fails_the_fetch(header: bytes) -> None:
    is_refused(b"HTTP/1.1 200 OK\r\n" + header + b"content-length: 5\r\n\r\n" + BODY)


@pytest.mark.parametrize("head", [b"", b"x: y", b"x: y\r", b"x: y\r\n", b"content-length: 0\r\n", b"x: y\r\n\r"])
@pytest.mark.parametrize("before", [b"", INTERIM, b"HTTP/1.1 103 Early Hints\r\n"], ids=["", "interim", "cut off"])
def test_a_response_that_ends_inside_its_headers_fails_the_fetch(before: bytes, head: bytes) -> None:
    is_refused(before + b"HTTP/1.1 200 OK\r\n" + head)


@pytest.mark.parametrize("length", LENGTHS, ids=range(len(LENGTHS)))
def test_a_body_whose_end_is_not_certain_fails_the_fetch(length: bytes) -> None:
    is_refused(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + BODY)


@pytest.mark.parametrize("chunks", CHUNKS, ids=range(len(CHUNKS)))
def test_broken_chunks_fail_the_fetch(chunks: bytes) -> None:
    is_refused(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)


@pytest.mark.parametrize("count", [0, 1, INTERIM_LIMIT])
def test_interim_responses_are_skipped_and_counted(count: int) -> None:
    final = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + BODY
    found = fetched(INTERIM * count + final)
    assert found.outcome == (True, (200, [], BODY))
    assert found.received_bytes == len(INTERIM) * count + len(final)


@pytest.mark.parametrize("count", [INTERIM_LIMIT + 1, 1_000])
def test_more_interim_responses_fail_the_fetch_and_are_not_read(count: int) -> None:
    found = fetched(INTERIM * count + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + BODY)
    assert found.outcome == TRANSPORT
    assert found.received_bytes <= len(INTERIM) * (INTERIM_LIMIT + 1)
    assert "more than 8 interim responses" in found.explained[0]


def test_headers_of_interim_responses_count_toward_the_limit_of_header_bytes() -> None:
    large = b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * (HEAD_LIMIT_BYTES // 4) + b"\r\n\r\n"
    assert fetched(large * 4 + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + BODY).outcome == TRANSPORT


def test_bytes_of_chunk_sizes_and_trailers_count_as_egress() -> None:
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n"
    found = fetched(answer)
    assert found.outcome == (True, (200, [], BODY))
    assert found.received_bytes == len(answer) - len(b"\r\n")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more", b"hello"),
        (b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello", b"hello"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n05 ;x\r\nhello\r\n000\r\n\r\n", b"hello"),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", b""),
        (
            b"HTTP/1.1 200 OK\r\nx:\r\ny: \t\xe4 \xff\t\r\n!#$%&'*+-.^_`|~: z\r\ncontent-length: \t5 \r\n\r\nhello",
            b"hello",
        ),
        (b"HTTP/1.1 599 Odd\r\ncontent-length: 0\r\n\r\n", b""),
    ],
)
def test_what_is_unusual_but_clear_is_taken(answer: bytes, body: bytes) -> None:
    is_ok, response = fetched(answer).outcome
    assert (is_ok, response[2]) == (True, body)


def test_a_folded_header_is_given_to_the_guest_on_one_line() -> None:
    answer = b"HTTP/1.1 200 OK\r\nx: a\r\n  b\r\n\tc\r\ncontent-length: 0\r\n\r\n"
    assert fetched(answer).outcome == (True, (200, [("x", "a b c")], b""))


fragments = st.sampled_from(
    [*STATUS_LINES, *HEADERS, *LENGTHS, *CHUNKS, INTERIM, b"HTTP/1.1 200 OK\r\n", b"\r\n", BODY]
)


@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(st.lists(fragments | st.binary(max_size=30), max_size=8))
def test_no_mixture_of_fragments_raises_or_is_counted_beyond_its_size(parts: list[bytes]) -> None:
    answer = b"".join(parts)
    found = fetched(answer)
    assert found.outcome == TRANSPORT or found.outcome[0]
    assert found.received_bytes <= len(answer)
