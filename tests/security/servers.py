"""Servers on loopback: one that guests are granted, which plays accomplice, and strangers nobody may reach."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any, Final

ACCOMPLICE_ADDRESS: Final = "127.9.9.9"
"""The only address that the operator of these tests opens."""
STRANGER_ADDRESS: Final = "127.0.0.1"

PLAIN: Final = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"
"""It says that the connection ends. Otherwise a second request of a call could be sent just as the server closes it."""
_DRIP_S = 0.02
_DRIPS = 1_500


class Server(socketserver.ThreadingTCPServer):
    """Reads one request a connection, keeps its bytes in ``heard`` and answers by its path."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: str, port: int = 0) -> None:
        self.heard: list[bytes] = []
        self.connections = 0
        super().__init__((address, port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), name="server", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A guest that is cut off leaves broken connections; they are what is expected here."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(socketserver.BaseRequestHandler):
    server: Server
    request: socket.socket

    def setup(self) -> None:
        threading.current_thread().name = "connection"
        self.server.connections += 1

    def handle(self) -> None:
        self.request.settimeout(30)
        heard = self._read()
        self.server.heard.append(heard)
        path = heard.split(b" ")[1].decode("latin-1") if heard.count(b" ") > 1 else "/"
        answer = ANSWERS.get(path.strip("/").removeprefix("api/").partition("/")[0])
        if path == "/echo":
            head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(heard)
            self.request.sendall(head + heard)
        elif answer is None:
            self.request.sendall(PLAIN)
        else:
            answer(self.request)

    def _read(self) -> bytes:
        heard = b""
        while b"\r\n\r\n" not in heard:
            chunk = self.request.recv(65_536)
            if not chunk:
                return heard
            heard += chunk
        head, _, body = heard.partition(b"\r\n\r\n")
        size = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        while len(body) < size:
            chunk = self.request.recv(65_536)
            if not chunk:
                break
            heard, body = heard + chunk, body + chunk
        return heard


def _silent(connection: socket.socket) -> None:
    connection.recv(1)  # ends when the other side does


def _drip(connection: socket.socket, first: bytes, drop: bytes) -> None:
    connection.sendall(first)
    for _ in range(_DRIPS):
        time.sleep(_DRIP_S)
        connection.sendall(drop)


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


def _continue(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)


def _interim(connection: socket.socket, count: int) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"
    connection.sendall(hints * count + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")


def _hints_on_a_kept_connection(connection: socket.socket) -> None:
    """Answer two requests of one connection, the first with an interim response some time before the final one."""
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    time.sleep(0.2)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst")
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond")


def _redirect(connection: socket.socket) -> None:
    place = f"http://{STRANGER_ADDRESS}:{connection.getsockname()[1]}/stolen"
    connection.sendall(f"HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n".encode())


def _headers(connection: socket.socket, head: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"content-length: 5\r\n\r\nhello")


def _echo_nothing_then_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


ANSWERS: Final[dict[str, Callable[[socket.socket], None]]] = {
    "silent": _silent,
    "drip-status": lambda c: _drip(c, b"HTTP/1.1 2", b"0"),
    "drip-headers": lambda c: _drip(c, b"HTTP/1.1 200 OK\r\n", b"x"),
    "drip-body": lambda c: _drip(c, b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", b"x"),
    "drip-chunks": lambda c: _drip(c, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "drip-trailers": lambda c: _drip(c, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    "drip-continue": lambda c: _drip(c, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue": _continue,
    "one-interim": lambda c: _interim(c, 1),
    "eight-interim": lambda c: _interim(c, 8),
    "nine-interim": lambda c: _interim(c, 9),
    "early-hints": _hints_on_a_kept_connection,
    "switching": lambda c: c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n" + PLAIN),
    "endless": _endless,
    "redirect": _redirect,
    "ten-thousand-headers": lambda c: _headers(c, b"".join(b"x-%d: y\r\n" % i for i in range(10_000))),
    "long-header": lambda c: _headers(c, b"x: " + b"y" * 1_000_000 + b"\r\n"),
    "hundred-headers": lambda c: _headers(c, b"".join(b"x-%d: y\r\n" % i for i in range(99))),
    "hundred-and-one-headers": lambda c: _headers(c, b"".join(b"x-%d: y\r\n" % i for i in range(100))),
    "full-head": lambda c: _headers(c, b"x: " + b"y" * (32_768 - 43) + b"\r\n"),
    "overfull-head": lambda c: _headers(c, b"x: " + b"y" * (32_768 - 42) + b"\r\n"),
    "nameless-header": lambda c: _headers(c, b": y\r\n"),
    "folded": lambda c: _headers(c, b"x: a\r\n b\r\n"),
    "smuggle": lambda c: _headers(c, b"transfer-encoding: chunked\r\n"),
    "garbage": lambda c: c.sendall(bytes(range(256)) * 16),
    "nonsense-length": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello"),
    "nonsense-chunk": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello"),
    "nothing": _echo_nothing_then_close,
    "status-zero": lambda c: c.sendall(b"HTTP/1.1 000 No\r\ncontent-length: 0\r\n\r\n"),
    "status-large": lambda c: c.sendall(b"HTTP/1.1 99999 No\r\ncontent-length: 0\r\n\r\n"),
}
"""First segment of the path (below ``/api/``) → what is answered; ``echo`` gets its request back, others five bytes."""
