"""Fuzz signatures: envelopes, statements in honest envelopes, trust bundles and keys; nothing forged is believed."""

import json
import sys

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.attestation import Release, ReleaseRecord, read_statement, statement
    from alga_ext.signing import LocalSigner, PublicKey, sign_envelope
    from alga_ext.trust_document import parse_trust_bundle

from tests.fuzz.harness import fuzz, refused_or_read
from tests.support.keys import NOW, SHA, trust_in, trusted

SIGNER = LocalSigner.from_pem(
    # A key for tests, fixed so that what was learnt about envelopes stays true.
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n"
)
TRUST = trust_in(trusted(SIGNER))
PAYLOAD = statement(Release(publisher="acme", name="com.acme.notes", version="1.0.0"), "bundle.tar.zst", SHA)
HONEST = sign_envelope(SIGNER, PAYLOAD)


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"\0":
        refused_or_read(lambda: check_envelope(rest))
    elif kind == b"\1":
        refused_or_read(lambda: check_statement(rest))
    elif kind == b"\2":
        refused_or_read(lambda: parse_trust_bundle(rest.decode("utf-8", "surrogateescape")))
    else:
        refused_or_read(lambda: PublicKey.from_pem(rest.decode("utf-8", "surrogateescape")))


def check_envelope(data: bytes) -> None:
    verified = TRUST.verify(data, use="publisher", publisher="acme", at=NOW)
    if data.removesuffix(b"\n") != HONEST or verified.payload != PAYLOAD:
        message = "an envelope that nobody signed was believed"
        raise AssertionError(message)


def check_statement(payload: bytes) -> None:
    if len(payload) > 40_000:
        return
    verified = TRUST.verify(sign_envelope(SIGNER, payload), use="publisher", publisher="acme", at=NOW)
    for kind in (Release, ReleaseRecord):
        refused_or_read(lambda kind=kind: read_statement(verified.payload, kind, SHA))  # type: ignore[misc]


def seeds() -> list[bytes]:
    key = {"key_id": SIGNER.key_id, "public_key": SIGNER.public_pem, "use": "release", "publishers": ["acme"]}
    revocation = {"key_id": SIGNER.key_id, "from": "2026-06-01T00:00:00Z", "reason": "lost"}
    bundle = {"version": 1, "keys": [key], "revocations": [revocation]}
    return [
        b"\0" + HONEST,
        b"\1" + PAYLOAD,
        b"\2" + json.dumps(bundle).encode(),
        b"\2" + SIGNER.public_pem.encode() * 2,
        b"\3" + SIGNER.public_pem.encode(),
    ]


if __name__ == "__main__":
    words = [
        "payloadType",
        "payload",
        "signatures",
        "keyid",
        "sig",
        "subject",
        "digest",
        "sha256",
        "predicateType",
        "_type",
    ]
    fuzz("signature", one_input, seeds(), sys.argv[1:], words)
