"""HTTP connections that are closed when their call ends, even while a thread is reading from them.

The timeout of a read starts again with each byte. So a server that sends its response very slowly would occupy a thread
and a descriptor long after the call has ended. Here all connections of a call are recorded. ``cut`` shuts them down,
which wakes the threads that read from them. What a server sends before the body (status line, headers, and responses
with status 1xx) is counted while it is read, and its size is limited.
"""

import http
import http.client
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import urllib3
import urllib3.connection

HEADERS_LIMIT: Final = 100
HEAD_LIMIT_BYTES: Final = 32 * 1024
INTERIM_LIMIT: Final = 8
"""How many interim responses (status 1xx, RFC 9110 section 15.2) may come before the final one."""

# http.client counts the blank line after the headers as a header.
http.client._MAXHEADERS = HEADERS_LIMIT + 1  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way

# Warnings of urllib3 quote whole URLs, which may contain a secret that a guest put there.
logging.getLogger("urllib3").setLevel(logging.ERROR)

CountBytes = Callable[[int], None]
"""Takes the size of each line that a server sent before the body."""


class HeadTooLarge(http.client.HTTPException):
    """The server's status line and headers are over ``HEAD_LIMIT_BYTES``."""

    def __init__(self) -> None:
        super().__init__(f"the response has more than {HEAD_LIMIT_BYTES} bytes of headers")


class Connections:
    """The connections of one call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._is_cut = False

    def plain(self, address: str, port: int, count_bytes: CountBytes) -> urllib3.HTTPConnectionPool:
        """Return a pool of http connections to an address."""
        return _PlainPool(address, port, maxsize=1, retries=False, connections=self, count_bytes=count_bytes)

    def secure(self, address: str, port: int, count_bytes: CountBytes, **tls: Any) -> urllib3.HTTPSConnectionPool:
        """Return a pool of https connections to an address. ``tls``: arguments of ``urllib3.HTTPSConnectionPool``."""
        return _SecurePool(address, port, maxsize=1, retries=False, connections=self, count_bytes=count_bytes, **tls)

    def admit(self, connected: socket.socket | None) -> None:
        """Record a connection, so that ``cut`` can close it.

        Raises:
            OSError: the call is over.
        """
        with self._lock:
            if self._is_cut or connected is None:
                message = "the call is over"
                raise OSError(message)
            self._sockets.append(connected)

    def cut(self) -> None:
        """Shut down all connections. A connection that is still being made is refused once it is made."""
        with self._lock:
            self._is_cut = True
            for connected in self._sockets:
                with suppress(OSError):  # it is closed already
                    # Not the method of the TLS socket: after it, a reader would continue to read without TLS.
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)
            self._sockets.clear()


class _Head:
    """Reads the lines before a body, counts their bytes and limits them."""

    def __init__(self, lines: Any, count_bytes: CountBytes) -> None:
        self._lines = lines
        self._count_bytes = count_bytes
        self._size_bytes = 0

    def readline(self, limit: int = -1) -> bytes:
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


class _Response(http.client.HTTPResponse):
    """A response whose head is counted and limited, and whose interim responses are skipped.

    http.client skips status 100 only. It would return a 103 as the response, and leave the final response to be read as
    the response to the next request.
    """

    def __init__(self, *args: Any, count_bytes: CountBytes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._count_bytes = count_bytes

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(INTERIM_LIMIT + 1):
            version, status, reason = super()._read_status()  # type: ignore[misc] # not in typeshed
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                raise http.client.BadStatusLine(str(status))  # nobody asked for another protocol
            if status >= http.HTTPStatus.OK:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise TooManyInterim

    def begin(self) -> None:
        lines = self.fp
        self.fp = _Head(lines, self._count_bytes)  # type: ignore[assignment] # has all methods that this step uses
        try:
            super().begin()
        finally:
            if self.fp is not None:  # None when it was closed, because the response cannot be read
                self.fp = lines


class _Plain(urllib3.connection.HTTPConnection):
    def __init__(self, *args: Any, connections: Connections, count_bytes: CountBytes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self.response_class = partial(_Response, count_bytes=count_bytes)  # type: ignore[assignment] # called only

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _Secure(urllib3.connection.HTTPSConnection):
    def __init__(self, *args: Any, connections: Connections, count_bytes: CountBytes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self.response_class = partial(_Response, count_bytes=count_bytes)  # type: ignore[assignment] # called only

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure
