"""Fetchers for tests, and the server on loopback that they fetch from."""

import base64
import http.server
import ssl
import threading
import time
from typing import Any

from alga_ext.calls.envelope import ExecuteGrants, SealedSecret
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.http import fetch as http_fetch
from functions.runner.imports.http.egress import parse_networks
from functions.runner.imports.http.fetch import Fetcher
from functions.runner.imports.http.unreachable import Unreachable
from tests.support.runner_fixture import EVERY_CAPABILITY, call

LOOPBACK = parse_networks("127.0.0.0/8")


class PlainUnsealer:
    """Opens values that are sealed by writing them backwards."""

    def __init__(self) -> None:
        self.opened = 0

    def unseal(self, sealed: bytes, context: Any) -> bytes:  # noqa: ARG002 - part of the port
        self.opened += 1
        return sealed[::-1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, dict[str, str], bytes]]

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, body))  # type: ignore[attr-defined]
        self.server.peers.append(self.client_address)  # type: ignore[attr-defined]
        if self.path.startswith("/redirect"):
            self._send(302, b"", location="http://127.0.0.1/elsewhere")
        elif self.path.startswith("/large"):
            self._send(200, b"x" * (http_fetch.BODY_LIMIT_BYTES + 1))
        elif self.path.startswith("/slow"):
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            for _ in range(1_000):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        elif self.path.startswith("/chunked"):
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        else:
            self._send(200, body or b"hello", x_seen="yes", set_cookie="a=1")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        return


class Server:
    """A server on loopback that remembers its requests (``seen``) and its clients' addresses (``peers``)."""

    def __init__(self, tls: Any = None) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.seen = []  # type: ignore[attr-defined]
        self._server.peers = []  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def seen(self) -> list[tuple[str, str, dict[str, str], bytes]]:
        return self._server.seen  # type: ignore[attr-defined, no-any-return]

    @property
    def peers(self) -> list[tuple[str, int]]:
        return self._server.peers  # type: ignore[attr-defined, no-any-return]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Bench:
    """Fetchers for one set of grants."""

    def __init__(self, grants: list[str], *, resolve: Any = None, tls: Any = None, **options: Any) -> None:
        secrets = options.pop("secrets", {})
        self.unsealer = PlainUnsealer()
        request = call(
            "sha256:" + "0" * 64,
            grants=ExecuteGrants(
                egress=grants,
                secrets={n: h for n, (_, h) in secrets.items() if h is not None},
                secret_headers=options.pop("secret_headers", {}),
            ),
        )
        request.secret_envelope = [
            SealedSecret(
                name=name,
                sealed_b64=base64.b64encode(value[::-1].encode()).decode(),
                version=1,
                expires_at_s=options.get("expires_at_s"),
            )
            for name, (value, _) in secrets.items()
        ]
        providers = frozenset(options.pop("providers", EVERY_CAPABILITY))
        deadline_ns = time.monotonic_ns() + int(options.pop("timeout_s", 5) * 1e9)
        trace_id = options.pop("trace_id", "")
        self.call = CallContext(request, providers, deadline_ns, self.unsealer, time.time, trace_id)
        self.fetcher = Fetcher(
            self.call,
            resolve or (lambda _host, _port: ["127.0.0.1"]),
            options.pop("opened", LOOPBACK),
            tls or ssl.create_default_context,
            options.pop("dead", None) or Unreachable(time.monotonic),
        )
        self.explained: list[str] = []
        self.call.explain = self.explained.append

    def fetch(self, url: str, method: str = "GET", headers: Any = (), body: bytes | None = None) -> Any:
        try:
            return self.fetcher.fetch((method, url, list(headers), body))
        finally:
            self.fetcher.close()
