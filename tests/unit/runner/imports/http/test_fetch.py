"""http.fetch against real servers on loopback, which the operator opens for these tests only."""

import base64
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteGrants, SealedSecret
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.egress_ledger import Destination
from functions.runner.imports.http import connections
from functions.runner.imports.http import fetch as http_fetch
from functions.runner.imports.http.egress import parse_networks
from functions.runner.imports.http.fetch import Fetcher
from tests.security.logbook import Logbook
from tests.security.servers import Server as RawServer
from tests.support.runner_fixture import EVERY_CAPABILITY, call
from tests.support.tls import Authority

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
    """A server on loopback; ``names`` it by a grant and an address."""

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


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    """A server that answers what no library would."""
    made = RawServer("127.0.0.1")
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[Server]:
    made = Server(authority.server_context("api.example.com"))
    yield made
    made.close()


class Bench:
    """Fetchers for one set of grants."""

    def __init__(self, grants: list[str], *, resolve: Any = None, tls: Any = None, **options: Any) -> None:
        secrets = options.pop("secrets", {})
        self.unsealer = PlainUnsealer()
        request = call(
            "sha256:" + "0" * 64, grants=ExecuteGrants(egress=grants, secrets={n: h for n, (_, h) in secrets.items()})
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
        self.call = CallContext(request, providers, deadline_ns, self.unsealer, time.time)
        self.fetcher = Fetcher(
            self.call,
            resolve or (lambda _host, _port: ["127.0.0.1"]),
            options.pop("opened", LOOPBACK),
            tls or ssl.create_default_context,
        )

    def fetch(self, url: str, method: str = "GET", headers: Any = (), body: bytes | None = None) -> Any:
        try:
            return self.fetcher.fetch((method, url, list(headers), body))
        finally:
            self.fetcher.close()


def test_a_granted_request_gets_the_servers_answer(server: Server) -> None:
    is_ok, (status, headers, body) = Bench([f"http://api.test:{server.port}"]).fetch(
        f"http://api.test:{server.port}/x?y=1", "POST", [("x-a", "1")], b"data"
    )
    assert (is_ok, status, body, dict(headers)["x-seen"]) == (True, 200, b"data", "yes")
    command, path, sent, seen = server.seen[0]
    assert (command, path, seen, sent["x-a"], sent["host"]) == (
        "POST", "/x?y=1", b"data", "1", f"api.test:{server.port}",
    )  # fmt: skip


def test_nothing_is_sent_without_a_grant(server: Server) -> None:
    assert Bench([]).fetch(f"http://api.test:{server.port}/") == (False, "not-allowed")
    assert server.seen == []


def test_a_url_that_is_none_is_told_apart() -> None:
    assert Bench(["*.test"]).fetch("https://user@api.test/") == (False, "invalid-url")


def test_nothing_is_sent_to_a_private_address(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"], opened=())
    assert bench.fetch(f"http://api.test:{server.port}/") == (False, "not-allowed")
    assert server.seen == []


def test_one_private_address_refuses_the_public_ones_too(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"], resolve=lambda _h, _p: ["127.0.0.1", "10.0.0.1"])
    assert bench.fetch(f"http://api.test:{server.port}/") == (False, "not-allowed")


def test_a_name_is_resolved_once_so_that_a_change_leads_nowhere(server: Server) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    bench = Bench([f"http://api.test:{server.port}"], resolve=lambda _h, _p: next(answers))
    for _ in range(2):
        assert bench.fetcher.fetch(("GET", f"http://api.test:{server.port}/", [], None))[0]
    bench.fetcher.close()


def test_fetches_of_one_call_share_a_connection_and_another_call_has_its_own(server: Server) -> None:
    url = f"http://api.test:{server.port}"
    first, second = Bench([url]), Bench([url])
    for path in ("/a", "/b"):
        assert first.fetcher.fetch(("GET", url + path, [], None))[0]
    assert second.fetch(url + "/c")[0]
    first.fetcher.close()

    assert server.peers[0] == server.peers[1] != server.peers[2]


def test_a_name_that_cannot_be_resolved_is_transport() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise OSError

    assert Bench(["http://api.test"], resolve=resolve).fetch("http://api.test/") == (False, "transport")


def test_a_resolver_that_hangs_ends_with_the_call() -> None:
    hanging = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        hanging.wait(30)
        return []

    started = time.monotonic()
    assert Bench(["http://api.test"], resolve=resolve, timeout_s=0.2).fetch("http://api.test/") == (False, "transport")
    hanging.set()
    assert time.monotonic() - started < 5


def test_a_server_that_drips_ends_with_the_call(server: Server) -> None:
    started = time.monotonic()
    bench = Bench([f"http://api.test:{server.port}"], timeout_s=0.3)
    assert bench.fetch(f"http://api.test:{server.port}/slow") == (False, "transport")
    assert time.monotonic() - started < 5


def test_a_redirect_is_the_guests_to_follow(server: Server) -> None:
    _, (status, headers, _) = Bench([f"http://api.test:{server.port}"]).fetch(f"http://api.test:{server.port}/redirect")
    assert (status, dict(headers)["location"], len(server.seen)) == (302, "http://127.0.0.1/elsewhere", 1)


def test_an_answer_over_the_limit_is_not_read_to_its_end(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    assert bench.fetch(f"http://api.test:{server.port}/large") == (False, "transport")


def test_a_chunked_answer_is_put_together(server: Server) -> None:
    _, (_, headers, body) = Bench([f"http://api.test:{server.port}"]).fetch(f"http://api.test:{server.port}/chunked")
    assert (body, "transfer-encoding" in dict(headers)) == (b"abcde", False)


def test_a_head_request_has_no_body(server: Server) -> None:
    _, (status, _, body) = Bench([f"http://api.test:{server.port}"]).fetch(f"http://api.test:{server.port}/", "HEAD")
    assert (status, body) == (200, b"")


def test_a_closed_port_is_transport() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert Bench([f"http://api.test:{port}"]).fetch(f"http://api.test:{port}/") == (False, "transport")


def test_the_next_address_is_tried_when_one_cannot_be_connected_to(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"], resolve=lambda _h, _p: ["127.0.0.99", "127.0.0.1"])
    assert bench.fetch(f"http://api.test:{server.port}/")[0]


@pytest.mark.parametrize(
    "name",
    ["Host", "Connection", "Transfer-Encoding", "Content-Length", "TE", "Upgrade", "Proxy-Authorization", "Expect"],
)
def test_hop_by_hop_headers_and_host_are_dropped(server: Server, name: str) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    assert bench.fetch(f"http://api.test:{server.port}/", headers=[(name, "evil.example")])[0]
    assert "evil.example" not in server.seen[0][2].values()


def test_headers_that_connection_names_are_dropped(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    bench.fetch(f"http://api.test:{server.port}/", headers=[("Connection", "x-secret, close"), ("X-Secret", "1")])
    assert "x-secret" not in server.seen[0][2]


@pytest.mark.parametrize(
    "header",
    [("x\r\ny", "1"), ("x", "1\r\nhost: evil"), ("x", "1\ny: 2"), ("", "1"), ("x y", "1"), ("x", "\0"), ("x", "ł")],
)
def test_a_header_that_could_split_the_request_is_refused(server: Server, header: tuple[str, str]) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    assert bench.fetch(f"http://api.test:{server.port}/", headers=[header]) == (False, "not-allowed")
    assert server.seen == []


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET /x HTTP/1.1\r\nX:", ""])
def test_other_methods_are_refused(server: Server, method: str) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    assert bench.fetch(f"http://api.test:{server.port}/", method) == (False, "not-allowed")


def test_a_body_over_the_limit_is_refused(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    body = b"x" * (http_fetch.BODY_LIMIT_BYTES + 1)
    assert bench.fetch(f"http://api.test:{server.port}/", "POST", (), body) == (False, "not-allowed")


def test_a_call_has_a_limited_number_of_fetches(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"], timeout_s=120)
    outcomes = [
        bench.fetcher.fetch(("GET", f"http://api.test:{server.port}/", [], None))[0]
        for _ in range(http_fetch.FETCHES_LIMIT + 1)
    ]
    bench.fetcher.close()
    assert outcomes == [True] * http_fetch.FETCHES_LIMIT + [False]


def test_the_ledger_counts_requests_and_bytes_by_destination(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    bench.fetch(f"http://api.test:{server.port}/", "POST", (), b"x" * 1_000)
    entry = bench.call.ledger.destinations[f"api.test:{server.port}"]
    assert entry.requests == 1
    assert 1_000 < entry.bytes_received < 1_300
    assert 1_000 < entry.bytes_sent < 1_300


def test_the_ledger_keeps_destinations_apart(server: Server) -> None:
    other = Server()
    bench = Bench([f"http://api.test:{server.port}", f"http://other.test:{other.port}"])
    try:
        for url in [f"http://api.test:{server.port}/", f"http://other.test:{other.port}/"] * 2:
            bench.fetcher.fetch(("GET", url, [], None))
    finally:
        bench.fetcher.close()
        other.close()
    counted = {name: entry.requests for name, entry in bench.call.ledger.destinations.items()}
    assert counted == {f"api.test:{server.port}": 2, f"other.test:{other.port}": 2}


def test_the_ledger_counts_a_request_once_however_many_addresses_were_tried(server: Server) -> None:
    url = f"http://api.test:{server.port}"
    reached = Bench([url])
    reached.fetch(url, "POST", (), b"x" * 1_000)
    unlucky = Bench([url], resolve=lambda _h, _p: ["127.0.0.97", "127.0.0.98", "127.0.0.99", "127.0.0.1"])
    unlucky.fetch(url, "POST", (), b"x" * 1_000)
    assert unlucky.call.ledger.destinations == reached.call.ledger.destinations


def test_a_request_that_reaches_nobody_is_counted_without_bytes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bench = Bench([f"http://api.test:{port}"])
    bench.fetch(f"http://api.test:{port}/", "POST", (), b"x" * 1_000)
    assert bench.call.ledger.destinations == {f"api.test:{port}": Destination(requests=1)}


def test_what_a_silent_server_was_sent_is_counted(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"], timeout_s=0.3)
    bench.fetch(f"http://api.test:{raw_server.port}/silent", "POST", (), b"x" * 1_000)
    assert bench.call.ledger.destinations[f"api.test:{raw_server.port}"].bytes_sent > 1_000


# --- headers ---


def test_a_request_may_have_a_hundred_headers(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    headers = [(f"x-{n}", "y") for n in range(100)]
    _, (_, _, heard) = bench.fetch(f"http://api.test:{raw_server.port}/echo", headers=headers)
    assert heard.count(b": y\r\n") == 100


def test_a_request_with_more_headers_is_refused(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    headers = [(f"x-{n}", "y") for n in range(101)]
    assert bench.fetch(f"http://api.test:{raw_server.port}/echo", headers=headers) == (False, "not-allowed")


def test_an_answer_may_have_a_hundred_headers(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    _, (status, headers, _) = bench.fetch(f"http://api.test:{raw_server.port}/hundred-headers")
    assert (status, len([name for name, _ in headers if name.startswith("x-")])) == (200, 99)


def test_an_answer_with_more_headers_is_not_taken(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    answer = bench.fetch(f"http://api.test:{raw_server.port}/hundred-and-one-headers")
    assert answer == (False, "transport")


def test_headers_of_an_answer_may_fill_their_limit(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    assert bench.fetch(f"http://api.test:{raw_server.port}/full-head")[0]
    received = bench.call.ledger.destinations[f"api.test:{raw_server.port}"].bytes_received
    assert received == connections.HEAD_LIMIT_BYTES + len("hello")


def test_headers_of_an_answer_over_their_limit_are_not_taken(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    with Logbook() as log:
        answer = bench.fetch(f"http://api.test:{raw_server.port}/overfull-head")
    reasons = [line.get("reason") for line in log.documents()]
    assert (answer, reasons) == ((False, "transport"), ["the response has more than 32768 bytes of headers"])


def test_a_server_that_sends_interim_responses_without_end_is_given_up(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    assert bench.fetch(f"http://api.test:{raw_server.port}/continue") == (False, "transport")
    received = bench.call.ledger.destinations[f"api.test:{raw_server.port}"].bytes_received
    assert 0 < received <= 9 * len(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("kind", ["one-interim", "eight-interim"])
def test_interim_responses_are_skipped(raw_server: RawServer, kind: str) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    _, (status, headers, body) = bench.fetch(f"http://api.test:{raw_server.port}/{kind}")
    assert (status, headers, body) == (200, [], b"hello")


@pytest.mark.parametrize("kind", ["nine-interim", "switching"])
def test_more_interim_responses_or_another_protocol_fail_the_fetch(raw_server: RawServer, kind: str) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    assert bench.fetch(f"http://api.test:{raw_server.port}/{kind}") == (False, "transport")


def test_after_an_interim_response_the_next_fetch_gets_its_own_answer(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    url = f"http://api.test:{raw_server.port}/early-hints"
    answers = [bench.fetcher.fetch(("GET", url, [], None))[1] for _ in range(2)]
    bench.fetcher.close()
    assert [(status, body) for status, _, body in answers] == [(200, b"first"), (200, b"second")]


def test_interim_responses_count_as_egress(raw_server: RawServer) -> None:
    sizes = []
    for kind in ("one-interim", "eight-interim"):
        bench = Bench([f"http://api.test:{raw_server.port}"])
        bench.fetch(f"http://api.test:{raw_server.port}/{kind}")
        sizes.append(bench.call.ledger.destinations[f"api.test:{raw_server.port}"].bytes_received)
    assert sizes[1] - sizes[0] == 7 * len(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")


# --- TLS ---


def test_only_headers_that_are_sent_count_as_egress(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    bench.fetch(f"http://api.test:{server.port}/", headers=[("x-one", "1")])
    (_, _, heard, _) = server.seen[-1]
    sent = bench.call.ledger.destinations[f"api.test:{server.port}"].bytes_sent
    assert sent == sum(len(name) + len(value) + len(": \r\n") for name, value in heard.items())


def test_a_certificate_for_the_name_is_accepted_on_the_checked_address(
    tls_server: Server, authority: Authority
) -> None:
    bench = Bench([f"api.example.com:{tls_server.port}"], tls=authority.client_context)
    assert bench.fetch(f"https://api.example.com:{tls_server.port}/")[0]


def test_a_certificate_for_another_name_is_refused(tls_server: Server, authority: Authority) -> None:
    bench = Bench([f"other.example.com:{tls_server.port}"], tls=authority.client_context)
    assert bench.fetch(f"https://other.example.com:{tls_server.port}/") == (False, "transport")
    assert tls_server.seen == []


def test_a_certificate_of_an_unknown_authority_is_refused(tls_server: Server, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    bench = Bench([f"api.example.com:{tls_server.port}"], tls=stranger.client_context)
    assert bench.fetch(f"https://api.example.com:{tls_server.port}/") == (False, "transport")
    assert tls_server.seen == []


# --- secrets ---


def test_a_secret_goes_into_a_header_for_its_host(server: Server) -> None:
    secrets = {"key": ("s3cr3t-value", [f"http://api.test:{server.port}"])}
    bench = Bench([f"http://api.test:{server.port}"], secrets=secrets)
    assert bench.fetch(f"http://api.test:{server.port}/", headers=[("authorization", "Bearer {{secret:key}}")])[0]
    assert server.seen[0][2]["authorization"] == "Bearer s3cr3t-value"


@pytest.mark.parametrize(
    ("bound", "providers"),
    [
        (["other.test"], EVERY_CAPABILITY),
        ([], EVERY_CAPABILITY),
        (None, EVERY_CAPABILITY),
        (["here"], ("cap:http.fetch",)),
    ],
)
def test_a_secret_goes_nowhere_else(server: Server, bound: list[str] | None, providers: tuple[str, ...]) -> None:
    here = f"http://api.test:{server.port}"
    hosts = [here if host == "here" else host for host in bound or []]
    secrets = {} if bound is None else {"key": ("s3cr3t-value", hosts)}
    bench = Bench([here], secrets=secrets, providers=providers)
    assert bench.fetch(f"{here}/", headers=[("x", "{{secret:key}}")]) == (False, "not-allowed")
    assert (server.seen, bench.unsealer.opened) == ([], 0)


def test_an_expired_secret_goes_nowhere(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])}, expires_at_s=1)
    assert bench.fetch(f"{here}/", headers=[("x", "{{secret:key}}")]) == (False, "not-allowed")


def test_placeholders_in_url_and_body_stay_as_they_are(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])})
    assert bench.fetch(f"{here}/?q=%7B%7Bsecret:key%7D%7D", "POST", (), b"{{secret:key}}")[0]
    _, path, _, body = server.seen[0]
    assert ("s3cr3t-value" in path, body) == (False, b"{{secret:key}}")


def test_a_secret_with_a_line_break_cannot_split_the_request(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("a\r\nhost: evil", [here])})
    assert bench.fetch(f"{here}/", headers=[("x", "{{secret:key}}")]) == (False, "not-allowed")
    assert server.seen == []


def test_a_secret_is_unsealed_once_in_a_call(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])})
    for _ in range(3):
        bench.fetcher.fetch(("GET", f"{here}/", [("x", "{{secret:key}}")], None))
    bench.fetcher.close()
    assert bench.unsealer.opened == 1


def test_what_was_unsealed_is_scrubbed_from_texts(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])})
    bench.fetch(f"{here}/", headers=[("x", "{{secret:key}}")])
    assert bench.call.secrets.scrub("got s3cr3t-value back") == "got [secret key] back"
