"""Connections that end with their call, whatever a thread is still waiting for on them.

A read's timeout starts anew with each byte, so a server that drips its answer would hold a thread and a descriptor
long after the call is over. Here every connection is known, and ``cut`` wakes whoever reads from it. What a server says
before its body is counted as it is read, and bounded: status line, headers, and the answers that only say "continue".
"""

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

# The library takes the blank line after the headers for one of them.
http.client._MAXHEADERS = HEADERS_LIMIT + 1  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way

# Its warnings quote whole URLs, and a guest may have put a secret there.
logging.getLogger("urllib3").setLevel(logging.ERROR)

Heard = Callable[[int], None]
"""Takes the size of what a server said before its body, line by line."""


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

    def plain(self, address: str, port: int, heard: Heard) -> urllib3.HTTPConnectionPool:
        """Return a pool of http connections to an address."""
        return _PlainPool(address, port, maxsize=1, retries=False, connections=self, heard=heard)

    def secure(self, address: str, port: int, heard: Heard, **tls: Any) -> urllib3.HTTPSConnectionPool:
        """Return a pool of https connections to an address; ``tls`` as ``urllib3.HTTPSConnectionPool`` takes it."""
        return _SecurePool(address, port, maxsize=1, retries=False, connections=self, heard=heard, **tls)

    def admit(self, connected: socket.socket | None) -> None:
        """Take note of a connection.

        Raises:
            OSError: the call is over.
        """
        with self._lock:
            if self._is_cut or connected is None:
                message = "the call is over"
                raise OSError(message)
            self._sockets.append(connected)

    def cut(self) -> None:
        """End all connections, and those that are still being made as soon as they are."""
        with self._lock:
            self._is_cut = True
            for connected in self._sockets:
                with suppress(OSError):  # it has ended already
                    # Not the TLS socket's own, which would have the reader go on in plain.
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)
            self._sockets.clear()


class _Head:
    """The lines before a body, counted and bounded."""

    def __init__(self, lines: Any, heard: Heard) -> None:
        self._lines = lines
        self._heard = heard
        self._size_bytes = 0

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._lines.readline(limit)
        self._heard(len(line))
        self._size_bytes += len(line)
        if self._size_bytes > HEAD_LIMIT_BYTES:
            raise HeadTooLarge
        return line

    def close(self) -> None:
        self._lines.close()


class _Response(http.client.HTTPResponse):
    def __init__(self, *args: Any, heard: Heard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heard = heard

    def begin(self) -> None:
        lines = self.fp
        self.fp = _Head(lines, self._heard)  # type: ignore[assignment] # all that this step uses
        try:
            super().begin()
        finally:
            if self.fp is not None:  # it was closed for an answer that cannot be read
                self.fp = lines


class _Plain(urllib3.connection.HTTPConnection):
    def __init__(self, *args: Any, connections: Connections, heard: Heard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self.response_class = partial(_Response, heard=heard)  # type: ignore[assignment] # called only

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _Secure(urllib3.connection.HTTPSConnection):
    def __init__(self, *args: Any, connections: Connections, heard: Heard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self.response_class = partial(_Response, heard=heard)  # type: ignore[assignment] # called only

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure
