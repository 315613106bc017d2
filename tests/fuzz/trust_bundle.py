"""Fuzz trust bundles, JSON and PEM: read or refused, and no key is trusted that the document does not name."""

import json
import sys

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.trust.policy import Use
    from alga_ext.trust.signing import LocalSigner, PublicKey, sign_envelope
    from alga_ext.trust.trust_document import parse_trust_bundle

from tests.fuzz.harness import fuzz, refused_or_read
from tests.support.keys import NOW, P256Signer

SIGNER, P256 = LocalSigner.generate(), P256Signer()
ENVELOPE = sign_envelope(SIGNER, b"{}")
USES: tuple[Use, ...] = ("publisher", "release", "artifact", "log")


def one_input(data: bytes) -> None:
    refused_or_read(lambda: check(data.decode("utf-8", "surrogateescape")))


def check(text: str) -> None:
    trust = parse_trust_bundle(text)
    for key in trust.keys:
        if key.key_id not in text or PublicKey.from_pem(key.public_key).key_id != key.key_id:
            message = f"key {key.key_id} is trusted and not named"
            raise AssertionError(message)
        if not any(f"{key.use}" in line for line in text.splitlines()) and key.use != "publisher":
            message = f"key {key.key_id} is trusted as {key.use}, which nobody wrote"
            raise AssertionError(message)
    for revocation in trust.revocations:
        if not trust.is_revoked(revocation.key_id, revocation.revoked_from):
            message = f"the revocation of {revocation.key_id} does not count"
            raise AssertionError(message)
    for use in USES:
        trust.key_ids(use, NOW)
        refused_or_read(lambda use=use: trust.verify(ENVELOPE, use=use, publisher="acme", at=NOW))  # type: ignore[misc]


def seeds() -> list[bytes]:
    key = {"key_id": SIGNER.key_id, "public_key": SIGNER.public_pem, "use": "release"}
    pinned = {
        "key_id": P256.key_id,
        "public_key": P256.public_pem,
        "publishers": ["acme"],
        "valid_from": "2026-01-01T00:00:00Z",
        "valid_until": "9999-12-31T23:59:59.999999-14:00",
    }
    revocation = {"key_id": SIGNER.key_id, "from": "0001-01-01T00:00:00+14:00", "reason": "lost"}
    document = {"version": 1, "keys": [key, pinned], "revocations": [revocation]}
    pem = "\n".join(
        (
            "# the platform",
            f"Key-Id: {SIGNER.key_id}",
            "Use: release",
            SIGNER.public_pem,
            f"Key-Id: {P256.key_id}",
            "Use: publisher",
            "Publishers: acme, globex",
            "Valid-From: 2026-01-01T00:00:00Z",
            "Valid-Until: 2027-01-01T00:00:00.5+02:00",
            "Revoked-From: 2026-06-01T00:00:00Z",
            "Revoked-Reason: lost",
            P256.public_pem,
        )
    )
    return [json.dumps(document).encode(), pem.encode(), pem.replace("\n", "\r\n").encode(), SIGNER.public_pem.encode()]


if __name__ == "__main__":
    words = [
        "-----BEGIN PUBLIC KEY-----",
        "-----END PUBLIC KEY-----",
        "Key-Id: ",
        "Use: ",
        "Publishers: ",
        "Valid-From: ",
        "Valid-Until: ",
        "Revoked-From: ",
        "Revoked-Reason: ",
        "publisher",
        "release",
        "artifact",
        "log",
        "key_id",
        "public_key",
        "publishers",
        "revocations",
        "valid_until",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-02-30T24:00:60Z",
    ]
    fuzz("trust_bundle", one_input, seeds(), sys.argv[1:], words)
