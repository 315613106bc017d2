"""``http.fetch``: requests to the hosts the tenant granted. Capability cap:http.fetch.

Decisions are ``egress``'s. The connection is made to the very address that was checked, with the name's own TLS
identity, so that a second lookup cannot lead elsewhere. Redirects are the guest's to follow, and are checked again.
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
"""Nothing was sent: another address may be tried, and no bytes are counted."""


class _Refused(Exception):
    """Carries what the guest hears."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome[1])
        self.outcome = outcome


class _BodyTooLarge(Exception):
    """The response's body is over ``BODY_LIMIT_BYTES``."""

    def __init__(self) -> None:
        super().__init__(f"the response has more than {BODY_LIMIT_BYTES} bytes of body")


class Fetcher:
    """The import of one call; its connections end with it.

    Args:
        call: whose grants, secrets, deadline and ledger count.
        resolve: returns the addresses of a host and port, or raises ``OSError``.
        opened: private networks the operator opened.
        tls: the TLS context for https.
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

        1. The URL can be read in one way only.
        2. A grant covers scheme, host and port; the call has fetches left; method and sizes are possible.
        3. Headers: hop-by-hop ones dropped, secrets put in for hosts they are bound to.
        4. The name resolves, and to public addresses only.
        5. The request goes to one of those addresses; the answer is read to its limit, within the deadline.
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
            self._note_if_too_large(target, error)
            return _TRANSPORT

    def close(self) -> None:
        """Close all connections, those in use too."""
        self._connections.cut()
        for pools in self._pools.values():
            for pool in pools:
                pool.close()
        self._pools = {}

    def _note_if_too_large(self, target: Target, error: Exception) -> None:
        """Log why a response was not taken: the guest hears only that there is none."""
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
            logger("runner").warning("a response was not taken", extra=extra)

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
            if not _NAME.match(name) or not _VALUE.match(filled) or filled == SKIP_HEADER:  # an order to the library
                raise _Refused(_NOT_ALLOWED)
            sent.add(name, filled)
        sent.setdefault("user-agent", _AGENT)
        sent.setdefault("accept-encoding", SKIP_HEADER)
        return sent

    def _filled(self, target: Target, value: str) -> str:
        """Return a header value with each ``{{secret:NAME}}`` filled in; one that may not go there refuses all."""

        def fill(match: re.Match[str]) -> str:
            held = self._secrets.find(match[1]) if "cap:secrets.get" in self._call.providers else None
            if held is None or not egress.host_matches(target, held.hosts) or self._secrets.is_expired(held):
                raise _Refused(_NOT_ALLOWED)
            return self._secrets.value(held)

        return _PLACEHOLDER.sub(fill, value) if "{{" in value else value

    def _pools_for(self, target: Target) -> list[urllib3.HTTPConnectionPool]:
        """Return one pool for each checked address of the target; a name is resolved once in a call."""
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
        def heard(size_bytes: int) -> None:
            self._call.ledger.add(target.destination, bytes_received=size_bytes)

        if target.scheme == "http":
            return self._connections.plain(address, target.port, heard)
        return self._connections.secure(
            address,
            target.port,
            heard,
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
        """Send to the first address that can be connected to."""
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
        # What urllib3 is told not to send is not sent.
        lines = [len(name) + len(value) + 4 for name, value in headers.items() if value != SKIP_HEADER]
        size = sum(lines) + len(body or b"")
        # Counted first: the call may end while a server that has it all stays silent.
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
        """Return the body, or None when the deadline came first."""
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
