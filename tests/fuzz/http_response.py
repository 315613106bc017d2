"""Fuzz the reading of a server's response, and the search for secrets in it.

What is not HTTP must be refused with the errors that ``http.fetch`` expects. No more bytes are counted than were sent.
Each header that is taken stands at the beginning of a line of the response.
"""

import http.client
import io
import sys

import atheris

with atheris.instrument_imports(include=["functions.runner.imports.http"]):
    from functions.runner.imports.http.echoes import Echoes
    from functions.runner.imports.http.injection import template_of
    from functions.runner.imports.http.responses import HEAD_LIMIT_BYTES, INTERIM_LIMIT, StrictResponse

from tests.fuzz.harness import fuzz

VALUE = "s3cr3t/pass+word&<42>"
ECHOES = Echoes({"KEY": VALUE})


class Connection:
    """A connection on which a server has sent these bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._data))  # type: ignore[type-var,unused-ignore] # a raw stream


def one_input(data: bytes) -> None:
    template_of(data[:300].decode("latin-1"))
    check_echoes(data)
    counted: list[int] = []
    response = StrictResponse(Connection(data), method="GET", count_bytes=counted.append)
    body = bytearray()
    try:
        response.begin()
        while chunk := response.read1(65_536):
            body += chunk
    except http.client.HTTPException:
        return
    finally:
        response.close()
    if sum(counted) + len(body) > len(data):
        message = f"counted {sum(counted)} bytes before the body and {len(body)} of body, of {len(data)}"
        raise AssertionError(message)
    for name, value in response.headers.items():
        is_plain = not any((one < " " and one not in "\t\r\n") or one == "\x7f" for one in value)
        if not is_plain or b"\n" + name.encode("latin-1") + b":" not in data:
            message = f"took the header {name!r}: {value!r}"
            raise AssertionError(message)
    if not 200 <= response.status <= 999:
        message = f"took the status {response.status}"
        raise AssertionError(message)


def check_echoes(data: bytes) -> None:
    if ECHOES.found_in(data[:2_000] + VALUE.encode() + data[2_000:]) != "KEY":
        message = "did not find the value"
        raise AssertionError(message)


def seeds() -> list[bytes]:
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    return [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nx: a\r\n b\r\n\r\nhello",
        hints * INTERIM_LIMIT + b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\ry: b\r\nFrom z\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_LIMIT_BYTES,
        b"{{secret:KEY}}", b"Basic {{secret:KEY|base64}}", b"\\u0041%41&amp;&#65;\\x41",
    ]  # fmt: skip


if __name__ == "__main__":
    words = ["HTTP/1.1 200 OK", "content-length: ", "transfer-encoding: chunked", "s3cr3t/pass+word", "{{secret:KEY}}"]
    fuzz("http_response", one_input, seeds(), sys.argv[1:], words)
