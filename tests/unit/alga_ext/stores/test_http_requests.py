"""The platform's own HTTP requests: connections are kept, a response is whole or an error, and nothing is followed."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from alga_ext.stores.http_requests import (
    Connections,
    HttpError,
    NoAnswerError,
    NotConnectedError,
    ReadTimeoutError,
    Response,
)
from tests.support.answering import Asked, Reply, answering
from tests.support.tls import Authority


class Sockets:
    """A server of single bytes: ``serve`` gets each connection and what it asked."""

    def __init__(self, serve: Callable[[socket.socket, bytes], None]) -> None:
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/private-path"
        self.connections: list[socket.socket] = []
        self.requests = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections.append(connection)
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while asked := connection.recv(65_536):
                self.requests += 1
                self._serve(connection, asked)

    def close(self) -> None:
        for open_socket in (self._listening, *self.connections):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()


@pytest.fixture
def connections() -> Iterator[Connections]:
    made = Connections()
    yield made
    made.close()


@pytest.fixture
def served() -> Iterator[Callable[..., Sockets]]:
    """Starts a server that sends the same bytes to each request, and may then close the connection."""
    started: list[Sockets] = []

    def start(data: bytes, *, closes: bool = False, then: Callable[[socket.socket], None] | None = None) -> Sockets:
        def serve(connection: socket.socket, _: bytes) -> None:
            connection.sendall(data)
            if then is not None:
                then(connection)
            if closes:
                connection.shutdown(socket.SHUT_RDWR)

        started.append(Sockets(serve))
        return started[-1]

    yield start
    for server in started:
        server.close()


def get(
    connections: Connections, url: str, method: str = "GET", timeout_s: float = 20.0, attempts: int = 1
) -> Response:
    return connections.request(method, url, headers={}, read_timeout_s=timeout_s, attempts=attempts)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"content-length: %d" % len(body), b"", body])


# What is asked


def test_a_request_arrives_as_it_was_given(connections: Connections) -> None:
    with answering(lambda _: Reply(201, b"made", {"ETag": '"1"'})) as server:
        answered = connections.request(
            "POST", f"{server.url}/a%20b?c=d", headers={"x-one": "1"}, body=b"body", read_timeout_s=20
        )
        assert (answered.status, answered.headers["etag"], answered.read()) == (201, '"1"', b"made")

        (asked,) = server.asked
        assert (asked.method, asked.path, asked.body) == ("POST", "/a%20b?c=d", b"body")
        assert asked.headers["x-one"] == "1"
        assert asked.headers["host"] == server.url.removeprefix("http://")
        assert asked.headers["accept-encoding"] == "identity"


def test_a_url_without_a_path_asks_for_the_root(connections: Connections) -> None:
    with answering(lambda _: Reply(200)) as server:
        get(connections, server.url)
        assert server.asked[0].path == "/"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "127.0.0.1/x", "http://", "http://127.0.0.1:port/", ""])
def test_what_is_no_http_url_is_refused(connections: Connections, url: str) -> None:
    with pytest.raises(ValueError):
        get(connections, url)


def test_a_redirect_is_not_followed(connections: Connections) -> None:
    with answering(lambda _: Reply(302, b"", {"location": "/elsewhere"})) as server:
        assert get(connections, server.url).status == 302
        assert len(server.asked) == 1


# Connections


def test_a_connection_is_kept_when_the_body_was_read(connections: Connections, served: Callable[..., Sockets]) -> None:
    server = served(answer(b"body"))
    for _ in range(3):
        assert get(connections, server.url).read() == b"body"

    assert (len(server.connections), server.requests) == (1, 3)


@pytest.mark.parametrize(("method", "data"), [("GET", answer(b"")), ("HEAD", answer(b"body")[:-4])])
def test_a_connection_is_kept_after_a_response_without_a_body(
    connections: Connections, served: Callable[..., Sockets], method: str, data: bytes
) -> None:
    server = served(data)
    for _ in range(3):
        assert get(connections, server.url, method).read() == b""

    assert len(server.connections) == 1


def test_a_connection_whose_body_was_not_read_is_closed(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    server = served(answer(b"body"))
    for _ in range(2):
        answered = get(connections, server.url)
        assert answered.read(2) == b"bo"
        answered.close()

    assert len(server.connections) == 2


def test_a_connection_that_the_server_closed_is_not_used_again(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    server = served(answer(b"body"), closes=True)
    assert get(connections, server.url).read() == b"body"
    assert server.connections[0].recv(1) == b""  # it is closed by now
    assert get(connections, server.url).read() == b"body"

    assert len(server.connections) == 2


@pytest.mark.parametrize(("idle_s", "made"), [(59, 1), (60, 2), (-1, 2)])
def test_a_connection_that_was_idle_for_a_minute_is_not_used_again(
    served: Callable[..., Sockets], idle_s: int, made: int
) -> None:
    server = served(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    clock = [1_000.0]
    with closing(Connections(now_s=lambda: clock[0])) as connections:
        connections.request("GET", server.url, headers={}, read_timeout_s=3.0).read()
        clock[0] += idle_s
        connections.request("GET", server.url, headers={}, read_timeout_s=3.0).read()
        assert len(server.connections) == made


def test_a_server_that_says_that_it_closes_is_believed(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    server = served(answer(b"body", b"connection: close"))
    for _ in range(2):
        assert get(connections, server.url).read() == b"body"

    assert len(server.connections) == 2


def test_bytes_after_the_response_are_not_the_next_response(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    server = served(answer(b"body") + answer(b"forged"))
    for _ in range(2):
        assert get(connections, server.url).read() == b"body"


def test_threads_do_not_share_a_connection_at_the_same_time(connections: Connections) -> None:
    with answering(lambda asked: Reply(200, asked.path.encode())) as server:

        def ask(number: int) -> bytes:
            return get(connections, f"{server.url}/{number}").read()

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(ask, range(200)))

    assert found == [f"/{number}".encode() for number in range(200)]


def test_at_most_four_idle_connections_are_kept(connections: Connections, served: Callable[..., Sockets]) -> None:
    server = served(answer(b"body"))
    for answered in [get(connections, server.url) for _ in range(6)]:
        answered.read()
    for answered in [get(connections, server.url) for _ in range(6)]:
        answered.read()

    assert len(server.connections) == 8


# Bodies


def test_a_body_is_read_in_parts(connections: Connections) -> None:
    body = os.urandom(1_000_003)
    with answering(lambda _: Reply(200, body)) as server:
        assert b"".join(bytes(part) for part in get(connections, server.url).stream()) == body
        answered = get(connections, server.url)
        assert answered.read(10) + answered.read(300_000) + answered.read() == body


def test_a_limit_beyond_the_end_reads_to_the_end(connections: Connections, served: Callable[..., Sockets]) -> None:
    server = served(answer(b"body"))
    for _ in range(2):
        assert get(connections, server.url).read(100) == b"body"

    assert len(server.connections) == 1


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n3;x=y\r\n, m\r\n0\r\n\r\n"


def test_a_body_in_chunks_is_put_together(connections: Connections, served: Callable[..., Sockets]) -> None:
    server = served(CHUNKED)
    for _ in range(2):
        assert get(connections, server.url).read() == b"body, m"

    assert len(server.connections) == 1


def test_a_body_without_a_length_ends_with_the_connection(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    assert get(connections, served(b"HTTP/1.1 200 OK\r\n\r\nbody", closes=True).url).read() == b"body"


@pytest.mark.parametrize(
    "data", [answer(b"body")[:-1], answer(b"body")[:-4], CHUNKED[:-14], CHUNKED[:-5]], ids=range(4)
)
@pytest.mark.parametrize("limit", [None, 1_000])
def test_a_body_that_ends_early_is_an_error(
    connections: Connections, served: Callable[..., Sockets], data: bytes, limit: int | None
) -> None:
    answered = get(connections, served(data, closes=True).url)
    with pytest.raises(HttpError):
        answered.read(limit)


# Failures


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, b"HTTP/1.1 abc OK\r\n\r\n"],
    ids=["nothing", "no http", "long header", "no status"],
)
def test_what_is_no_response_is_an_error_that_quotes_nothing(
    connections: Connections, served: Callable[..., Sockets], data: bytes
) -> None:
    with pytest.raises(HttpError) as failed:
        get(connections, served(data, closes=True).url)
    assert not {"nonsense", "yyy", "abc", "private-path"} & set(str(failed.value).split())


def test_a_server_that_is_not_there_is_an_error(connections: Connections) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotConnectedError, match="ConnectionRefusedError"):
        get(connections, url)


def test_a_connection_that_ends_before_the_response_is_an_error_of_its_own(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    with pytest.raises(NoAnswerError) as failed:
        get(connections, served(b"", closes=True).url)

    assert "private-path" not in str(failed.value)


def test_a_kept_connection_that_ends_on_the_next_request_has_no_answer(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    server = served(answer(b"body"))
    get(connections, server.url).read()
    (kept,) = server.connections
    server._serve = lambda *_: kept.shutdown(socket.SHUT_RDWR)

    with pytest.raises(NoAnswerError):
        get(connections, server.url)


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", answer(b"body")[:-1]], ids=["nonsense", "broken off"])
def test_a_response_that_cannot_be_used_is_an_answer(
    connections: Connections, served: Callable[..., Sockets], data: bytes
) -> None:
    with pytest.raises(HttpError) as failed:
        get(connections, served(data, closes=True).url).read()

    assert not isinstance(failed.value, (NotConnectedError, NoAnswerError))


def test_a_response_that_does_not_come_in_time_is_an_error_of_its_own(
    connections: Connections, served: Callable[..., Sockets]
) -> None:
    with pytest.raises(ReadTimeoutError):
        get(connections, served(b"").url, timeout_s=0.05)


def test_a_body_that_stops_is_a_timeout_too(connections: Connections, served: Callable[..., Sockets]) -> None:
    answered = get(connections, served(answer(b"body")[:-1]).url, timeout_s=0.05)
    with pytest.raises(ReadTimeoutError):
        answered.read()


def test_a_later_request_has_its_own_time_limit(connections: Connections, served: Callable[..., Sockets]) -> None:
    server = served(answer(b"body"))
    get(connections, server.url, timeout_s=0.05).read()
    time.sleep(0.1)

    assert get(connections, server.url).read() == b"body"


# Repetition


@pytest.mark.parametrize(
    ("status", "sent"), [(200, 1), (404, 1), (429, 1), (501, 1), (500, 3), (502, 3), (503, 3), (504, 3)]
)
def test_a_request_is_sent_again_only_when_the_server_failed(connections: Connections, status: int, sent: int) -> None:
    with answering(lambda _: Reply(status, b"body")) as server:
        answered = get(connections, server.url, attempts=3)

        assert (answered.status, answered.read(), len(server.asked)) == (status, b"body", sent)


def test_a_request_is_sent_again_when_the_connection_failed(connections: Connections) -> None:
    replies = [Reply(body=None), Reply(200, b"body")]

    def reply(_: Asked) -> Reply:
        return replies.pop(0)

    with answering(reply) as server:
        assert get(connections, server.url, attempts=2).read() == b"body"


def test_a_request_with_one_attempt_is_never_sent_again(connections: Connections) -> None:
    with answering(lambda _: Reply(body=None)) as server:
        with pytest.raises(HttpError):
            get(connections, server.url)
        assert len(server.asked) == 1


# TLS


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts a server with a certificate for a name; returns its URL at localhost."""
    listening = socket.create_server(("127.0.0.1", 0))

    def start(name: str) -> str:
        context = Authority(tmp_path).server_context(name)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listening.accept()
                    with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                        while connection.recv(65_536):
                            connection.sendall(answer(b"body"))

        threading.Thread(target=serve, daemon=True).start()
        return f"https://localhost:{listening.getsockname()[1]}/"

    yield start
    with suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def test_a_server_that_a_given_authority_vouches_for_is_asked(secure: Callable[[str], str], tmp_path: Path) -> None:
    url = secure("localhost")
    with closing(Connections(str(tmp_path / "ca.pem"))) as connections:
        assert [get(connections, url).read() for _ in range(2)] == [b"body"] * 2


@pytest.mark.parametrize(("name", "trusted"), [("other.example", True), ("localhost", False)])
def test_a_server_that_nobody_vouches_for_is_not_asked(
    secure: Callable[[str], str], tmp_path: Path, name: str, trusted: bool
) -> None:
    url = secure(name)
    with (
        closing(Connections(str(tmp_path / "ca.pem") if trusted else None)) as connections,
        pytest.raises(HttpError, match="certificate verify failed"),
    ):
        get(connections, url)


def test_certificates_are_loaded_once_for_all_connections(secure: Callable[[str], str], tmp_path: Path) -> None:
    url, bundle = secure("localhost"), tmp_path / "ca.pem"
    with closing(Connections(str(bundle))) as connections:
        get(connections, url).read()
    bundle.unlink()

    with closing(Connections(str(bundle))) as connections:
        assert get(connections, url).read() == b"body"
