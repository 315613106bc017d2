"""A small HTTP/1.1 server on loopback, shared by the runtime API, the invoke API and the front.

It exists because of the runtime client's special needs: a Content-Type on every answer, and one unbuffered write for
each response; otherwise a call takes 44 ms (Nagle's algorithm together with delayed acknowledgements).
"""

import asyncio
import contextlib
import http
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
_TARGET = re.compile(r"/[\x21-\x7e]*\Z")
"""Visible ASCII. Any other character must be percent-encoded (RFC 9112, section 3.2)."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; `target` is the undecoded path with its query, header names are lower-case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    peer: str

    def header(self, name: str) -> str | None:
        """Return the first value of a header by its lower-case name, or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response; Content-Length is added, Content-Type defaults to application/json."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that are checked before the handler: 431 above `header_bytes`, 413 above `body_bytes`."""

    header_bytes: int = 64 * 1024
    body_bytes: int = 16 * 1024 * 1024


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


class RefusedError(Exception):
    """The request cannot be read; the server answers `status` and closes the connection."""

    def __init__(self, status: int) -> None:
        super().__init__(http.HTTPStatus(status).phrase)
        self.status = status


class HttpServer:
    """A listening socket and its connections; closing it ends both immediately."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self._handler = handler
        self._limits = limits
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self, port: int) -> None:
        """Bind to `port` on loopback (0 = any free one) and serve. Raises OSError when the port is in use."""
        # The stream limit applies to one header block; bodies are read by length and may be larger.
        self._server = await asyncio.start_server(
            self._accept, LOOPBACK, port, limit=self._limits.header_bytes, family=socket.AF_INET, backlog=256
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # asyncio always runs this callback in a task
            return
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            LOG.debug("connection ended by its peer")
        except asyncio.CancelledError:
            LOG.debug("connection dropped at shutdown")
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        while True:
            try:
                request = await _read_request(reader, writer, peer, self._limits)
            except RefusedError as refused:
                body = b'{"message":"%s"}' % str(refused).encode()
                writer.write(_encode(HttpResponse(refused.status, (("connection", "close"),), body), head=False))
                await writer.drain()
                return
            if request is None:
                return
            try:
                response = await self._handler(request)
            except Exception:
                # The server must survive any fault of a handler: the fault is logged, the connection stays open.
                LOG.exception("%s %s failed", request.method, request.target)
                response = HttpResponse(500, body=b'{"message":"Internal Server Error"}')
            writer.write(_encode(response, head=request.method == "HEAD"))
            await writer.drain()
            if (request.header("connection") or "").lower() == "close":
                return


async def serve(handler: Handler, port: int = 0, limits: Limits | None = None) -> HttpServer:
    """Start a server on loopback; its attribute `port` is the bound port."""
    server = HttpServer(handler, limits or Limits())
    await server.listen(port)
    return server


async def _read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str, limits: Limits
) -> HttpRequest | None:
    """Read one request, or None at the end of the connection. Raises RefusedError."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    except asyncio.LimitOverrunError as error:
        raise RefusedError(431) from error
    lines = head[:-4].decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
        headers = tuple(
            (name.strip().lower(), value.strip()) for name, value in (line.split(":", 1) for line in lines[1:])
        )
    except ValueError as error:
        raise RefusedError(400) from error
    if not version.startswith("HTTP/1.") or not _TARGET.match(target):
        raise RefusedError(400)
    fields = dict(headers)
    if "expect" in fields:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in fields.get("transfer-encoding", "").lower():
        return HttpRequest(method, target, headers, await _read_chunks(reader, limits.body_bytes), peer)
    length = fields.get("content-length", "0")
    if not length.isdecimal():
        raise RefusedError(400)
    if int(length) > limits.body_bytes:
        raise RefusedError(413)
    return HttpRequest(method, target, headers, await reader.readexactly(int(length)), peer)


async def _read_chunks(reader: asyncio.StreamReader, limit: int) -> bytes:
    body = bytearray()
    while True:
        try:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        except ValueError as error:
            raise RefusedError(400) from error
        if size < 0 or len(body) + size > limit:
            raise RefusedError(413)
        body += await reader.readexactly(size)
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                continue  # trailers are read and dropped
            return bytes(body)
        await reader.readexactly(2)


def _encode(response: HttpResponse, *, head: bool) -> bytes:
    """Return the response as one block of bytes, so that it is sent in one segment if it fits."""
    names = {name.lower() for name, _ in response.headers}
    lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    bodiless = response.status in {204, 304}
    if "content-type" not in names and not bodiless:
        lines.append("content-type: application/json")
    # The handler sets the content-length of a HEAD answer, because only the handler knows the length for GET.
    if "content-length" not in names and not bodiless and (response.body or not head):
        lines.append(f"content-length: {len(response.body)}")
    block = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    return block if head or bodiless else block + response.body


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
