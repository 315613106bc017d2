"""Fuzz signed trust bundles: whole envelopes, payloads that the root key did sign, and settings with root keys."""

import sys

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.trust.dated_keys import parse_public_keys
    from alga_ext.trust.signed_trust import sign_trust, verify_trust
    from alga_ext.trust.signing import TRUST_BUNDLE_PAYLOAD_TYPE, LocalSigner, PublicKey, parse_envelope, sign_envelope
    from alga_ext.trust.trust_document import VersionedTrust

from tests.fuzz.harness import fuzz, refused_or_read
from tests.support.keys import ACME, NOW, revoked, trust_in, trusted

ROOT = LocalSigner.generate()
ROOTS = [PublicKey.from_pem(ROOT.public_pem)]
DOCUMENT = VersionedTrust(7, NOW, trust_in(trusted(ACME, "release"), revocations=[revoked(ACME, NOW)]))
BUNDLE = sign_trust(DOCUMENT, [ROOT])


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"\0":
        refused_or_read(lambda: unsigned(rest))
    elif kind == b"\1":
        refused_or_read(lambda: signed(rest))
    else:
        refused_or_read(lambda: parse_public_keys(rest.decode("utf-8", "surrogateescape")))


def unsigned(envelope: bytes) -> None:
    """Nothing but what was signed is ever accepted."""
    if verify_trust(envelope, ROOTS).payload != parse_envelope(BUNDLE).payload:
        message = "a trust bundle that no root key signed was accepted"
        raise AssertionError(message)


def signed(payload: bytes) -> None:
    """What is accepted can be signed again and then says the same."""
    found = verify_trust(sign_envelope(ROOT, payload, TRUST_BUNDLE_PAYLOAD_TYPE), ROOTS)
    again = verify_trust(sign_trust(VersionedTrust(found.version, found.expires_at, found.trust), [ROOT]), ROOTS)
    if (again.trust.keys, again.trust.revocations) != (found.trust.keys, found.trust.revocations):
        message = f"a trust bundle changes when it is written again: {payload!r}"
        raise AssertionError(message)


def seeds() -> list[bytes]:
    text = f"# one\nCreated: 2026-01-31T12:00:00Z\n{ROOT.public_pem}\n{ACME.public_pem}"
    return [b"\0" + BUNDLE, b"\1" + parse_envelope(BUNDLE).payload, b"\2" + text.encode()]


if __name__ == "__main__":
    words = [
        "version",
        "expires",
        "keys",
        "revocations",
        "2026-07-01T00:00:00Z",
        "-----BEGIN PUBLIC KEY-----",
        "-----END PUBLIC KEY-----",
        "Created: ",
    ]
    fuzz("signed_trust", one_input, seeds(), sys.argv[1:], words)
