"""http.fetch against real servers on loopback, which the operator opens for these tests only."""

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.traceparent import trace_id_of
from functions.runner.imports.egress_ledger import Destination
from functions.runner.imports.http import fetch as http_fetch
from functions.runner.imports.http import responses
from functions.runner.imports.http.unreachable import Unreachable
from tests.security.servers import Server as RawServer
from tests.support.fetching import Bench, Server
from tests.support.runner_fixture import EVERY_CAPABILITY
from tests.support.scripted_server import ScriptedServer
from tests.support.tls import Authority


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


def test_the_answer_to_a_head_request_keeps_its_content_length(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    _, (_, headers, _) = Bench([here]).fetch(f"{here}/", "HEAD")
    _, (_, others, _) = Bench([here]).fetch(f"{here}/")
    assert (dict(headers)["content-length"], "content-length" in dict(others)) == ("5", False)


def test_headers_that_come_twice_are_kept_in_order(raw_server: RawServer) -> None:
    twice = b"Set-Cookie: a=1\r\nlink: </a>\r\nset-cookie: b=2\r\nLink: </b>\r\n"
    with ScriptedServer(lambda _heard: b"HTTP/1.1 200 OK\r\n" + twice + b"content-length: 0\r\n\r\n") as server:
        _, (_, headers, _) = Bench([server.url]).fetch(server.url)
    assert sorted(headers) == [("link", "</a>"), ("link", "</b>"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]


@pytest.mark.parametrize(
    ("request_", "options", "reason"),
    [
        (("GET", "ftp://api.test/"), {}, "the URL is not a plain http or https URL"),
        (("GET", "https://api.example.com/"), {}, "host api.example.com is not granted"),
        (("GET", "http://api.example.com:81/"), {}, "host http://api.example.com:81 is not granted"),
        (("TRACE", "{here}/"), {}, "method TRACE is not one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        (("GET", "{here}/", [("x", "y")] * 101), {}, "the request has 101 headers; at most 100 are allowed"),
        (("GET", "{here}/", [("x", "y" * 32_768)]), {}, "the request has 32769 bytes of headers; at most 32768"),
        (("POST", "{here}/", [], b"x" * 4_194_305), {}, "the request has 4194305 bytes of body; at most 4194304"),
        (("GET", "{here}/", [("a b", "c")]), {}, "a header has a name that is not valid in HTTP"),
        (("GET", "{here}/", [("x", "a\nb")]), {}, "the value of header x is not valid in HTTP"),
        (("GET", "{here}/"), {"opened": ()}, "127.0.0.1 is a private address of api.test"),
    ],
)
def test_every_refusal_is_explained_to_the_developer_and_not_to_the_server(
    server: Server, request_: Any, options: dict[str, Any], reason: str
) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], **options)
    method, url, *rest = request_
    is_ok, _ = bench.fetch(url.format(here=here), method, *rest)
    assert (is_ok, server.seen, len(bench.explained)) == (False, [], 1)
    assert bench.explained[0].startswith(f"http.fetch refused: {reason}")


def test_a_name_without_an_address_is_explained() -> None:
    bench = Bench(["api.test"], resolve=lambda _host, _port: [])
    assert bench.fetch("https://api.test/") == (False, "transport")
    assert bench.explained == ["http.fetch failed: the name api.test has no address"]


def test_a_literal_private_address_is_named_once() -> None:
    bench = Bench(["http://127.0.0.1:1"], opened=())
    assert bench.fetch("http://127.0.0.1:1/") == (False, "not-allowed")
    assert bench.explained == ["http.fetch refused: 127.0.0.1 is a private address"]


def test_a_failure_is_explained_without_the_url(server: Server) -> None:
    server.close()
    here = f"http://api.test:{server.port}"
    bench = Bench([here])
    assert bench.fetch(f"{here}/private-path") == (False, "transport")
    assert bench.explained == [f"http.fetch failed: {here}: no address of the host accepted a connection"]


# --- names and addresses that do not answer ---


def test_seventy_fetches_to_a_name_server_that_hangs_delay_no_other_extension(server: Server) -> None:
    here, ended = f"http://api.test:{server.port}", threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        ended.wait()
        return []

    for _ in range(70):
        bench = Bench([here], resolve=hang, timeout_s=0.002)
        assert bench.fetch(here) == (False, "transport")
    assert bench.explained == ["http.fetch failed: the name server for api.test did not answer in time"]

    other = Bench([here], secrets={"key": ("s3cr3t-value", [here])})
    other.call.request.context.install_id = "another install"
    answered = other.fetch(here, headers=[("authorization", "{{secret:key}}")])
    ended.set()
    assert answered[0]


class DeadEnd:
    """An address that never accepts a connection: its queue of connections is full."""

    def __init__(self, port: int) -> None:
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("127.0.0.2", port))
        self._listening.listen(0)
        self._waiting = [socket.socket() for _ in range(4)]
        for waiting in self._waiting:
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))

    def close(self) -> None:
        for opened in (*self._waiting, self._listening):
            opened.close()


def test_a_dead_first_address_leaves_time_for_the_second_and_is_tried_last_the_next_time(server: Server) -> None:
    dead_end = DeadEnd(server.port)
    here = f"http://api.test:{server.port}"
    dead = Unreachable(time.monotonic)

    def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    bench = Bench([here], resolve=resolve, timeout_s=2, dead=dead)
    first = bench.fetch(here)
    assert dead.last(["127.0.0.2", "127.0.0.1"], server.port) == ["127.0.0.1", "127.0.0.2"]
    second = Bench([here], resolve=resolve, timeout_s=2, dead=dead)
    again = second.fetcher.fetch(("GET", here, [], None))
    tried = [address for _, _, _, address in second.fetcher._pools]
    second.fetcher.close()
    assert (first[0], again[0], tried) == (True, True, ["127.0.0.1"])
    dead_end.close()


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
    entry = bench.call.ledger.destinations[f"http://api.test:{server.port}"]
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
    assert counted == {f"http://api.test:{server.port}": 2, f"http://other.test:{other.port}": 2}


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
    assert bench.call.ledger.destinations == {f"http://api.test:{port}": Destination(requests=1)}


def test_a_fetch_that_is_refused_is_counted_as_refused_by_the_name_that_a_grant_would_have(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    for url in ("https://Other.test/path?query", "http://other.test/", "https://other.test:8443/#part"):
        bench.fetch(url)
    refused = Destination(refused=1)
    assert bench.call.ledger.destinations == {
        "other.test": refused, "http://other.test": refused, "other.test:8443": refused
    }  # fmt: skip


def test_a_request_belongs_to_the_calls_trace_and_has_a_parent_of_its_own(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"], trace_id="a" * 32)
    for _ in range(2):
        bench.fetcher.fetch(("GET", f"http://api.test:{server.port}/", [], None))
    bench.fetcher.close()
    parents = [headers["traceparent"] for _, _, headers, _ in server.seen]
    assert [trace_id_of(parent) for parent in parents] == ["a" * 32] * 2
    assert len(set(parents)) == 2


def test_a_trace_that_the_guest_sends_stays(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"], trace_id="a" * 32)
    own = f"00-{'c' * 32}-{'d' * 16}-00"
    bench.fetch(f"http://api.test:{server.port}/", headers=[("Traceparent", own)])
    ((_, _, headers, _),) = server.seen
    assert headers["traceparent"] == own


def test_a_private_address_is_counted_as_refused() -> None:
    bench = Bench(["api.test"], resolve=lambda _h, _p: ["10.0.0.1"])
    bench.fetch("https://api.test/")
    assert bench.call.ledger.destinations == {"api.test": Destination(refused=1)}


def test_a_granted_name_without_an_address_is_counted_as_a_request() -> None:
    bench = Bench(["api.test"], resolve=lambda _h, _p: [])
    bench.fetch("https://api.test/")
    assert bench.call.ledger.destinations == {"api.test": Destination(requests=1)}


def test_a_url_that_names_no_host_is_not_counted() -> None:
    bench = Bench(["api.test"])
    bench.fetch("https://user@api.test/")
    assert bench.call.ledger.destinations == {}


def test_what_a_silent_server_was_sent_is_counted(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"], timeout_s=0.3)
    bench.fetch(f"http://api.test:{raw_server.port}/silent", "POST", (), b"x" * 1_000)
    assert bench.call.ledger.destinations[f"http://api.test:{raw_server.port}"].bytes_sent > 1_000


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
    received = bench.call.ledger.destinations[f"http://api.test:{raw_server.port}"].bytes_received
    assert received == responses.HEAD_LIMIT_BYTES + len("hello")


def test_headers_of_an_answer_over_their_limit_are_not_taken(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    answer = bench.fetch(f"http://api.test:{raw_server.port}/overfull-head")
    reason = f"http.fetch failed: http://api.test:{raw_server.port}: the response has more than 32768 bytes of headers"
    assert (answer, bench.explained) == ((False, "transport"), [reason])


def test_a_server_that_sends_interim_responses_without_end_is_given_up(raw_server: RawServer) -> None:
    bench = Bench([f"http://api.test:{raw_server.port}"])
    assert bench.fetch(f"http://api.test:{raw_server.port}/continue") == (False, "transport")
    received = bench.call.ledger.destinations[f"http://api.test:{raw_server.port}"].bytes_received
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
        sizes.append(bench.call.ledger.destinations[f"http://api.test:{raw_server.port}"].bytes_received)
    assert sizes[1] - sizes[0] == 7 * len(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")


# --- TLS ---


def test_only_headers_that_are_sent_count_as_egress(server: Server) -> None:
    bench = Bench([f"http://api.test:{server.port}"])
    bench.fetch(f"http://api.test:{server.port}/", headers=[("x-one", "1")])
    (_, _, heard, _) = server.seen[-1]
    sent = bench.call.ledger.destinations[f"http://api.test:{server.port}"].bytes_sent
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
    assert bench.fetch(f"{here}/", headers=[("authorization", "{{secret:key}}")]) == (False, "not-allowed")
    assert (server.seen, bench.unsealer.opened) == ([], 0)


def test_an_expired_secret_goes_nowhere(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])}, expires_at_s=1)
    assert bench.fetch(f"{here}/", headers=[("authorization", "{{secret:key}}")]) == (False, "not-allowed")


def test_placeholders_in_url_and_body_stay_as_they_are(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])})
    assert bench.fetch(f"{here}/?q=%7B%7Bsecret:key%7D%7D", "POST", (), b"{{secret:key}}")[0]
    _, path, _, body = server.seen[0]
    assert ("s3cr3t-value" in path, body) == (False, b"{{secret:key}}")


def test_a_secret_with_a_line_break_cannot_split_the_request(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("a\r\nhost: evil", [here])})
    assert bench.fetch(f"{here}/", headers=[("authorization", "{{secret:key}}")]) == (False, "not-allowed")
    assert server.seen == []


def test_a_secret_is_unsealed_once_in_a_call(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])})
    for _ in range(3):
        bench.fetcher.fetch(("GET", f"{here}/", [("authorization", "{{secret:key}}")], None))
    bench.fetcher.close()
    assert bench.unsealer.opened == 1


def test_what_was_unsealed_is_scrubbed_from_texts(server: Server) -> None:
    here = f"http://api.test:{server.port}"
    bench = Bench([here], secrets={"key": ("s3cr3t-value", [here])})
    bench.fetch(f"{here}/", headers=[("authorization", "{{secret:key}}")])
    assert bench.call.secrets.scrub("got s3cr3t-value back") == "got [secret key] back"
