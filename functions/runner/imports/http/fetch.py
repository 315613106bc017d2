"""``http.fetch``: requests to the hosts that the tenant granted. Capability cap:http.fetch.

The rules are in ``alga_ext.calls.egress_rules`` (URLs) and ``egress`` (addresses). The connection goes to exactly the
address that was checked, so that a second name lookup cannot lead to another address. TLS verifies the host name.
Redirects are not followed: the guest may follow them with another fetch, which is checked again. Every fetch that fails
writes one line with the reason into the extension's log; the guest and the server do not learn it.
"""

import re
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final

import urllib3
from urllib3.util import SKIP_HEADER

from alga_ext.calls.connection_headers import CONNECTION_HEADERS
from alga_ext.calls.egress_rules import Target, is_granted, parse_url
from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.deadline import REQUESTS
from functions.runner.imports.http import configured
from functions.runner.imports.http.addresses import Addresses
from functions.runner.imports.http.connections import Connections
from functions.runner.imports.http.echoes import Echoes
from functions.runner.imports.http.egress import Network
from functions.runner.imports.http.injection import Injector, Pair, has_placeholder
from functions.runner.imports.http.refused import (
    INTERNAL,
    INVALID_URL,
    NOT_ALLOWED,
    NOT_CONNECTED,
    TRANSPORT,
    BodyTooLarge,
    Outcome,
    Refused,
    failure_reason,
)
from functions.runner.imports.http.responses import HEADERS_LIMIT
from functions.runner.imports.http.unreachable import Unreachable, connect_timeout_s

FETCHES_LIMIT: Final = 100
BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024
HEADER_BYTES_LIMIT: Final = 32 * 1024
CONNECT_TIMEOUT_S: Final = 5.0
_CHUNK_BYTES: Final = 64 * 1024
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PARTIAL: Final = ("range", "if-range")
"""Headers that ask for a part of a response (RFC 9110, section 14). A server may always ignore them."""
_FOLDED = re.compile(r"[ \t]*[\r\n]+[ \t]*")
"""A line break in a header value: an old way to continue a value on the next line."""


class Fetcher:
    """The import for one call. Its connections are closed when the call ends.

    Args:
        call: the call, with its grants, secrets, deadline and egress ledger.
        resolve: returns the addresses of a host and port, or raises ``OSError``.
        opened: private networks that the operator opened.
        tls: returns the TLS context for https.
        dead: addresses that accepted no connection a short time ago.
    """

    def __init__(
        self,
        call: CallContext,
        resolve: Callable[[str, int], list[str]],
        opened: Sequence[Network],
        tls: Callable[[], ssl.SSLContext],
        dead: Unreachable,
    ) -> None:
        self._call = call
        self._injector = Injector(call.secrets, "cap:secrets.get" in call.providers, call.explain)
        self._addresses = Addresses(call, resolve, opened, dead)
        self._tls = tls
        self._connections = Connections()
        self._pools: dict[tuple[str, str, int, str], urllib3.HTTPConnectionPool] = {}

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        arguments = tuple[tuple[str, str, list[Pair], bytes | None]]
        return {"http.fetch": Handler(arguments, self.fetch, INTERNAL)}

    def fetch(self, request: tuple[str, str, list[Pair], bytes | None]) -> Outcome:
        """Answer ``http.fetch``. When it fails, write the reason into the extension's log.

        1. Parse the URL. A URL that can be read in more than one way is refused.
        2. Check that a grant covers scheme, host and port, that fetches are left, and the method and sizes.
        3. Make the headers: drop those of the connection, and inject secrets for the hosts they are bound to.
        4. Resolve the name. All its addresses must be public or opened by the operator.
        5. Send the request to one of these addresses, and read the response within its size limit and the deadline.
        6. Refuse a response that brings a secret back.
        """
        method, url, headers, body = request
        target: Target | None = None
        is_counted = False
        try:
            target = self._target(url)  # (1)
            self._check(method, target, headers, body)  # (2)
            sent = self._injector.headers(target, headers)  # (3)
            for name, value in self._call.trace_headers().items():
                sent.setdefault(name, value)  # unless the guest has sent its own
            echoes = self._injector.echoes(target)
            if echoes:
                # The whole response is needed to search it: not compressed, and not in parts that the guest chooses.
                sent["accept-encoding"] = "identity"
                for name in _PARTIAL:
                    sent.discard(name)
            addresses = self._addresses.of(target)  # (4)
            self._call.ledger.add(target.shown, requests=1)
            is_counted = True
            return REQUESTS.within(  # (5, 6)
                self._call.install_id,
                self._call.left_s(),
                lambda: self._send(target, addresses, method, sent, body, echoes),
            )
        except Refused as refused:
            is_failure = refused.outcome == TRANSPORT
            if target is not None and not is_counted:
                self._call.ledger.add(target.shown, requests=int(is_failure), refused=int(not is_failure))
            self._call.note_refused("http.fetch", refused.reason, "failed" if is_failure else "refused")
            return refused.outcome
        except (urllib3.exceptions.HTTPError, TimeoutError, OSError, BodyTooLarge) as error:
            shown = "" if target is None else f"{target.shown}: "
            self._call.note_refused("http.fetch", f"{shown}{failure_reason(error)}", "failed")
            return TRANSPORT

    def close(self) -> None:
        """Close all connections, including those in use."""
        self._connections.cut()
        for pool in self._pools.values():
            pool.close()
        self._pools = {}

    def _target(self, url: str) -> Target:
        target = parse_url(url)
        if target is None:
            raise Refused(INVALID_URL, "the URL is not a plain http or https URL (docs/reference/capabilities.md)")
        if has_placeholder(url):
            raise Refused(NOT_ALLOWED, "a secret cannot be put into a URL; put it into its header")
        return target

    def _check(self, method: str, target: Target, headers: list[Pair], body: bytes | None) -> None:
        size = sum(len(name) + len(value) for name, value in headers)
        if not is_granted(target, self._call.request.grants.egress):
            request = self._call.request
            changed = configured.why_not(target.shown, request.grants.egress, request.context.config)
            reason = changed or f"host {target.shown} is not granted"
        elif self._call.ledger.requests() >= FETCHES_LIMIT:
            reason = f"a call may make {FETCHES_LIMIT} fetches"
        elif method not in _METHODS:
            reason = f"method {method[:20]} is not one of {', '.join(sorted(_METHODS))}"
        elif len(headers) > HEADERS_LIMIT:
            reason = f"the request has {len(headers)} headers; at most {HEADERS_LIMIT} are allowed"
        elif size > HEADER_BYTES_LIMIT:
            reason = f"the request has {size} bytes of headers; at most {HEADER_BYTES_LIMIT} are allowed"
        elif len(body or b"") > BODY_LIMIT_BYTES:
            reason = f"the request has {len(body or b'')} bytes of body; at most {BODY_LIMIT_BYTES} are allowed"
        else:
            return
        raise Refused(NOT_ALLOWED, reason)

    def _pool(self, target: Target, address: str) -> urllib3.HTTPConnectionPool:
        key = (target.scheme, target.host, target.port, address)
        if key not in self._pools:
            self._pools[key] = self._make_pool(target, address)
        return self._pools[key]

    def _make_pool(self, target: Target, address: str) -> urllib3.HTTPConnectionPool:
        def count_bytes(size_bytes: int) -> None:
            self._call.ledger.add(target.shown, bytes_received=size_bytes)

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
        addresses: list[str],
        method: str,
        headers: urllib3.HTTPHeaderDict,
        body: bytes | None,
        echoes: Echoes,
    ) -> Outcome:
        """Send the request to the first address that accepts a connection."""
        for place, address in enumerate(addresses):
            left = len(addresses) - place
            connect_s = connect_timeout_s(self._call.left_s(), left, CONNECT_TIMEOUT_S)
            try:
                response = self._opened_response(target, address, method, headers, body, connect_s)
            except NOT_CONNECTED:
                self._addresses.add_dead(address, target.port)
                if left == 1:
                    raise
            else:
                return self._answer(target, method, response, echoes)
        return TRANSPORT

    def _opened_response(
        self,
        target: Target,
        address: str,
        method: str,
        headers: urllib3.HTTPHeaderDict,
        body: bytes | None,
        connect_s: float,
    ) -> urllib3.BaseHTTPResponse:
        # Headers with the value SKIP_HEADER are not sent by urllib3, so they are not counted.
        lines = [len(name) + len(value) + 4 for name, value in headers.items() if value != SKIP_HEADER]
        size = sum(lines) + len(body or b"")
        # Count before sending: the call may end after the server has received everything but before it answers.
        self._call.ledger.add(target.shown, bytes_sent=size)
        try:
            return self._pool(target, address).urlopen(
                method,
                target.path,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=connect_s, read=self._call.left_s()),
                preload_content=False,
                decode_content=False,
            )
        except NOT_CONNECTED:
            self._call.ledger.add(target.shown, bytes_sent=-size)
            raise

    def _answer(self, target: Target, method: str, response: urllib3.BaseHTTPResponse, echoes: Echoes) -> Outcome:
        """Read the response to its end, and return it unless it brings a secret back."""
        try:
            data = self._body(target, response)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        # A guest sees the length of a body by its bytes. The response to HEAD has none, so its content-length is kept.
        dropped = CONNECTION_HEADERS - {"content-length"} if method == "HEAD" else CONNECTION_HEADERS
        answered = [
            (name.lower(), _FOLDED.sub(" ", value))
            for name, value in response.headers.items()
            if name.lower() not in dropped
        ]
        reason = echoes.why_refused(answered, data)
        if reason is not None:
            raise Refused(NOT_ALLOWED, f"{target.shown} {reason}")
        return (True, (response.status, answered, data))

    def _body(self, target: Target, response: urllib3.BaseHTTPResponse) -> bytes:
        data = bytearray()
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            data += chunk
            self._call.ledger.add(target.shown, bytes_received=len(chunk))
            if len(data) > BODY_LIMIT_BYTES:
                raise BodyTooLarge(BODY_LIMIT_BYTES)
            if self._call.is_over():
                raise TimeoutError
        return bytes(data)


def provider(
    resolve: Callable[[str, int], list[str]],
    opened: Sequence[Network],
    tls: Callable[[], ssl.SSLContext],
) -> Provider:
    """Return the provider; see ``Fetcher`` for the arguments."""
    dead = Unreachable(time.monotonic)

    def open_for(call: CallContext) -> Opened:
        fetcher = Fetcher(call, resolve, opened, tls, dead)
        return Opened(fetcher.handlers(), fetcher.close)

    return open_for
