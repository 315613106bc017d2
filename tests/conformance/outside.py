"""Servers on the other side of a runner's imports: the outside world for ``http.fetch``, the host for ``ui-proxy``."""

import re
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

ROUTE: Final = re.compile(r"/(echo|status|bytes|twice|redirect|drip|chunked|hang-up)(?:/(\d+))?\Z")
DRIP_S: Final = 0.05


class Asked(NamedTuple):
    """A request as it arrived: headers in order, names in lower case."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]


class Outside:
    """A server that answers by the end of the path and remembers what it was asked.

    ``/echo`` the body; ``/status/N`` that status, empty; ``/bytes/N`` so many; ``/twice`` a header twice; ``/redirect``
    to ``/echo``; ``/chunked`` in two chunks; ``/drip`` a byte now and then without end; ``/hang-up`` no answer. Any
    other path echoes too.

    Args:
        host: the name the runner reaches it by.
        address: to listen on.
        port: 0 for any.
        tls: serve HTTPS with this.
    """

    def __init__(
        self, host: str = "localhost", address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[Asked] = []
        self._server = _Server((address, port), _Handler)
        self._server.outside = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = host
        self.port = int(self._server.server_address[1])
        self.scheme = "http" if tls is None else "https"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        """Its base URL, without a path."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def grant(self) -> str:
        """The egress grant that covers it: https is what a grant means unless it says otherwise."""
        return f"{self.host}:{self.port}" if self.scheme == "https" else self.url

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.asked[-1]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    outside: Outside

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: runners end connections in the middle, and cases want them to."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        self.server.outside.asked.append(Asked(self.command, self.path, headers, body))
        match = ROUTE.search(self.path.partition("?")[0])
        route, number = (match[1], int(match[2] or 0)) if match else ("echo", 0)
        match route:
            case "status":
                self._send(number, b"")
            case "bytes":
                self._send(200, b"a" * number)
            case "twice":
                self._send(200, b"", ("x-twice", "first"), ("set-cookie", "a=1"), ("x-twice", "second"))
            case "redirect":
                self._send(302, b"", ("location", "/echo"))
            case "chunked":
                self._head(200, ("transfer-encoding", "chunked"))
                self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            case "drip":
                self._head(200, ("content-length", "1000000"))
                while True:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(DRIP_S)
            case "hang-up":
                self.close_connection = True
            case _:
                self._send(200, body, ("content-type", self.headers.get("content-type") or "text/plain"))

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        bodiless = status in (204, 304) or status < 200
        self._head(status, *headers, *(() if bodiless else (("content-length", str(len(body))),)))
        if self.command != "HEAD" and not bodiless:
            self.wfile.write(body)

    def _head(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass
