"""Requests of one call to the host application, the product that the platform extends.

Each request carries two proofs of its sender. ``x-runner-auth`` is a static token that the application knows; an
application written for AlgaPSA's runner reads it. ``x-alga-call-token`` is a statement about this one request, signed
with the platform's key. An application should check it too: a stolen statement cannot be used for another request.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final, NamedTuple

import jwt
import urllib3

from alga_ext.trust.signing import LocalSigner
from functions.runner.imports.application.address import Address
from functions.runner.imports.application.api_key import API_KEY, api_key_for
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.deadline import REQUESTS
from functions.runner.imports.http.connections import Connections
from functions.runner.imports.http.echoes import Echoes

TOKEN_LIFETIME_S: Final = 60
AUDIENCE: Final = "alga-host"
ISSUER: Final = "alga-runner"
CONNECT_TIMEOUT_S: Final = 2.0
_CHUNK_BYTES: Final = 64 * 1024


class Application(NamedTuple):
    """The host application, and what proves to it that the platform is calling.

    Attributes:
        address: where it is.
        service_token: the static token that the application knows.
        signer: signs the statement about each request.
        now_s: returns the time in epoch seconds.
    """

    address: Address
    service_token: str
    signer: LocalSigner
    now_s: Callable[[], float]


class Answer(NamedTuple):
    """The application's answer.

    Attributes:
        status: the status.
        body: the body of a success (2xx) or of a 400, which may say what is wrong; empty for any other status. None
            when it is larger than the request allowed, or when the deadline passed before it was complete.
    """

    status: int
    body: bytes | None


_SILENT: Final = "the host application could not be reached, or did not answer in time"


class NoAnswer(Exception):
    """The application could not be reached, did not answer before the call's deadline, or sent a secret back.

    The text says which, for the extension's developer.
    """


class _Refused(Exception):
    """The answer must not reach the guest. The text says why."""


class ApplicationClient:
    """Sends the requests of one call. Its connection is kept between requests, until ``close``."""

    def __init__(self, call: CallContext, application: Application) -> None:
        self._call = call
        self._application = application
        self._connections = Connections()
        address = application.address
        connected = self._connections.secure if address.scheme == "https" else self._connections.plain
        self._pool = connected(address.host, address.port, lambda _size_bytes: None)

    def send(
        self, method: str, route: str, body: bytes | None, headers: Mapping[str, str], answer_limit_bytes: int
    ) -> Answer:
        """Send one request and return the answer, whatever its status. Redirects are not followed.

        An answer that contains the secret ``api_key`` is refused.

        Args:
            method: GET or POST.
            route: path and query below the base URL, escaped as they are to be sent.
            body: the request's body, or None.
            headers: headers in addition to those that prove the sender and name the request.
            answer_limit_bytes: how large the answer's body may be.

        Raises:
            NoAnswer: there is no answer within the call's deadline, or none that may reach the guest.
            PlatformError: ``secret_unavailable`` when the secret ``api_key`` cannot be opened.
        """
        echoes = self._echoes
        sent = {
            **headers,
            **self._call.trace_headers(),
            "x-request-id": self._call.request.context.request_id,
            "x-runner-auth": self._application.service_token,
            "x-alga-call-token": self._statement(method, route, body),
        }
        try:
            return REQUESTS.within(
                self._call.install_id,
                self._call.left_s(),
                lambda: self._send(method, route, body, sent, answer_limit_bytes, echoes),
            )
        except _Refused as refused:
            raise NoAnswer(str(refused)) from None
        except (urllib3.exceptions.HTTPError, TimeoutError, OSError, ValueError):
            # Nothing of the error is passed on: it may quote the request, and with it the tokens.
            raise NoAnswer(_SILENT) from None

    def close(self) -> None:
        """Close the connection, even while it is in use."""
        self._connections.cut()
        self._pool.close()

    @cached_property
    def api_key(self) -> str | None:
        """The secret ``api_key``, or None when it may not or cannot be sent; see ``api_key_for``. It is opened once."""
        return api_key_for(self._call, self._application.address)

    @cached_property
    def _echoes(self) -> Echoes:
        """The search for ``api_key``, when this install's calls may send it to the application."""
        value = self.api_key if "cap:ui.proxy" in self._call.providers else None
        return Echoes({} if value is None else {API_KEY: value})

    def _send(
        self,
        method: str,
        route: str,
        body: bytes | None,
        headers: dict[str, str],
        limit_bytes: int,
        echoes: Echoes,
    ) -> Answer:
        left_s = self._call.left_s()
        response = self._pool.urlopen(
            method,
            self._application.address.path + route,
            body=body,
            headers=headers,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, left_s), read=left_s),
            preload_content=False,
        )
        data = bytearray()
        with response:
            if not 200 <= response.status < 300 and response.status != 400:
                return Answer(response.status, b"")
            while chunk := response.read1(_CHUNK_BYTES):
                data += chunk
                if len(data) > limit_bytes or self._call.is_over():
                    return Answer(response.status, None)
        # The guest gets none of the headers.
        encodings = [("content-encoding", value) for value in response.headers.getlist("content-encoding")]
        reason = echoes.why_refused(encodings, bytes(data))
        if reason is not None:
            raise _Refused(f"the host application {reason}")
        return Answer(response.status, bytes(data))

    def _statement(self, method: str, route: str, body: bytes | None) -> str:
        """Return a signed statement about exactly this request. Its header names the key (``kid``)."""
        request = self._call.request
        now_s, context = int(self._application.now_s()), request.context
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now_s,
            "exp": now_s + TOKEN_LIFETIME_S,
            "tenant": context.tenant_id,
            "extension": context.extension_id,
            "install": context.install_id,
            "user": request.user.user_id if request.user else None,
            "hops": 0 if context.trigger is None else context.trigger.hops + 1,
            "method": method,
            "route": route,
            "body": hashlib.sha256(body or b"").hexdigest(),
        }
        signer = self._application.signer
        return jwt.encode(claims, signer.raw, algorithm="EdDSA", headers={"kid": signer.key_id})
