"""HTTP requests of the platform itself, over connections that are kept, with the standard library.

urllib3 does this and more, but its import takes 35 CPU milliseconds of every cold start, and it loads the trusted
certificates again for each connection (docs/adr/0031-what-a-start-imports.md). What guests send goes through urllib3:
``functions.runner.imports.http``.
"""

import http.client
import select
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

_CONNECT_TIMEOUT_S: Final = 1.0
_REPEATED_STATUSES: Final = frozenset({500, 502, 503, 504})
_FIRST_PAUSE_S: Final = 0.1
_KEPT_CONNECTIONS: Final = 4
_KEPT_S: Final = 60.0
"""How long an idle connection is used again. A NAT gateway drops one after 350 s and says so only when the next request
is sent, which then fails."""
_CHUNK_BYTES: Final = 256 * 1024
_ONE_WRITE_BYTES: Final = 64 * 1024
"""Of a larger request, head and body are not copied together."""


class HttpError(Exception):
    """There is no response, or only a part of one. The text has no header, body or URL."""


class NotConnectedError(HttpError):
    """There is no connection to the server, so that nothing was sent."""


class NoAnswerError(HttpError):
    """The connection ended before the response. The server may have taken the request."""


class ReadTimeoutError(HttpError):
    """The server took the request and paused for too long in its response."""


class _Server(NamedTuple):
    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, url: str) -> Self:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = "it is not an http or https URL"
            raise ValueError(message)
        return cls(parts.scheme, parts.hostname, parts.port)


class _OneWrite(http.client.HTTPConnection):
    """Sends head and body of a small request in one write: http.client makes two, each a system call and a packet."""

    _parts: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """See ``http.client.HTTPConnection.request``."""
        self._parts = []
        try:
            super().request(*args, **kwargs)
            parts = self._parts
        finally:
            self._parts = None
        whole = b"".join(parts) if sum(map(len, parts)) <= _ONE_WRITE_BYTES else None
        for part in parts if whole is None else [whole]:
            super().send(part)

    def send(self, data: Any) -> None:
        """See ``http.client.HTTPConnection.send``."""
        if self._parts is None:
            super().send(data)
        else:
            self._parts.append(data)


class _OneWriteTls(_OneWrite, http.client.HTTPSConnection):
    """The same over TLS."""


class _Idle(NamedTuple):
    connection: http.client.HTTPConnection
    since_s: float


class Connections:
    """Sends requests and keeps up to four idle connections to each server. Threads may share it.

    It follows no redirect, decodes no content and uses no proxy.

    Args:
        ca_bundle: path of the certificate authorities to trust instead of the system's.
        now_s: the wall clock in epoch seconds. A monotonic clock may not count the time during which a function is
            frozen.
    """

    def __init__(self, ca_bundle: str | None = None, now_s: Callable[[], float] = time.time) -> None:
        self._ca_bundle = ca_bundle
        self._now_s = now_s
        self._lock = threading.Lock()
        self._idle: dict[_Server, list[_Idle]] = {}
        weakref.finalize(self, _close_all, self._idle)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        read_timeout_s: float,
        attempts: int = 1,
    ) -> "Response":
        """Send a request and return the response, whose body is unread.

        Args:
            method: HTTP method.
            url: http or https, percent-encoded.
            headers: are sent as they are; ``host``, ``content-length`` and ``accept-encoding: identity`` are added.
            body: the whole body.
            read_timeout_s: the longest pause in the response.
            attempts: how often the request may be sent, when there is no response or it has a status of 500 or 502 to
                504. The last response is returned whatever its status is.

        Raises:
            HttpError: there is no response; see its subclasses.
            ValueError: the URL is not one.
        """
        for attempt in range(1, attempts):
            try:
                response = self._once(method, url, headers, body, read_timeout_s)
            except HttpError:
                pass
            else:
                if response.status not in _REPEATED_STATUSES:
                    return response
                response.close()
            if attempt > 1:
                time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 2))
        return self._once(method, url, headers, body, read_timeout_s)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            _close_all(self._idle)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, read_timeout_s: float
    ) -> "Response":
        server = _Server.of(url)
        connection = self._kept(server) or self._new(server)
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.sock.settimeout(read_timeout_s)
            connection.request(method, target, body or None, dict(headers))
            return Response(connection.getresponse(), connection, lambda: self._keep(server, connection))
        except ConnectionError as error:  # http.client's RemoteDisconnected too
            connection.close()
            raise NoAnswerError(f"{type(error).__name__}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _failure(error) from error
        except BaseException:
            connection.close()
            raise

    def _kept(self, server: _Server) -> http.client.HTTPConnection | None:
        """Return an idle connection that the server has not closed, or None."""
        with self._lock:
            idle = self._idle.get(server, [])
            while idle:
                kept = idle.pop()
                is_fresh = 0 <= self._now_s() - kept.since_s < _KEPT_S
                # Nothing was asked, so what can be read is the end of the connection, or nonsense.
                if is_fresh and not _is_readable(kept.connection):
                    return kept.connection
                kept.connection.close()
        return None

    def _new(self, server: _Server) -> http.client.HTTPConnection:
        if server.scheme == "https":
            tls = _tls(self._ca_bundle)
            connection: http.client.HTTPConnection = _OneWriteTls(
                server.host, server.port, timeout=_CONNECT_TIMEOUT_S, context=tls
            )
        else:
            connection = _OneWrite(server.host, server.port, timeout=_CONNECT_TIMEOUT_S)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise NotConnectedError(f"{type(error).__name__}: {error}") from error
        return connection

    def _keep(self, server: _Server, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(server, [])
            if len(idle) < _KEPT_CONNECTIONS:
                idle.append(_Idle(connection, self._now_s()))
                return
        connection.close()


class Response:
    """A response. Its connection is kept when the body has been read to its end, and closed by ``close`` before that.

    Attributes:
        status: HTTP status.
        headers: names in lower case. Of a header that came twice, the last value.
    """

    def __init__(
        self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection, keep: Callable[[], None]
    ) -> None:
        self._response = response
        self._connection = connection
        self._keep = keep
        self._is_done = False
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._finish_if_ended()

    def read(self, limit_bytes: int | None = None) -> bytes:
        """Return the rest of the body, or its next ``limit_bytes``.

        Raises:
            HttpError: the body did not arrive whole.
        """
        body = bytearray()
        while limit_bytes is None or len(body) < limit_bytes:
            known_bytes = _CHUNK_BYTES if self._response.length is None else max(1, self._response.length)
            left_bytes = known_bytes if limit_bytes is None else limit_bytes - len(body)
            chunk = bytearray(min(_CHUNK_BYTES, known_bytes, left_bytes))
            size = self._read_into(chunk)
            if not size:
                break
            body += memoryview(chunk)[:size]
        return bytes(body)

    def stream(self) -> Iterator[memoryview]:
        """Yield the rest of the body in parts. Each part is overwritten by the next one.

        Raises:
            HttpError: the body did not arrive whole.
        """
        chunk = memoryview(bytearray(_CHUNK_BYTES))
        while size := self._read_into(chunk):
            yield chunk[:size]

    def close(self) -> None:
        """Close the connection, unless the body has been read to its end."""
        if not self._is_done:
            self._is_done = True
            self._response.close()
            self._connection.close()

    def _read_into(self, chunk: bytearray | memoryview) -> int:
        if self._is_done:
            return 0
        try:
            size = self._response.readinto(chunk)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _failure(error) from error
        if not size and self._response.length:  # http.client takes the end of a connection for the end of the body
            self.close()
            message = "the body of the response ended early"
            raise HttpError(message)
        self._finish_if_ended()
        return size

    def _finish_if_ended(self) -> None:
        if self._response.length == 0:
            self._response.close()
        if self._response.isclosed() and not self._is_done:
            self._is_done = True
            if self._connection.sock is not None:  # None: the server does not keep it
                self._keep()


@cache
def _tls(ca_bundle: str | None) -> "ssl.SSLContext":
    """Return how connections are verified. It is made once, because loading the certificates takes 20 ms of CPU."""
    import ssl  # not every function makes connections to other machines at its start

    return ssl.create_default_context(cafile=ca_bundle)


def _close_all(idle: dict[_Server, list[_Idle]]) -> None:
    for connections in idle.values():
        for kept in connections:
            kept.connection.close()
    idle.clear()


def _is_readable(connection: http.client.HTTPConnection) -> bool:
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _failure(error: OSError | http.client.HTTPException) -> HttpError:
    if isinstance(error, TimeoutError):
        return ReadTimeoutError("the response took too long")
    # The texts of http.client's errors may quote the response.
    return HttpError(f"{type(error).__name__}: {error}" if isinstance(error, OSError) else type(error).__name__)
