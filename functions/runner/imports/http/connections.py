"""HTTP connections that are closed when their call ends, even while a thread is reading from them.

The timeout of a read starts again with each byte. So a server that sends its response very slowly would occupy a thread
and a descriptor long after the call has ended. Here all connections of a call are recorded. ``cut`` shuts them down,
which wakes the threads that read from them.
"""

import logging
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import urllib3
import urllib3.connection

from functions.runner.imports.http.responses import CountBytes, StrictResponse

# Warnings of urllib3 quote whole URLs, which may contain a secret that a guest put there.
logging.getLogger("urllib3").setLevel(logging.ERROR)


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


class _Plain(urllib3.connection.HTTPConnection):
    def __init__(self, *args: Any, connections: Connections, count_bytes: CountBytes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self.response_class = partial(StrictResponse, count_bytes=count_bytes)  # type: ignore[assignment] # called only

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _Secure(urllib3.connection.HTTPSConnection):
    def __init__(self, *args: Any, connections: Connections, count_bytes: CountBytes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self.response_class = partial(StrictResponse, count_bytes=count_bytes)  # type: ignore[assignment] # called only

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure
