"""Connections that end with their call, whatever a thread is still waiting for on them.

A read's timeout starts anew with each byte, so a server that drips its answer would hold a thread and a descriptor
long after the call is over. Here every connection is known, and ``cut`` wakes whoever reads from it.
"""

import socket
import threading
from contextlib import suppress
from typing import Any

import urllib3
import urllib3.connection


class Connections:
    """The connections of one call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._is_cut = False

    def plain(self, address: str, port: int) -> urllib3.HTTPConnectionPool:
        """Return a pool of http connections to an address."""
        return _PlainPool(address, port, maxsize=1, retries=False, connections=self)

    def secure(self, address: str, port: int, **tls: Any) -> urllib3.HTTPSConnectionPool:
        """Return a pool of https connections to an address; ``tls`` as ``urllib3.HTTPSConnectionPool`` takes it."""
        return _SecurePool(address, port, maxsize=1, retries=False, connections=self, **tls)

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


class _Plain(urllib3.connection.HTTPConnection):
    def __init__(self, *args: Any, connections: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _Secure(urllib3.connection.HTTPSConnection):
    def __init__(self, *args: Any, connections: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections

    def connect(self) -> None:
        super().connect()
        self._connections.admit(self.sock)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure
