"""Tokens and JSON Web Keys of every kind, also such as no library makes."""

import base64
import json
from typing import Any, NamedTuple, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


class HostKey(NamedTuple):
    """A private key of the host application, and the algorithm that signs with it."""

    private: Any
    algorithm: Any

    @classmethod
    def ed25519(cls) -> Self:
        return cls(ed25519.Ed25519PrivateKey.generate(), jwt.algorithms.OKPAlgorithm())

    @classmethod
    def p256(cls, curve: ec.EllipticCurve | None = None) -> Self:
        """A P-256 key, or a key of another curve; it signs with SHA-256."""
        sha256 = jwt.algorithms.ECAlgorithm.SHA256
        return cls(ec.generate_private_key(curve or ec.SECP256R1()), jwt.algorithms.ECAlgorithm(sha256))

    @classmethod
    def rsa(cls, bits: int = 2_048) -> Self:
        sha256 = jwt.algorithms.RSAAlgorithm.SHA256
        return cls(rsa.generate_private_key(65_537, bits), jwt.algorithms.RSAAlgorithm(sha256))

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public key; a member that is None is left out."""
        public = self.algorithm.to_jwk(self.private.public_key(), as_dict=True)
        entry = {name: public[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in public} | members
        return {name: value for name, value in entry.items() if value is not None}

    def token(self, header: dict[str, Any], claims: Any) -> str:
        """Sign a header and claims as they are, whatever algorithm the header names."""
        signing_input = f"{part(header)}.{part(claims)}"
        return f"{signing_input}.{base64url(self.algorithm.sign(signing_input.encode(), self.private))}"


def key_set_of(*entries: Any) -> str:
    """A JSON Web Key Set."""
    return json.dumps({"keys": list(entries)})


def part(document: Any) -> str:
    """A part of a token: JSON in ASCII, so that a lone surrogate is an escape; bytes as they are."""
    return base64url(document if isinstance(document, bytes) else json.dumps(document).encode())


def base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
