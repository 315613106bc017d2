"""The usual DER and PEM forms of Ed25519 and P-256 public keys, without a parser for all other forms (pure).

``cryptography`` parses every form, but its parser imports the code for SSH, RSA and PKCS #12 keys, and that takes
longer than anything else that a verifier needs at its start. ``alga_ext.trust.signing`` falls back to it for any other
form.
"""

import base64
import binascii
import re
from typing import Final

ED25519: Final = bytes.fromhex("302a300506032b6570032100")
"""SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410, section 4)."""

P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""SubjectPublicKeyInfo of a P-256 key up to its uncompressed point of 65 bytes (RFC 5480, section 2)."""

_BLOCK: Final = re.compile(r"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]{1,200})-----END PUBLIC KEY-----\n?")


def key_bytes(der: bytes, prefix: bytes, length: int) -> bytes | None:
    """Return the ``length`` bytes of a key after ``prefix``, or None when ``der`` has another form."""
    return der[len(prefix) :] if der.startswith(prefix) and len(der) == len(prefix) + length else None


def der_of(pem: str) -> bytes | None:
    """Return what a PEM public key contains (RFC 7468), or None when the text is not exactly one short block."""
    block = _BLOCK.fullmatch(pem)
    try:
        return None if block is None else base64.b64decode(block[1].replace("\n", ""), validate=True)
    except binascii.Error:
        return None


def pem_of(der: bytes) -> str:
    """Return a public key as a PEM block with lines of 64 characters (RFC 7468)."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""))
