"""The HTTP front: limits, routes and static files, over real sockets."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.support.servers import Loop
from tools.local.function_processes import Functions
from tools.local.http_front import Front
from tools.local.lambda_types import FunctionSpec
from topology.routes import Route

FUNCTIONS = (FunctionSpec("http", "tests.support.small_functions.http", 2),)


@pytest.fixture(scope="module")
def base(server_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("front")
    (folder / "files" / "sub").mkdir(parents=True)
    (folder / "files" / "index.html").write_text("<h1>host</h1>")
    (folder / "secret.txt").write_text("not for you")
    (folder / "files" / "sub" / "link.txt").symlink_to(folder / "secret.txt")

    async def start() -> tuple[Functions, Front, str]:
        functions = Functions(FUNCTIONS, folder / "logs", folder / "tmp")
        front = Front(
            functions,
            (Route("/api", "http"), Route("/raw", "http", ("GET",), "ui")),
            folder / "files",
            "http://127.0.0.1:1",
        )
        return functions, front, await front.start(0)

    functions, front, url = server_loop.run(start())
    yield url
    server_loop.run(front.close())
    server_loop.run(functions.close())


@pytest.fixture(scope="module")
def api(server_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A front whose unmatched requests go to a function, as an HTTP API with the route `$default`."""
    folder = tmp_path_factory.mktemp("api")

    async def start() -> tuple[Functions, Front, str]:
        functions = Functions(FUNCTIONS, folder / "logs", folder / "tmp")
        front = Front(functions, (Route("/api", "http", ("GET",)),), default="http")
        return functions, front, await front.start(0)

    functions, front, url = server_loop.run(start())
    yield url
    server_loop.run(front.close())
    server_loop.run(functions.close())


@pytest.fixture(scope="module")
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False, timeout=20) as pool:
        yield pool


def event_of(reply: Any) -> dict[str, Any]:
    assert reply.status == 201, reply.data
    return dict(json.loads(reply.data)["event"])


def test_a_request_becomes_an_event_and_back(base: str, http: urllib3.PoolManager) -> None:
    reply = http.request("POST", f"{base}/api/a%20b?x=1&x=2", body=b"\xff", headers={"X-One": "1"})

    event = event_of(reply)
    assert reply.headers["x-made-by"] == "small"
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/api/a b", "x=1&x=2")
    assert (event["body"], event["isBase64Encoded"], event["headers"]["x-one"]) == ("/w==", True, "1")


def test_a_function_url_leaves_the_path_as_it_was_written(base: str, http: urllib3.PoolManager) -> None:
    assert event_of(http.request("GET", f"{base}/raw/a%20b"))["rawPath"] == "/raw/a%20b"


def test_head_has_headers_and_no_body(base: str, http: urllib3.PoolManager) -> None:
    reply = http.request("HEAD", f"{base}/api/x")

    assert (reply.status, reply.data) == (201, b"")


def test_no_route_is_404_and_a_route_next_door_is_none(base: str, http: urllib3.PoolManager) -> None:
    assert http.request("GET", f"{base}/apix").status == 404
    assert http.request("POST", f"{base}/raw/x").status == 404


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/api/x", "ANY /api/{proxy+}"),
        ("POST", "/api/x", "$default"),
        ("GET", "/apix", "$default"),
        ("GET", "/", "$default"),
        ("GET", "/api%2Fx", "ANY /api/{proxy+}"),
        ("GET", "/x%2F..%3F/api", "$default"),
    ],
)
def test_what_no_route_matches_goes_to_the_default_function(
    api: str, http: urllib3.PoolManager, method: str, path: str, route: str
) -> None:
    event = event_of(http.request(method, api + path))

    assert (event["routeKey"], event["requestContext"]["routeKey"]) == (route, route)
    assert ("pathParameters" in event) == (route != "$default")


def test_a_functions_timeout_is_a_500(base: str, http: urllib3.PoolManager) -> None:
    reply = http.request("GET", f"{base}/api/x?sleep=9")

    assert (reply.status, json.loads(reply.data)) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [({"x-big": "x" * 20_000}, 0, 431), ({}, 10 * 1024 * 1024 + 1, 413), ({}, 5 * 1024 * 1024, 413)],
    ids=["headers", "body", "body as base64"],
)
def test_limits(base: str, http: urllib3.PoolManager, headers: dict[str, str], size: int, status: int) -> None:
    reply = http.request("POST", f"{base}/api/x", body=b"x" * size, headers=headers)

    assert reply.status == status


def test_a_chunked_body_arrives_whole(base: str) -> None:
    host, _, port = base.removeprefix("http://").partition(":")
    request = (
        b"POST /api/x HTTP/1.1\r\nhost: t\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n"
        b"connection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["event"]["body"] == "abcde"


@pytest.mark.parametrize(
    "line",
    [
        b"NONSENSE", b"GET nowhere HTTP/1.1", b"GET / HTTP/2.0", "GET /ä HTTP/1.1".encode(), b"GET /\xe4 HTTP/1.1",
        b"GET /api/x?q=\xc3\xa4 HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /a\x7f HTTP/1.1", b"GET /a\tb HTTP/1.1",
    ],
)  # fmt: skip
def test_nonsense_is_400(base: str, line: bytes) -> None:
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(line + b"\r\n\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.1 400 ")


def test_static_files_and_nothing_outside_them(base: str, http: urllib3.PoolManager) -> None:
    page = http.request("GET", f"{base}/")
    assert (page.status, page.data, page.headers["content-type"]) == (200, b"<h1>host</h1>", "text/html")
    assert "frame-src http://127.0.0.1:1" in page.headers["content-security-policy"]
    assert (
        "connect-src 'self' http://127.0.0.1:1" in page.headers["content-security-policy"]
    )  # asked for withdrawn pages
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/sub/link.txt", "/none.html"):
        assert http.request("GET", base + path).status == 404, path


def test_the_folder_of_files_must_not_hide_a_route(base: str, http: urllib3.PoolManager) -> None:
    assert Path(event_of(http.request("GET", f"{base}/api"))["rawPath"]) == Path("/api")
