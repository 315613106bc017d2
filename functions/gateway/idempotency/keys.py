"""Read the idempotency key of a call, and tell which calls it makes the same: pure rules.

The header follows draft-ietf-httpapi-idempotency-key-header-07, an expired draft, except for what
docs/reference/gateway.md lists.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

from alga_ext.bundles.endpoint_paths import encoded_path
from alga_ext.errors import PlatformError
from functions.gateway.admission import AdmittedCall
from functions.gateway.routing import READ_METHODS

HEADERS: Final = ("idempotency-key", "x-idempotency-key")
KEY_LIMIT: Final = 255

_VISIBLE: Final = re.compile(r"[\x21-\x7e]*\Z")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"\Z')
_ESCAPE: Final = re.compile(r'\\(["\\])')


def idempotency_key(method: str, headers: Mapping[str, str]) -> str | None:
    """Return the idempotency key of a request, or None when it has none or only reads.

    The quotation marks of a structured-field string (RFC 9651, section 3.3.3) do not belong to the key.

    Args:
        method: of the request. GET and HEAD can be repeated without a key, so their keys are ignored.
        headers: of the request, with names in lower case.

    Raises:
        PlatformError: ``invalid_request`` for a key that is not valid, and for two headers with different keys.
    """
    if method in READ_METHODS:
        return None
    keys = {_parsed(headers[name], name) for name in HEADERS if name in headers}
    if len(keys) > 1:
        raise PlatformError(
            "invalid_request", f"The headers {' and '.join(HEADERS)} contain two different keys; send one of them."
        )
    return next(iter(keys), None)


def scope_sha256(call: AdmittedCall, key: str) -> bytes:
    """Return the hash of what makes two calls of a tenant the same: caller, install, method, path and key.

    A user who acts for another client of the client portal is another caller.
    """
    scope = [
        call.principal.subject,
        call.principal.client_id,
        call.install.install_id,
        call.method,
        encoded_path(call.path),
        key,
    ]
    return hashlib.sha256(json.dumps(scope).encode()).digest()


def request_sha256(call: AdmittedCall) -> bytes:
    """Return the hash of what the same call must repeat: the query as written, the content type, and the body."""
    body = hashlib.sha256(call.body).hexdigest()
    return hashlib.sha256(json.dumps([call.raw_query, call.headers.get("content-type"), body]).encode()).digest()


def _parsed(value: str, name: str) -> str:
    key = value.strip(" \t")
    if key.startswith('"'):
        quoted = _QUOTED.match(key)
        if quoted is None:
            raise PlatformError(
                "invalid_request",
                f"The header {name} begins with a quotation mark but is not one quoted string; quote the whole key, "
                "or send it without quotation marks.",
            )
        key = _ESCAPE.sub(r"\1", quoted[1])
    if not 1 <= len(key) <= KEY_LIMIT:
        raise PlatformError(
            "invalid_request", f"The key in {name} has {len(key)} characters; send 1 to {KEY_LIMIT} characters."
        )
    if not _VISIBLE.match(key):
        raise PlatformError(
            "invalid_request", f"The key in {name} has a character that is not visible ASCII; a UUID is a good key."
        )
    return key
