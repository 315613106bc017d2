"""Fuzz lists of withdrawn bundles: whole envelopes, and payloads that the release key did sign."""

import sys
from datetime import timedelta

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.trust.signing import WITHDRAWN_LIST_PAYLOAD_TYPE, LocalSigner, parse_envelope, sign_envelope
    from alga_ext.trust.withdrawn_list import sign_list, verify_list

from tests.fuzz.harness import fuzz, refused_or_read
from tests.support.keys import NOW, trust_in, trusted

SIGNER = LocalSigner.generate()
TRUST = trust_in(trusted(SIGNER, use="release"))
LIST = sign_list(["00" * 32, "ab" * 32], SIGNER, NOW, timedelta(hours=1))


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"\0":
        refused_or_read(lambda: unsigned(rest))
    else:
        refused_or_read(lambda: signed(rest))


def unsigned(envelope: bytes) -> None:
    """Nothing but what was signed is ever accepted."""
    if verify_list(envelope, TRUST, NOW) != verify_list(LIST, TRUST, NOW):
        message = "a list that nobody signed was accepted"
        raise AssertionError(message)


def signed(payload: bytes) -> None:
    """A list that is accepted has the one form that the writer gives it."""
    found = verify_list(sign_envelope(SIGNER, payload, WITHDRAWN_LIST_PAYLOAD_TYPE), TRUST, NOW)
    again = parse_envelope(sign_list(found.hashes, SIGNER, found.issued_at, found.lifetime))
    if again.payload != payload:
        message = f"a list of another form was accepted: {payload!r}"
        raise AssertionError(message)


def seeds() -> list[bytes]:
    return [b"\0" + LIST, b"\1" + parse_envelope(LIST).payload]


if __name__ == "__main__":
    words = ["sequence", "issued_at", "expires_at", "hashes", "2026-06-01T12:00:00Z", "ab" * 32]
    fuzz("withdrawn_list", one_input, seeds(), sys.argv[1:], words)
