"""Requests, responses and a router: what the handlers of an extension in Python need. Copy it as it is."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from wit_world.imports.types import ContextData, ExecuteRequest, ExecuteResponse, HttpHeader

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"


class HttpProblem(Exception):
    """An answer that says what is wrong; raised anywhere below the router it becomes problem+json (RFC 9457)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Request(NamedTuple):
    """A call that reached the extension. Header names are in lower case, of a query name the last value counts."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    context: ContextData
    params: dict[str, str]

    def json(self) -> Any:
        """Return the body as JSON, or refuse the call with 400."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise HttpProblem(400, "The body is not JSON.") from None


class Response(NamedTuple):
    """What a handler answers."""

    status: int
    headers: dict[str, str]
    body: bytes | None = None


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a value as JSON."""
    return Response(status, {"content-type": JSON, **(headers or {})}, json.dumps(value).encode())


def problem(status: int, detail: str, **members: Any) -> Response:
    """Answer with problem+json; further members are added to it."""
    document = {"type": "about:blank", "status": status, "detail": detail, **members}
    return json_response(document, status, {"content-type": PROBLEM_JSON})


def empty(status: int) -> Response:
    """Answer without a body."""
    return Response(status, {})


Handler = Callable[[Request], Response]


class Router:
    """Finds the handler of a request by method and path (literal segments or ``:name``), the first match winning."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, list[str], Handler]] = []

    def on(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Register the decorated function for a method and a path."""

        def register(handler: Handler) -> Handler:
            self._routes.append((method, path.split("/"), handler))
            return handler

        return register

    def answer(self, raw: ExecuteRequest) -> ExecuteResponse:
        """Answer a call of the host. Exceptions other than HttpProblem are defects and end the call."""
        path, _, query = raw.http.url.partition("?")
        request = Request(
            method=raw.http.method.upper(),
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={header.name.lower(): header.value for header in raw.http.headers},
            body=raw.http.body or b"",
            context=raw.context,
            params={},
        )
        try:
            response = self._dispatch(request)
        except HttpProblem as refused:
            response = problem(refused.status, refused.detail)
        headers = [HttpHeader(name, value) for name, value in response.headers.items()]
        return ExecuteResponse(response.status, headers, response.body)

    def _dispatch(self, request: Request) -> Response:
        segments = request.path.split("/")
        wanted = "GET" if request.method == "HEAD" else request.method
        matches = [(m, p, h) for m, p, h in self._routes if _matches(p, segments)]
        for method, pattern, handler in matches:
            if method == wanted:
                return handler(request._replace(params=_params(pattern, segments)))
        if matches:
            return problem(405, f"{request.method} is not answered here.")
        return problem(404, "There is nothing at this path.")


def _matches(pattern: list[str], segments: list[str]) -> bool:
    if len(pattern) != len(segments):
        return False
    return all(s != "" if p.startswith(":") else p == s for p, s in zip(pattern, segments, strict=True))


def _params(pattern: list[str], segments: list[str]) -> dict[str, str]:
    pairs = zip(pattern, segments, strict=True)
    return {name[1:]: unquote(value) for name, value in pairs if name.startswith(":")}
