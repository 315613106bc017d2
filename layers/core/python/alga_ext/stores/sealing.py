"""Seal tenants' secrets: envelope encryption, bound to the tenant, install and name of a secret.

A sealed secret is ``0x01``, the length of the wrapped data key (2 bytes, big-endian), the wrapped key, a 12-byte nonce
and the AES-256-GCM ciphertext. The context (tenant, install, name) is the encryption context of the key service and the
associated data of the cipher. So a sealed value cannot be decrypted under another tenant, install or name. A secret is
never stored in plain text.
"""

import json
import os
import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alga_ext.errors import PlatformError

SECRET_LIMIT_BYTES: Final = 64 * 1024
_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12


class DataKey(NamedTuple):
    """A fresh 256-bit key: in plain text for one use, and encrypted (wrapped) by the key service."""

    plain: bytes
    wrapped: bytes


class DataKeys(Protocol):
    """A key service that makes data keys and unwraps each only with the context that it was made with."""

    def generate(self, context: Mapping[str, str]) -> DataKey:
        """Return a new data key, or raise ``secret_unavailable``."""
        ...

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Return the plain key; raise ``secret_unavailable`` when it is not available or the context differs."""
        ...


class Sealer:
    """Encrypts (seals) and decrypts (unseals) secret values with data keys of a key service."""

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    def seal(self, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """Encrypt a value of at most ``SECRET_LIMIT_BYTES`` and return its sealed form.

        Raises:
            PlatformError: ``payload_too_large`` for a longer value; ``secret_unavailable`` when the key service cannot
                be reached.
        """
        if len(plaintext) > SECRET_LIMIT_BYTES:
            raise PlatformError(
                "payload_too_large", f"The secret is {len(plaintext)} bytes; at most {SECRET_LIMIT_BYTES} are allowed."
            )
        key = self._keys.generate(context)
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = AESGCM(key.plain).encrypt(nonce, plaintext, _associated(context))
        return _joined(key.wrapped, nonce + ciphertext)

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """Decrypt a sealed value and return the plain value.

        Raises:
            PlatformError: ``secret_unavailable`` when the value was not sealed for exactly this context, was changed,
                or when the key service cannot be reached.
        """
        wrapped, rest = _parts(sealed)
        key = self._keys.unwrap(wrapped, context)
        try:
            return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _associated(context))
        except (InvalidTag, ValueError):
            raise _unavailable("sealed for another context, or changed") from None


def rewrapped(sealed: bytes, rewrap: Callable[[bytes], bytes | None]) -> bytes | None:
    """Return a sealed value with its data key wrapped again, or None when ``rewrap`` returns None.

    Raises:
        PlatformError: ``secret_unavailable`` when it is not a sealed value; what ``rewrap`` raises.
    """
    wrapped, rest = _parts(sealed)
    again = rewrap(wrapped)
    return None if again is None else _joined(again, rest)


def secret_context(tenant_id: str, install_id: str, name: str) -> dict[str, str]:
    """Return the context with which a secret of an install is sealed."""
    return {"tenant": tenant_id, "install": install_id, "name": name}


def _joined(wrapped: bytes, rest: bytes) -> bytes:
    return _FORMAT + struct.pack(">H", len(wrapped)) + wrapped + rest


def _parts(sealed: bytes) -> tuple[bytes, bytes]:
    """Return the wrapped data key of a sealed value, and its nonce with the ciphertext."""
    if sealed[:1] != _FORMAT or len(sealed) < 3:
        raise _unavailable("unknown format")
    (length,) = struct.unpack(">H", sealed[1:3])
    wrapped, rest = sealed[3 : 3 + length], sealed[3 + length :]
    if len(wrapped) != length or len(rest) <= _NONCE_BYTES:
        raise _unavailable("too short")
    return wrapped, rest


def _associated(context: Mapping[str, str]) -> bytes:
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode()


def _unavailable(why: str) -> PlatformError:
    return PlatformError("secret_unavailable", "The sealed secret cannot be opened.", why=why)
