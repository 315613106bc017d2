"""``http.fetch``: requests to the hosts that the tenant granted. Capability cap:http.fetch.

The rules are in ``egress``. The connection goes to exactly the address that was checked, so that a second name lookup
cannot lead to another address. TLS verifies the host name. Redirects are not followed: the guest may follow them with
another fetch, which is checked again.
"""

import re
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

import urllib3
from urllib3.util import SKIP_HEADER

from alga_ext.telemetry import logger
from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.deadline import within
from functions.runner.imports.http import egress
from functions.runner.imports.http.connections import HEADERS_LIMIT, Connections, HeadTooLarge
from functions.runner.imports.http.egress import Network, Target

FETCHES_LIMIT: Final = 100
BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024
HEADER_BYTES_LIMIT: Final = 32 * 1024
CONNECT_TIMEOUT_S: Final = 5.0
_CHUNK_BYTES: Final = 64 * 1024

Pair = tuple[str, str]
Outcome = tuple[bool, Any]

_INVALID_URL: Final[Outcome] = (False, "invalid-url")
_NOT_ALLOWED: Final[Outcome] = (False, "not-allowed")
_TRANSPORT: Final[Outcome] = (False, "transport")
_INTERNAL: Final[Outcome] = (False, "internal")

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_PLACEHOLDER = re.compile(r"\{\{\s*secret:([^{}\s]{1,256})\s*\}\}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DROPPED: Final = frozenset({
    "host", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "trailers", "transfer-encoding", "upgrade", "content-length", "expect",
})  # fmt: skip
_AGENT: Final = "alga-ext"
_NOT_CONNECTED: Final = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
"""Errors before anything was sent: another address may be tried, and no bytes are counted."""


class _Refused(Exception):
    """Ends a fetch with a result for the guest."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome[1])
        self.outcome = outcome


class _BodyTooLarge(Exception):
    """The response's body is over ``BODY_LIMIT_BYTES``."""

    def __init__(self) -> None:
        super().__init__(f"the response has more than {BODY_LIMIT_BYTES} bytes of body")


class Fetcher:
    """The import for one call. Its connections are closed when the call ends.

    Args:
        call: the call, with its grants, secrets, deadline and egress ledger.
        resolve: returns the addresses of a host and port, or raises ``OSError``.
        opened: private networks that the operator opened.
        tls: returns the TLS context for https.
    """

    def __init__(
        self,
        call: CallContext,
        resolve: Callable[[str, int], list[str]],
        opened: Sequence[Network],
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self._call = call
        self._secrets = call.secrets
        self._resolve = resolve
        self._opened = opened
        self._tls = tls
        self._connections = Connections()
        self._pools: dict[tuple[str, str, int], list[urllib3.HTTPConnectionPool]] = {}

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        arguments = tuple[tuple[str, str, list[Pair], bytes | None]]
        return {"http.fetch": Handler(arguments, self.fetch, _INTERNAL)}

    def fetch(self, request: tuple[str, str, list[Pair], bytes | None]) -> Outcome:
        """Answer ``http.fetch``.

        1. Parse the URL. A URL that can be read in more than one way is refused.
        2. Check that a grant covers scheme, host and port, that fetches are left, and the method and sizes.
        3. Make the headers: drop hop-by-hop headers, and inject secrets for the hosts they are bound to.
        4. Resolve the name. All its addresses must be public or opened by the operator.
        5. Send the request to one of these addresses, and read the response within its size limit and the deadline.
        """
        method, url, headers, body = request
        target = egress.parse_url(url)  # (1)
        if target is None:
            return _INVALID_URL
        if not self._allowed(method, target, headers, body):  # (2)
            return _NOT_ALLOWED
        try:
            sent = self._headers(target, headers)  # (3)
            pools = self._pools_for(target)  # (4)
            self._call.ledger.add(target.destination, requests=1)
            return within(self._call.left_s(), lambda: self._send(target, pools, method, sent, body))  # (5)
        except _Refused as refused:
            return refused.outcome
        except (urllib3.exceptions.HTTPError, TimeoutError, OSError, _BodyTooLarge) as error:
            self._log_if_too_large(target, error)
            return _TRANSPORT

    def close(self) -> None:
        """Close all connections, including those in use."""
        self._connections.cut()
        for pools in self._pools.values():
            for pool in pools:
                pool.close()
        self._pools = {}

    def _log_if_too_large(self, target: Target, error: Exception) -> None:
        """Log that a response was refused for its size. The guest gets only ``transport``, without the reason."""
        cause = error.args[-1] if isinstance(error, urllib3.exceptions.ProtocolError) else error
        if isinstance(cause, HeadTooLarge | _BodyTooLarge):
            context = self._call.request.context
            extra = {
                "tenant_id": context.tenant_id,
                "install_id": context.install_id,
                "request_id": context.request_id,
                "destination": self._secrets.scrub_any_case(target.destination),
                "reason": str(cause),
            }
            logger("runner").warning("a response was refused because it is too large", extra=extra)

    def _allowed(self, method: str, target: Target, headers: list[Pair], body: bytes | None) -> bool:
        size = sum(len(name) + len(value) for name, value in headers)
        return (
            egress.is_granted(target, self._call.request.grants.egress)
            and self._call.ledger.requests() < FETCHES_LIMIT
            and method in _METHODS
            and len(headers) <= HEADERS_LIMIT
            and size <= HEADER_BYTES_LIMIT
            and len(body or b"") <= BODY_LIMIT_BYTES
        )

    def _headers(self, target: Target, headers: list[Pair]) -> urllib3.HTTPHeaderDict:
        connection = {
            name.strip().lower()
            for header, value in headers
            if header.lower() == "connection"
            for name in value.split(",")
        }
        sent = urllib3.HTTPHeaderDict({"host": target.host_header})
        for name, value in headers:
            if name.lower() in _DROPPED or name.lower() in connection:
                continue
            filled = self._filled(target, value)
            # SKIP_HEADER is a command to urllib3, so a guest must not send it as a value.
            if not _NAME.match(name) or not _VALUE.match(filled) or filled == SKIP_HEADER:
                raise _Refused(_NOT_ALLOWED)
            sent.add(name, filled)
        sent.setdefault("user-agent", _AGENT)
        sent.setdefault("accept-encoding", SKIP_HEADER)
        return sent

    def _filled(self, target: Target, value: str) -> str:
        """Return a header value with each ``{{secret:NAME}}`` replaced by the secret's value.

        Raises:
            _Refused: the call may not use secrets, or a secret is unknown, expired, or not bound to this host.
        """

        def fill(match: re.Match[str]) -> str:
            held = self._secrets.find(match[1]) if "cap:secrets.get" in self._call.providers else None
            if held is None or not egress.host_matches(target, held.hosts) or self._secrets.is_expired(held):
                raise _Refused(_NOT_ALLOWED)
            return self._secrets.value(held)

        return _PLACEHOLDER.sub(fill, value) if "{{" in value else value

    def _pools_for(self, target: Target) -> list[urllib3.HTTPConnectionPool]:
        """Return one pool for each checked address of the target, at most four. A name is resolved once in a call."""
        key = (target.scheme, target.host, target.port)
        if key not in self._pools:
            try:
                addresses = within(self._call.left_s(), lambda: self._resolve(target.host, target.port))
            except UnicodeError:
                raise _Refused(_INVALID_URL) from None
            if not addresses:
                raise _Refused(_TRANSPORT)
            if egress.refused_addresses(addresses, self._opened):
                raise _Refused(_NOT_ALLOWED)
            self._pools[key] = [self._pool(target, address) for address in addresses[:4]]
        return self._pools[key]

    def _pool(self, target: Target, address: str) -> urllib3.HTTPConnectionPool:
        def count_bytes(size_bytes: int) -> None:
            self._call.ledger.add(target.destination, bytes_received=size_bytes)

        if target.scheme == "http":
            return self._connections.plain(address, target.port, count_bytes)
        return self._connections.secure(
            address,
            target.port,
            count_bytes,
            ssl_context=self._tls(),
            server_hostname=target.host,
            assert_hostname=target.host,
        )

    def _send(
        self,
        target: Target,
        pools: list[urllib3.HTTPConnectionPool],
        method: str,
        headers: urllib3.HTTPHeaderDict,
        body: bytes | None,
    ) -> Outcome:
        """Send the request to the first address that accepts a connection."""
        for place, pool in enumerate(pools):
            try:
                return self._send_to(target, pool, method, headers, body)
            except _NOT_CONNECTED:
                if place == len(pools) - 1:
                    raise
        return _TRANSPORT

    def _send_to(
        self,
        target: Target,
        pool: urllib3.HTTPConnectionPool,
        method: str,
        headers: urllib3.HTTPHeaderDict,
        body: bytes | None,
    ) -> Outcome:
        left_s = self._call.left_s()
        # Headers with the value SKIP_HEADER are not sent by urllib3, so they are not counted.
        lines = [len(name) + len(value) + 4 for name, value in headers.items() if value != SKIP_HEADER]
        size = sum(lines) + len(body or b"")
        # Count before sending: the call may end after the server has received everything but before it answers.
        self._call.ledger.add(target.destination, bytes_sent=size)
        try:
            response = pool.urlopen(
                method,
                target.path,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, left_s), read=left_s),
                preload_content=False,
                decode_content=False,
            )
        except _NOT_CONNECTED:
            self._call.ledger.add(target.destination, bytes_sent=-size)
            raise
        try:
            data = self._body(target, response)
        except BaseException:
            response.close()
            raise
        if data is None:
            response.close()
            return _TRANSPORT
        response.release_conn()
        answered = [(name.lower(), value) for name, value in response.headers.items() if name.lower() not in _DROPPED]
        return (True, (response.status, answered, data))

    def _body(self, target: Target, response: urllib3.BaseHTTPResponse) -> bytes | None:
        """Return the body, or None when the deadline passed before it was complete."""
        data = bytearray()
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            data += chunk
            self._call.ledger.add(target.destination, bytes_received=len(chunk))
            if len(data) > BODY_LIMIT_BYTES:
                raise _BodyTooLarge
            if self._call.is_over():
                return None
        return bytes(data)


def provider(
    resolve: Callable[[str, int], list[str]],
    opened: Sequence[Network],
    tls: Callable[[], ssl.SSLContext],
) -> Provider:
    """Return the provider; see ``Fetcher`` for the arguments."""

    def open_for(call: CallContext) -> Opened:
        fetcher = Fetcher(call, resolve, opened, tls)
        return Opened(fetcher.handlers(), fetcher.close)

    return open_for
