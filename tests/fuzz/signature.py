"""Fuzz signatures: envelopes, and statements of every kind in honest envelopes; nothing forged is accepted.

By an Ed25519 key and by an ECDSA P-256 key, whose signatures are DER and so have a form of their own.
"""

import sys

import atheris
import msgspec

with atheris.instrument_imports(include=["alga_ext", "functions.runner.provenance"]):
    from alga_ext.trust.releases import accepted_release
    from alga_ext.trust.signing import LocalSigner, PublicKey, Signer, sign_envelope
    from alga_ext.trust.statements import ArtifactRecord, Release, ReleaseRecord, read_statement, statement
    from functions.runner.provenance import Engine, accepted_code, accepted_component

from tests.fuzz.harness import fuzz, refused_or_read
from tests.support.keys import NOW, SHA, P256Signer, trust_in, trusted

ED25519 = LocalSigner.from_pem(
    # A key for tests, fixed so that what was learnt about envelopes stays true.
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n"
)
P256 = P256Signer()
SIGNERS: tuple[Signer, ...] = (ED25519, P256)
TRUST = trust_in(*(trusted(signer, use=use) for signer in SIGNERS for use in ("publisher", "release", "artifact")))
ENGINE = Engine("50.0.0", "c" * 64, "x86_64-unknown-linux-gnu")
RELEASE = Release(publisher="acme", name="com.acme.notes", version="1.0.0")
RECORD = ReleaseRecord(
    **msgspec.structs.asdict(RELEASE), key_id=ED25519.key_id, published_at=NOW.isoformat(), component_sha256=SHA
)
ARTIFACT = ArtifactRecord(
    component_sha256=SHA, wasmtime_version=ENGINE.wasmtime_version, engine_config_hash=ENGINE.config_hash,
    target=ENGINE.target,
)  # fmt: skip
PAYLOADS = [statement(kind, "bundle.tar.zst", SHA) for kind in (RELEASE, RECORD, ARTIFACT)]
HONEST = [sign_envelope(signer, PAYLOADS[0]) for signer in SIGNERS]


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"\0":
        refused_or_read(lambda: check_envelope(rest))
    elif kind in (b"\1", b"\4"):
        check_statement(ED25519 if kind == b"\1" else P256, rest)
    elif kind == b"\5":
        check_signature(rest)
    else:
        refused_or_read(lambda: PublicKey.from_pem(rest.decode("utf-8", "surrogateescape")))


def check_envelope(data: bytes) -> None:
    """Only what one of the keys signed is accepted, whatever is around it."""
    verified = TRUST.verify(data, use="publisher", publisher="acme", at=NOW)
    if verified.payload != PAYLOADS[0]:
        message = "an envelope that nobody signed was accepted"
        raise AssertionError(message)


def check_signature(signature: bytes) -> None:
    """Bytes of any form are judged as a signature, not stumbled over."""
    for signer in SIGNERS:
        if PublicKey.from_pem(signer.public_pem).verify(signature, b"nobody ever signed this"):
            message = "a signature that nobody made was accepted"
            raise AssertionError(message)


def check_statement(signer: Signer, payload: bytes) -> None:
    """Any payload that a trusted key signed is read or refused by all who read such statements."""
    if len(payload) > 40_000:
        return
    envelope = sign_envelope(signer, payload)
    verified = TRUST.verify(envelope, use="publisher", publisher="acme", at=NOW)
    for kind in (Release, ReleaseRecord, ArtifactRecord):
        refused_or_read(lambda kind=kind: read_statement(verified.payload, kind, SHA))  # type: ignore[misc]
    refused_or_read(lambda: accepted_release(envelope, SHA, TRUST, NOW))
    refused_or_read(lambda: accepted_component(envelope, SHA, TRUST, NOW))
    refused_or_read(lambda: accepted_code(envelope, SHA, ENGINE, TRUST, NOW))


def seeds() -> list[bytes]:
    return [
        *(b"\0" + envelope for envelope in HONEST),
        *(kind + payload for kind in (b"\1", b"\4") for payload in PAYLOADS),
        *(b"\3" + signer.public_pem.encode() for signer in SIGNERS),
        *(b"\5" + signer.sign(b"another message") for signer in SIGNERS),
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
        "published_at",
        "key_id",
        "component_sha256",
        "+24:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ]
    fuzz("signature", one_input, seeds(), sys.argv[1:], words)
