"""Fuzz what comes over the wire: execute envelopes, queue messages, events, tokens, key sets, cursors."""

import json
import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.calls.envelope import (
        ExecuteContext,
        ExecuteHttp,
        ExecuteRequest,
        decode_request,
        decode_response,
        encode,
    )
    from alga_ext.calls.execution_token import verify_execution_token
    from alga_ext.calls.messages import decode_message, encode_message
    from alga_ext.calls.signed_token import TokenKeys
    from alga_ext.edge.http import request_from_event
    from alga_ext.edge.key_set import parse_key_set
    from alga_ext.edge.tokens import TokenVerifier
    from alga_ext.trust.signing import LocalSigner, PublicKey
    from functions.registry.api.paging import decode_cursor
    from tools.local.tokens import key_set

from tests.fuzz.harness import fuzz, refused_or_read

SIGNER = LocalSigner.generate()
KEY = PublicKey.from_pem(SIGNER.public_pem)
VERIFIER = TokenVerifier(jwks=key_set({"k": SIGNER.raw.public_key()}), jwks_url="", issuer="i", audience="a")
REQUEST = ExecuteRequest(
    context=ExecuteContext(
        request_id="r",
        tenant_id="t",
        extension_id="e",
        install_id="i",
        version_id="v",
        content_hash="h",
        config={"a": "b"},
    ),
    http=ExecuteHttp(method="GET", path="/"),
)


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    text = rest.decode("utf-8", "surrogateescape")
    if kind == b"\0":
        refused_or_read(lambda: encode(decode_request(rest)))
    elif kind == b"\1":
        refused_or_read(lambda: encode(decode_response(rest)))
    elif kind == b"\2":
        refused_or_read(lambda: encode_message(decode_message(rest)))
        refused_or_read(lambda: decode_message(text))
    elif kind == b"\3":
        refused_or_read(lambda: VERIFIER.verify(text))
        refused_or_read(lambda: verify_execution_token(TokenKeys([KEY]), text, b"{}", now_s=0).require(REQUEST))
    elif kind == b"\4":
        event = {
            "rawPath": text,
            "headers": {"x-request-id": text},
            "body": text,
            "isBase64Encoded": len(rest) % 2 == 1,
        }
        refused_or_read(lambda: request_from_event(event).json())
    elif kind == b"\5":
        with suppress(ValueError):
            parse_key_set(rest)
    else:
        refused_or_read(lambda: decode_cursor(text, ("a", "b")))


def seeds() -> list[bytes]:
    message = {"type": "prepare", "version_id": "v", "content_hash": "h", "component_sha256": None}
    answer = {"status": 200, "headers": {"a": ["b"]}, "body_b64": "YQ==", "error": {"code": "c", "message": "m"}}
    return [
        b"\0" + encode(REQUEST),
        b"\1" + json.dumps(answer).encode(),
        b"\2" + json.dumps(message).encode(),
        b"\3Bearer eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.eyJzdWIiOiJ1In0.AAAA",
        b"\4{}",
        b"\5" + key_set({"k": SIGNER.raw.public_key()}).encode(),
        b"\6WyJhIiwiYiJd",
    ]


if __name__ == "__main__":
    fuzz("envelopes", one_input, seeds(), sys.argv[1:])
