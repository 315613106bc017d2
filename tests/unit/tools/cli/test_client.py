"""The CLI's client: a creation whose answer was lost is asked for again, under the same Idempotency-Key."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.answering import Reply as ServerReply
from tests.support.answering import answering
from tools.cli import client as cli
from tools.cli import registry_commands
from tools.cli.client import ApiError, Client, Reply, problem_of
from tools.cli.main import run
from tools.cli.output import CommandError


class Platform(HTTPServer):
    """Answers with the statuses it was told, one a request; 0 hangs up without an answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.requests: list[tuple[str | None, bytes]] = []
        self.answers: list[object] = []
        self.paths: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Platform

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        self.server.requests.append((self.headers["idempotency-key"], body))
        status = self.server.statuses.pop(0)
        if status == 0:
            self.close_connection = True
            return
        self.server.paths.append(self.path.removeprefix("/api/registry/v1/maintenance/prepare"))
        answer = json.dumps(self.server.answers.pop(0) if self.server.answers else {}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setattr(cli, "_PAUSES_S", (0.0, 0.0))
    server = Platform()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def create(platform: Platform) -> object:
    client = Client(f"http://127.0.0.1:{platform.server_port}", "token")
    try:
        return client.create("/publishers", {"publisher": "acme"})
    finally:
        client.close()


def test_recompile_asks_for_page_after_page(
    platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALGA_TOKEN", "token")
    platform.statuses = [202, 202, 202]
    platform.answers = [
        {"queued": 100, "next_cursor": "one"}, {"queued": 100, "next_cursor": "two"}, {"queued": 7, "next_cursor": None}
    ]  # fmt: skip

    registry_commands.recompile(status=False, url=f"http://127.0.0.1:{platform.server_port}", token_file=None)

    assert platform.paths == ["", "?cursor=one", "?cursor=two"]
    assert "207 versions queued" in capsys.readouterr().out


@pytest.mark.parametrize("first", [0, 502, 503, 504])
def test_a_creation_without_an_answer_is_asked_for_again_with_the_same_key(platform: Platform, first: int) -> None:
    platform.statuses = [first, 201]

    assert create(platform) == {}

    assert len(platform.requests) == 2
    assert platform.requests[0][0] is not None
    assert platform.requests[0] == platform.requests[1]


def test_two_creations_have_two_keys(platform: Platform) -> None:
    platform.statuses = [201, 201]
    create(platform)
    create(platform)

    assert platform.requests[0][0] != platform.requests[1][0]


@pytest.mark.parametrize("status", [400, 403, 409, 500])
def test_a_refusal_is_not_asked_for_again(platform: Platform, status: int) -> None:
    platform.statuses = [status]

    with pytest.raises(ApiError):
        create(platform)

    assert len(platform.requests) == 1


def test_after_three_times_without_an_answer_the_command_fails(platform: Platform) -> None:
    platform.statuses = [0, 0, 0]

    with pytest.raises(CommandError):
        create(platform)

    assert len(platform.requests) == 3


def test_a_third_refusal_for_the_moment_is_the_answer(platform: Platform) -> None:
    platform.statuses = [503, 503, 503]

    with pytest.raises(ApiError) as refused:
        create(platform)

    assert refused.value.status == 503


def refused_with(**members: object) -> ApiError:
    document = {"code": "bad_gateway", "detail": "The extension trapped.", **members}
    return problem_of(Reply(502, {"x-request-id": "r-1"}, json.dumps(document).encode()))


def test_what_a_local_platform_says_about_a_failed_extension_is_shown_as_lines() -> None:
    refused = refused_with(
        guest={"error": "no orders\nin May", "stack": "at total\n    at handler"},
        refused={"capability": "cap:secrets.get", "reason": "secret KEY is not set"},
    )

    assert refused.explanation == (
        "error: no orders",
        "  in May",
        "stack: at total",
        "  at handler",
        "refused: secret KEY is not set",
    )


@pytest.mark.parametrize(("status", "message"), [(413, "Request Entity Too Large"), (429, "Too Many Requests")])
def test_an_answer_of_api_gateway_itself_is_read_with_its_own_request_id(status: int, message: str) -> None:
    refused = problem_of(Reply(status, {"apigw-requestid": "g-1"}, json.dumps({"message": message}).encode()))

    assert (refused.status, refused.code, refused.detail) == (status, f"http_{status}", message)
    assert refused.request_id == "g-1"


@pytest.mark.parametrize(
    ("headers", "shown"),
    [({"apigw-requestid": "g-1"}, "http_429: Too Many"), ({"x-request-id": "r-1"}, "the extension answered 429")],
    ids=["api-gateway", "extension"],
)
def test_a_call_says_whether_the_extension_or_the_api_in_front_of_it_refused(
    capsys: pytest.CaptureFixture[str], headers: dict[str, str], shown: str
) -> None:
    with answering(lambda _: ServerReply(429, b'{"message": "Too Many"}', headers)) as server:
        assert run(["call", "acme.notes", "/notes", "--url", server.url]) == 1

    assert shown in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "no explanation was given"),
        (b"<html>busy</html>", "<html>busy</html>"),
        (b'{"message": 5}', '{"message": 5}'),
        (b'{"message": ""}', "no explanation was given"),
        (b"[]", "[]"),
        (b"\xff", "\ufffd"),
        (b"x" * 400, "x" * 300),
    ],
)
def test_an_error_in_any_other_form_is_shown_as_it_is(body: bytes, detail: str) -> None:
    refused = problem_of(Reply(503, {}, body))

    assert (refused.code, refused.detail, refused.request_id) == ("http_503", detail, "")


@pytest.mark.parametrize(
    "member", [None, "text", 5, [], {}, {"error": 5, "reason": ["x"]}, {"error": " ", "reason": ""}]
)
def test_an_explanation_in_another_form_is_left_out(member: object) -> None:
    refused = refused_with(guest=member, refused=member)

    assert (refused.code, refused.explanation) == ("bad_gateway", ())
