"""Keys, signatures and DSSE envelopes. Only this module and ``alga_ext.stores.sealing`` import ``cryptography``.

A signature covers bytes. A DSSE envelope (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md)
contains the payload bytes exactly as they were signed, so verification never serialises a document again. Ed25519 and
ECDSA P-256 (SHA-256) keys are supported. ``alga_ext.trust.policy`` decides which key may sign what.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from alga_ext import strict_json
from alga_ext.errors import PlatformError
from alga_ext.strict_json import JsonError
from alga_ext.trust import key_encoding

STATEMENT_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
LOG_HEAD_PAYLOAD_TYPE: Final = "application/vnd.alga.log-head+json"
LOG_BATCH_PAYLOAD_TYPE: Final = "application/vnd.alga.log-entries+json"
WITHDRAWN_LIST_PAYLOAD_TYPE: Final = "application/vnd.alga.withdrawn-list+json"
TRUST_BUNDLE_PAYLOAD_TYPE: Final = "application/vnd.alga.trust-bundle+json"
ENVELOPE_LIMIT_BYTES: Final = 64 * 1024
SIGNATURES_LIMIT: Final = 8
KEY_ID_LIMIT_CHARS: Final = 128
SIGNATURE_LIMIT_BYTES: Final = 128
"""An Ed25519 signature has 64 bytes, an ECDSA P-256 signature in DER at most 72."""

_ED25519_P: Final = 2**255 - 19
_ED25519_D: Final = -121665 * pow(121666, -1, _ED25519_P) % _ED25519_P
_ED25519_SMALL_ORDER_Y: Final = frozenset({
    0,
    1,
    _ED25519_P - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
})  # fmt: skip
"""The y coordinates of the eight points whose order divides 8, the cofactor of the curve."""


class Signer(Protocol):
    """Signs with one key: a local key or a key in a key management service."""

    @property
    def key_id(self) -> str:
        """``sha256:`` and the hex SHA-256 of the DER SubjectPublicKeyInfo."""
        ...

    @property
    def public_pem(self) -> str:
        """The public key as PEM SubjectPublicKeyInfo."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the raw signature over ``message``."""
        ...


class PublicKey:
    """A public key. Make it with ``from_pem``; ``raw`` is the key object of ``cryptography``, for JWT."""

    def __init__(self, key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) -> None:
        self.raw = self._key = key
        self._der = _der_of(key)
        self.key_id = "sha256:" + hashlib.sha256(self._der).hexdigest()
        self.algorithm = "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "ecdsa-p256"

    @classmethod
    def from_pem(cls, pem: str) -> Self:
        """Read a PEM SubjectPublicKeyInfo.

        Raises:
            PlatformError: ``key_invalid`` when it is not a PEM public key, is neither Ed25519 nor ECDSA P-256, or is a
                weak Ed25519 key, for which anyone can make signatures.
        """
        der = key_encoding.der_of(pem)
        try:
            key: object = _loaded(der) if der is not None else None
            if key is None:
                from cryptography.hazmat.primitives import serialization  # slow: see key_encoding

                key = serialization.load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise PlatformError("key_invalid", "The key is not a PEM public key (SubjectPublicKeyInfo).") from None
        return cls._checked(key)

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read a DER SubjectPublicKeyInfo; raises the same error as ``from_pem``."""
        try:
            key: object = _loaded(der)
            if key is None:
                from cryptography.hazmat.primitives import serialization  # slow: see key_encoding

                key = serialization.load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm):
            raise PlatformError("key_invalid", "The key is not a DER public key (SubjectPublicKeyInfo).") from None
        return cls._checked(key)

    @classmethod
    def _checked(cls, key: object) -> Self:
        if isinstance(key, ed25519.Ed25519PublicKey):
            if not _is_strong(key.public_bytes_raw()):
                raise PlatformError(
                    "key_invalid",
                    "The Ed25519 key is weak: it is not a canonical point of the curve, or a point of small order, for "
                    "which signatures can be forged. Make a key with 'alga-ext keygen'.",
                )
            return cls(key)
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(key)
        raise PlatformError(
            "key_invalid", "The key is neither Ed25519 nor ECDSA P-256; make one with 'alga-ext keygen'."
        )

    @property
    def pem(self) -> str:
        """The key as PEM SubjectPublicKeyInfo."""
        return key_encoding.pem_of(self._der)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether this key made ``signature`` over ``message``; P-256 signatures are in DER."""
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                self._key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def _loaded(der: bytes) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | None:
    """Return the key of a SubjectPublicKeyInfo in one of the two usual forms, or None when it has another form.

    Raises:
        ValueError: it has one of the forms, but is not a key.
    """
    if (encoded := key_encoding.key_bytes(der, key_encoding.ED25519, 32)) is not None:
        return ed25519.Ed25519PublicKey.from_public_bytes(encoded)
    if (point := key_encoding.key_bytes(der, key_encoding.P256, 65)) is not None:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    return None


def _der_of(key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) -> bytes:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key_encoding.ED25519 + key.public_bytes_raw()
    numbers = key.public_numbers()
    return key_encoding.P256 + b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def _is_strong(encoded: bytes) -> bool:
    """Tell whether 32 bytes are a canonical Ed25519 point (RFC 8032 §5.1.3) whose order does not divide the cofactor.

    OpenSSL verifies with any key. With a key of small order, one signature is valid for many messages.
    """
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y >= _ED25519_P or y in _ED25519_SMALL_ORDER_Y:
        return False
    x_squared_times_square = (y * y - 1) * (_ED25519_D * y * y + 1)
    return pow(x_squared_times_square, (_ED25519_P - 1) // 2, _ED25519_P) == 1  # Euler's criterion: x exists


class LocalSigner:
    """Signs with an Ed25519 private key in memory; ``raw`` is the key object of ``cryptography``, for JWT."""

    def __init__(self, key: ed25519.Ed25519PrivateKey) -> None:
        self.raw = self._key = key
        self._public = PublicKey(key.public_key())

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: str) -> Self:
        """Read an unencrypted PKCS #8 PEM private key.

        Raises:
            PlatformError: ``key_invalid``; the message never contains key material.
        """
        from cryptography.hazmat.primitives import serialization  # slow: see key_encoding

        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise PlatformError("key_invalid", "The key is not an unencrypted PEM private key (PKCS #8).") from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise PlatformError("key_invalid", "The private key is not Ed25519; make one with 'alga-ext keygen'.")
        return cls(key)

    @property
    def key_id(self) -> str:
        """See ``Signer.key_id``."""
        return self._public.key_id

    @property
    def public_pem(self) -> str:
        """See ``Signer.public_pem``."""
        return self._public.pem

    @property
    def private_pem(self) -> str:
        """The private key as unencrypted PKCS #8 PEM; write it only to files of mode 0600."""
        from cryptography.hazmat.primitives import serialization  # slow: see key_encoding

        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self._key.private_bytes(encoding, form, serialization.NoEncryption()).decode()

    def sign(self, message: bytes) -> bytes:
        """See ``Signer.sign``."""
        return self._key.sign(message)


class Envelope(NamedTuple):
    """The parts of a DSSE envelope; nothing in it is verified yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]
    """Pairs of key id and raw signature."""


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature covers (PAE of the DSSE protocol)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_envelope(signer: Signer, payload: bytes, payload_type: str = STATEMENT_PAYLOAD_TYPE) -> bytes:
    """Sign ``payload`` and return the JSON bytes of a DSSE envelope with this one signature."""
    return sign_by_each([signer], payload, payload_type)


def sign_by_each(signers: Sequence[Signer], payload: bytes, payload_type: str) -> bytes:
    """Return the JSON bytes of a DSSE envelope with one signature by each signer, at most ``SIGNATURES_LIMIT``."""
    message = pre_authentication_encoding(payload_type, payload)
    return _written(Envelope(payload_type, payload, tuple((s.key_id, s.sign(message)) for s in signers)))


def with_signature(envelope: Envelope, signer: Signer) -> bytes:
    """Return the JSON bytes of an envelope with one more signature, which comes first.

    Of more than ``SIGNATURES_LIMIT`` signatures the last is left out, which is the oldest if all were added here.
    """
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    added = (signer.key_id, signer.sign(message))
    return _written(envelope._replace(signatures=(added, *envelope.signatures)[:SIGNATURES_LIMIT]))


def _written(envelope: Envelope) -> bytes:
    document = {
        "payloadType": envelope.payload_type,
        "payload": base64.b64encode(envelope.payload).decode(),
        "signatures": [
            {"keyid": key_id, "sig": base64.b64encode(signature).decode()} for key_id, signature in envelope.signatures
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def parse_envelope(data: bytes, limit_bytes: int = ENVELOPE_LIMIT_BYTES) -> Envelope:
    """Parse a DSSE envelope of at most ``limit_bytes``; its signatures are not verified.

    An envelope has only one accepted form: compact JSON with the known members in order, and canonical base64. One line
    feed at the end is allowed. A key may appear once, so that an envelope holds one signature of each key.

    What an envelope states is identified by key and payload, never by its signature bytes: from an ECDSA signature
    (r, s) anyone can make (r, n - s), which is valid too, and anyone can add a signature by a key of their own.

    Raises:
        PlatformError: ``signature_malformed``.
    """
    if len(data) > limit_bytes:
        raise _malformed(f"it is {len(data)} bytes; at most {limit_bytes} are allowed")
    try:
        document = strict_json.parse(data)
    except JsonError as error:
        raise _malformed(str(error)) from None
    if not isinstance(document, dict) or set(document) != {"payloadType", "payload", "signatures"}:
        raise _malformed("it must have exactly payloadType, payload and signatures")
    entries = document["signatures"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= SIGNATURES_LIMIT:
        raise _malformed(f"it must have 1 to {SIGNATURES_LIMIT} signatures")
    signatures = []
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"} or not isinstance(entry["keyid"], str):
            raise _malformed("each signature must have exactly keyid and sig")
        signatures.append(_signature(entry["keyid"], _base64(entry["sig"], "sig")))
    if len({key_id for key_id, _ in signatures}) < len(signatures):
        raise _malformed("two signatures have the same keyid; each key signs once")
    if not isinstance(document["payloadType"], str):
        raise _malformed("payloadType must be a string")
    envelope = Envelope(document["payloadType"], _base64(document["payload"], "payload"), tuple(signatures))
    if _compact(document) != data.removesuffix(b"\n"):
        raise _malformed("it is not written as compact JSON with payloadType, payload, signatures in that order")
    return envelope


def verify_envelope(envelope: Envelope, key: PublicKey) -> bool:
    """Tell whether ``key`` made one of the signatures that name it."""
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    return any(key_id == key.key_id and key.verify(signature, message) for key_id, signature in envelope.signatures)


def _signature(key_id: str, signature: bytes) -> tuple[str, bytes]:
    if len(key_id) > KEY_ID_LIMIT_CHARS:
        raise _malformed(f"a keyid has {len(key_id)} characters; at most {KEY_ID_LIMIT_CHARS} are allowed")
    if len(signature) > SIGNATURE_LIMIT_BYTES:
        raise _malformed(f"a signature has {len(signature)} bytes; at most {SIGNATURE_LIMIT_BYTES} are allowed")
    return key_id, signature


def _compact(document: dict[str, Any]) -> bytes:
    ordered = {
        "payloadType": document["payloadType"],
        "payload": document["payload"],
        "signatures": [{"keyid": entry["keyid"], "sig": entry["sig"]} for entry in document["signatures"]],
    }
    return json.dumps(ordered, separators=(",", ":")).encode()


def _base64(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise _malformed(f"{name} must be a string")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(f"{name} is not base64") from None
    if base64.b64encode(data).decode() != value:
        raise _malformed(f"{name} is not canonical base64")
    return data


def _malformed(why: str) -> PlatformError:
    return PlatformError("signature_malformed", f"The DSSE envelope cannot be read: {why}.")
