"""A server on loopback that answers each connection with the bytes that a test chooses."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class ScriptedServer:
    """Reads the head of one request of each connection, sends ``answer`` of it, and closes. ``with`` it.

    Args:
        answer: takes the request's bytes, returns what to send.
        until: ends the part of a request that is read.
    """

    def __init__(self, answer: Callable[[bytes], bytes], until: bytes = b"\r\n\r\n") -> None:
        self._until = until
        self.answer = answer
        self.heard: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://api.test:{self._listening.getsockname()[1]}"
        """The server's URL under a name that tests resolve to loopback."""
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would leave the thread waiting for a connection.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        heard = b""
        while self._until not in heard and (chunk := connection.recv(65_536)):
            heard += chunk
        self.heard.append(heard)
        connection.sendall(self.answer(heard))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return an answer with a body and its length."""
    lines = [b"HTTP/1.1 " + status, *headers, b"content-length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])
