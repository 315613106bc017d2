"""Sealing secrets as the registry does, so that the runner under test can open them."""

import base64
import os
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alga_ext.calls.envelope import SealedSecret
from alga_ext.errors import PlatformError
from alga_ext.stores.sealing import DataKey, DataKeys, Sealer, secret_context
from tests.conformance.envelopes import INSTALL, TENANT

_NONCE_BYTES: Final = 12


class KeptKeys:
    """Data keys wrapped by a key in this process, for a runner in this process."""

    def __init__(self) -> None:
        self._key = AESGCM(AESGCM.generate_key(256))

    def generate(self, context: Mapping[str, str]) -> DataKey:
        """See ``DataKeys``."""
        plain, nonce = os.urandom(32), os.urandom(_NONCE_BYTES)
        return DataKey(plain, nonce + self._key.encrypt(nonce, plain, repr(sorted(context.items())).encode()))

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See ``DataKeys``."""
        nonce, data = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return self._key.decrypt(nonce, data, repr(sorted(context.items())).encode())
        except (InvalidTag, ValueError):
            raise PlatformError("secret_unavailable", "The data key cannot be unwrapped.") from None


class Vault:
    """Seals for installs.

    Args:
        keys: the key service that the runner unwraps with.
    """

    def __init__(self, keys: DataKeys) -> None:
        self.sealer = Sealer(keys)

    def seal(
        self,
        name: str,
        value: str | bytes,
        *,
        tenant_id: str = TENANT,
        install_id: str = INSTALL,
        expires_at_s: int | None = None,
        sealed_as: str | None = None,
    ) -> SealedSecret:
        """Return a secret as the envelope carries it; ``sealed_as`` seals it under another name than it says."""
        context = secret_context(tenant_id, install_id, sealed_as or name)
        sealed = self.sealer.seal(value if isinstance(value, bytes) else value.encode(), context)
        return SealedSecret(
            name=name, sealed_b64=base64.b64encode(sealed).decode(), version=1, expires_at_s=expires_at_s
        )
