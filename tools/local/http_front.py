"""The HTTP front: takes the place of API Gateway and CloudFront between a client and a function.

A front is one port with its routes. It turns requests into events, enforces API Gateway's limits (30 s, 10 MB,
10,240 bytes of headers) and Lambda's 6 MB payload, and turns the function's answers into responses. A port may also
serve a folder of static files, as the host application's web server would.
"""

import asyncio
import mimetypes
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tools.local.function_processes import Functions
from tools.local.gateway_events import Arrival, build_event, decoded_path, read_outcome, refusal
from tools.local.http_server import LOOPBACK, HttpRequest, HttpResponse, HttpServer, Limits, serve
from tools.local.lambda_types import PAYLOAD_BYTES_MAX
from tools.local.sign_in import PATH as SIGN_IN_PATH
from tools.local.sign_in import SignInCodes
from topology.routes import Route

INTEGRATION_TIMEOUT_S = 30.0
FRONT_LIMITS = Limits(header_bytes=10_240, body_bytes=10 * 1024 * 1024)


class Front:
    """One port in front of some functions.

    Args:
        functions: the functions that answer.
        routes: the first route that matches is used.
        files: folder of static files for all other paths.
        frames: origin that HTML pages among the files may show in frames.
        codes: codes that the page among the files exchanges for tokens.
        default: the function that answers all other requests, through the route `$default`.
    """

    def __init__(
        self,
        functions: Functions,
        routes: Sequence[Route],
        files: Path | None = None,
        frames: str = "'none'",
        codes: SignInCodes | None = None,
        default: str | None = None,
    ) -> None:
        self._functions = functions
        self._routes = routes
        self._files = files
        self._frames = frames
        self._codes = codes
        self._default = default
        self._server: HttpServer | None = None

    async def start(self, port: int) -> str:
        """Listen, and return the base URL. Raises OSError when the port is in use."""
        self._server = await serve(self._answer, port, FRONT_LIMITS)
        return f"http://127.0.0.1:{self._server.port}"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            await self._server.close()

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        request_id = str(uuid.uuid4())
        path = decoded_path(request.target.partition("?")[0])
        route = next((route for route in self._routes if matches(route, request.method, path)), None)
        if route is None:
            if self._codes is not None and (request.method, path) == ("POST", SIGN_IN_PATH):
                return self._sign_in(self._codes, request, request_id)
            if self._files is not None and request.method in {"GET", "HEAD"}:
                return await asyncio.to_thread(static_file, self._files, path, self._frames)
            if self._default is None:
                return refusal(404, "Not Found", request_id)
            arrival = self._arrival(request_id, "$default", {}, decode_path=True)
            return await self._invoke(self._default, request, arrival)
        rest = path.removeprefix(route.prefix).strip("/")
        parameters = {"proxy": rest} if rest else {}
        key, decode = f"ANY {route.prefix}/{{proxy+}}", route.front == "api"
        arrival = self._arrival(request_id, key, parameters, decode_path=decode)
        return await self._invoke(route.function, request, arrival)

    def _arrival(self, request_id: str, route_key: str, parameters: dict[str, str], *, decode_path: bool) -> Arrival:
        port = self._server.port if self._server else 0
        return Arrival(request_id, datetime.now(UTC), route_key, port, parameters, decode_path)

    async def _invoke(self, function: str, request: HttpRequest, arrival: Arrival) -> HttpResponse:
        payload = msgspec.json.encode(build_event(request, arrival))
        if len(payload) > PAYLOAD_BYTES_MAX:
            return refusal(413, "Request Entity Too Large", arrival.request_id)
        try:
            outcome = await asyncio.wait_for(self._functions.invoke(function, payload), INTEGRATION_TIMEOUT_S)
        except TimeoutError:
            return refusal(503, "Service Unavailable", arrival.request_id)
        return read_outcome(outcome, arrival.request_id)

    def _sign_in(self, codes: SignInCodes, request: HttpRequest, request_id: str) -> HttpResponse:
        """Exchange a code, the body as text, for its token.

        Only a page of this front may ask: with a name other than loopback's in `Host`, another site's name was
        pointed at this address; with another origin, it is another site's script.
        """
        port = self._server.port if self._server else 0
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        host, origin = request.header("host"), request.header("origin")
        if request.peer != LOOPBACK or host not in hosts or (origin is not None and origin != f"http://{host}"):
            return refusal(403, "Forbidden", request_id)
        token = codes.redeem(request.body.decode(errors="replace"))
        if token is None:
            return refusal(403, "This sign-in line was used already, or is older than 10 minutes.", request_id)
        headers = (("content-type", "text/plain"), ("cache-control", "no-store"))
        return HttpResponse(200, headers, token.encode())


def matches(route: Route, method: str, path: str) -> bool:
    """Tell whether the route fits a request."""
    return method in route.methods and (path == route.prefix or path.startswith(route.prefix.rstrip("/") + "/"))


def static_file(folder: Path, path: str, frames: str = "'none'") -> HttpResponse:
    """Return a file below `folder`, or a folder's `index.html`; 404 otherwise, also for links out of `folder`."""
    root = folder.resolve()
    target = (root / path.lstrip("/")).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(root) or not target.is_file():
        return HttpResponse(404, (("content-type", "text/plain"),), b"not found\n")
    kind = mimetypes.guess_type(target.name)[0] or "application/octet-stream"
    policy = (
        f"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' {frames}; frame-src {frames}; "
        f"connect-src 'self' {frames}; object-src 'none'; base-uri 'self'"
    )
    headers = (
        ("content-type", kind),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", policy),
    )
    return HttpResponse(200, headers, target.read_bytes())
