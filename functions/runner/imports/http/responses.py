"""Responses of servers, read strictly.

What a server sends before the body (status line, headers, and responses with status 1xx), chunk sizes and trailers are
counted while they are read, and their size is limited. A response that is not valid HTTP/1.1, or whose end is not
certain, cannot be read.
"""

import http
import http.client
import re
from collections.abc import Callable
from typing import Any, Final

import urllib3
from urllib3.util.response import assert_header_parsing

HEADERS_LIMIT: Final = 100
HEAD_LIMIT_BYTES: Final = 32 * 1024
_CHUNK_LINE_LIMIT_BYTES: Final = 4 * 1024
_LINE_BREAK: Final = b"\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n\Z")
_HEADER_LINE = re.compile(rb"(?:(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:|[ \t])[\t\x20-\x7e\x80-\xff]*)?\r?\n\Z")
"""A header (RFC 9112 section 5), the continuation of one, or the blank line after the last one."""
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n\Z")
INTERIM_LIMIT: Final = 8
"""How many interim responses (status 1xx, RFC 9110 section 15.2) may come before the final one."""

# http.client counts the blank line after the headers as a header.
http.client._MAXHEADERS = HEADERS_LIMIT + 1  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way

CountBytes = Callable[[int], None]
"""Takes the size of each line that a server sent before the body."""


class HeadTooLarge(http.client.HTTPException):
    """The server's status line and headers are over ``HEAD_LIMIT_BYTES``."""

    def __init__(self) -> None:
        super().__init__(f"the response has more than {HEAD_LIMIT_BYTES} bytes of headers")


class _Head:
    """Reads the lines before a body, counts their bytes and limits them."""

    def __init__(self, lines: Any, count_bytes: CountBytes) -> None:
        self._lines = lines
        self._count_bytes = count_bytes
        self._size_bytes = 0

    def readline(self, limit: int = -1) -> bytes:
        """Return a line of headers.

        The parser of http.client takes a carriage return for the end of a line, ignores a line that begins with
        ``From``, and takes the end of the connection for the blank line. So each line is checked before it gets it.
        """
        line = self.status_line(limit)
        if not _HEADER_LINE.match(line):
            raise UnreadableResponse("a response header is not valid in HTTP, or the response ended inside its headers")
        return line

    def status_line(self, limit: int) -> bytes:
        """Return a line whatever it is."""
        line: bytes = self._lines.readline(limit)
        self._count_bytes(len(line))
        self._size_bytes += len(line)
        if self._size_bytes > HEAD_LIMIT_BYTES:
            raise HeadTooLarge
        return line

    def close(self) -> None:
        self._lines.close()


class TooManyInterim(http.client.HTTPException):
    """The server sent more than ``INTERIM_LIMIT`` interim responses."""

    def __init__(self) -> None:
        super().__init__(f"the server sent more than {INTERIM_LIMIT} interim responses (status 1xx)")


class UnreadableResponse(http.client.HTTPException):
    """The server's answer is not valid HTTP/1.1, or it can be read in more than one way."""


class StrictResponse(http.client.HTTPResponse):
    """A response that is read strictly: its head is counted and limited, and interim responses are skipped.

    http.client skips status 100 only. It would return a 103 as the response, and leave the final response to be read as
    the response to the next request. It also accepts numbers in forms that only Python knows, and transfer codings that
    it cannot decode.
    """

    def __init__(self, *args: Any, count_bytes: CountBytes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._count_bytes = count_bytes

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(INTERIM_LIMIT + 1):
            status, reason = self._status_line()
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                raise UnreadableResponse("the server switched to another protocol, which was not asked for")
            if status >= http.HTTPStatus.OK:
                return "HTTP/1.1", status, reason
            http.client.parse_headers(self.fp)
        raise TooManyInterim

    def _status_line(self) -> tuple[int, str]:
        line: bytes = self.fp.status_line(HEAD_LIMIT_BYTES + 1)  # type: ignore[attr-defined] # it is a _Head here
        if not line:
            raise http.client.RemoteDisconnected("the server closed the connection without a response")
        match = _STATUS_LINE.match(line)
        if match is None:
            raise UnreadableResponse("the response does not begin with a valid HTTP/1.1 status line")
        self._is_http_1_0 = match[1] == b"0"
        return int(match[2]), (match[3] or b"").decode("latin-1")

    def begin(self) -> None:
        """Read the status line and the headers.

        Raises:
            http.client.HTTPException: they are too large, not valid, or do not say for certain where the body ends.
        """
        lines = self.fp
        self.fp = _Head(lines, self._count_bytes)  # type: ignore[assignment] # has all methods that this step uses
        try:
            super().begin()
        finally:
            if self.fp is not None:  # None when it was closed, because the response cannot be read
                self.fp = lines
        self._check_head()

    def _check_close(self) -> bool:
        # An HTTP/1.0 server closes the connection after its response, whatever it announces.
        return self._is_http_1_0 or super()._check_close()  # type: ignore[misc] # not in typeshed

    def _check_head(self) -> None:
        """Refuse headers that are malformed, and bodies whose end is not certain."""
        try:
            assert_header_parsing(self.headers)
        except urllib3.exceptions.HeaderParsingError:
            raise UnreadableResponse("a response header is not valid in HTTP") from None
        codings = self.headers.get_all("transfer-encoding", [])
        if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise UnreadableResponse("the response has a transfer-encoding other than chunked")
        lengths = {length.strip(" \t") for length in self.headers.get_all("content-length", [])}
        if len(lengths) > 1 or not all(_LENGTH.match(length) for length in lengths):
            raise UnreadableResponse("the response has a content-length that is not one decimal number")
        if lengths and codings:
            raise UnreadableResponse("the response has both a content-length and a transfer-encoding")

    def _read_next_chunk_size(self) -> int:
        line = self._counted_line()
        match = _CHUNK_SIZE.match(line)
        if match is None:
            raise UnreadableResponse("the response has a chunk without a valid size")
        return int(match[1], 16)

    def _read_and_discard_trailer(self) -> None:
        size = 0
        while (line := self._counted_line()) not in (b"\r\n", b"\n"):
            if not line:
                raise UnreadableResponse("the response ended inside its trailers")
            size += len(line)
            if size > HEAD_LIMIT_BYTES:
                raise HeadTooLarge

    def _safe_read(self, amt: int) -> bytes:
        data: bytes = super()._safe_read(amt)  # type: ignore[misc] # not in typeshed
        # http.client reads chunks by read1. It calls this only for the line break after a chunk.
        if amt == len(_LINE_BREAK) and data != _LINE_BREAK:
            raise UnreadableResponse("the response has a chunk that is longer than its size")
        return data

    def _counted_line(self) -> bytes:
        line = self.fp.readline(_CHUNK_LINE_LIMIT_BYTES)
        self._count_bytes(len(line))
        return line
