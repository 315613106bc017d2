"""A real HTTP server on 127.0.0.1 that answers as a test says and remembers what it was asked."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType
from typing import NamedTuple


class Asked(NamedTuple):
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """What to answer; a body of None closes the connection without an answer."""

    status: int = 200
    body: bytes | None = b""
    headers: Mapping[str, str] = MappingProxyType({})


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # of five, a sixth connection at once is dropped, and made again a second later


class AnsweringServer:
    """The server, at ``url``; ``asked`` holds the requests so far, ``connections`` counts their connections."""

    def __init__(self, answer: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.connections = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else the body waits 40 ms for the headers' acknowledgement

            def setup(self) -> None:
                super().setup()
                owner.connections += 1

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                owner.asked.append(asked)
                reply = owner.answer(asked)
                if reply.body is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        host = "http://127.0.0.1" if tls is None else "https://localhost"
        self.url = f"{host}:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def answering(answer: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None) -> Iterator[AnsweringServer]:
    """Run a server for the length of a block; with ``tls``, it is at localhost."""
    server = AnsweringServer(answer, tls)
    try:
        yield server
    finally:
        server.close()
