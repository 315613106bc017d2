"""How a fetch ends without a response: the result for the guest, and the reason for the extension's developer."""

import ssl
from typing import Any, Final

import urllib3

from functions.runner.imports.http.responses import HeadTooLarge, TooManyInterim, UnreadableResponse

Outcome = tuple[bool, Any]

INVALID_URL: Final[Outcome] = (False, "invalid-url")
NOT_ALLOWED: Final[Outcome] = (False, "not-allowed")
TRANSPORT: Final[Outcome] = (False, "transport")
INTERNAL: Final[Outcome] = (False, "internal")

NOT_CONNECTED: Final = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
"""Errors before anything was sent: another address may be tried, and no bytes are counted."""


class Refused(Exception):
    """Ends a fetch.

    Args:
        outcome: the result for the guest.
        reason: what was wrong, for the log.
    """

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class BodyTooLarge(Exception):
    """The response's body is over the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the response has more than {limit_bytes} bytes of body")


def failure_reason(error: Exception) -> str:
    """Return why a request failed. Texts of libraries are not quoted, because they may contain the URL."""
    cause = error.args[-1] if isinstance(error, urllib3.exceptions.ProtocolError) and error.args else error
    if isinstance(cause, HeadTooLarge | TooManyInterim | UnreadableResponse | BodyTooLarge):
        return str(cause)
    if isinstance(error, NOT_CONNECTED):
        return "no address of the host accepted a connection"
    if isinstance(error, urllib3.exceptions.SSLError | ssl.SSLError):
        return "the TLS connection could not be made; the certificate may not be valid for the host"
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "the host did not answer before the call's deadline"
    return "the connection broke, or the answer is not valid HTTP"
