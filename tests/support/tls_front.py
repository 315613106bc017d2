"""TLS in front of a PostgreSQL server that is built without it.

It speaks the server's part of the negotiation (https://www.postgresql.org/docs/current/protocol-flow.html,
"SSL Session Encryption") and passes everything else on, unencrypted, on loopback.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

_SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")


class TlsFront:
    """The front, at ``port``.

    Args:
        server_port: of the PostgreSQL server. Without one, the front accepts connections and does not answer.
        tls: the front's certificate. Without one, it refuses TLS, as a server without a certificate does.
    """

    def __init__(self, server_port: int | None, tls: ssl.SSLContext | None) -> None:
        self._server_port = server_port
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.passed = bytearray()
        """What clients sent after the negotiation."""
        self._open: list[socket.socket] = [self._listening]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """Stop listening, and close all connections."""
        while any(thread.is_alive() for thread in self._threads):
            for opened in list(self._open):
                with suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)
            for thread in list(self._threads):
                thread.join(0.1)
        for opened in self._open:
            opened.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._open.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        if self._server_port is None:
            return
        with suppress(OSError):  # a client that does not trust the certificate ends the handshake
            if client.recv(len(_SSL_REQUEST), socket.MSG_WAITALL) != _SSL_REQUEST:
                return
            client.sendall(b"N" if self._tls is None else b"S")
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self._open.append(client)
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._open.append(server)
            self._start(_pass, server, client, bytearray())
            _pass(client, server, self.passed)
            return
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _pass(source: socket.socket, target: socket.socket, passed: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            passed += data
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def tls_front(server_port: int | None, tls: ssl.SSLContext | None) -> Iterator[TlsFront]:
    """Run a front for the length of a block."""
    front = TlsFront(server_port, tls)
    try:
        yield front
    finally:
        front.close()
