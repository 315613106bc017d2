"""Key pairs of the local platform, one file each below `.local/keys`, readable only by their owner.

They are kept across restarts, so that tokens in a developer's shell and signed artifacts in the cache stay valid. If
the folder is deleted, the next start makes new keys.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alga_ext.trust.signing import LocalSigner, PublicKey
from tools.local.tokens import key_set, mint_token

ISSUER = "https://host.local"
AUDIENCE = "alga-extensions"
TOKEN_LIFETIME_S = 8 * 3600
NAMES = ("token-issuer", "execution", "artifact", "release", "log", "publisher", "call-token")


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """All key pairs: one for the host application's tokens, five of the platform, one of the samples' publisher."""

    token_issuer: LocalSigner
    execution: LocalSigner
    artifact: LocalSigner
    release: LocalSigner
    log: LocalSigner
    publisher: LocalSigner
    call_token: LocalSigner

    @property
    def jwks(self) -> str:
        """The host application's JSON Web Key Set."""
        raw = PublicKey.from_pem(self.token_issuer.public_pem).raw
        return key_set({self.token_issuer.key_id: raw})

    @property
    def trust_bundle(self) -> str:
        """The trust bundle as JSON: the platform's own keys. Publishers' keys are in the registry."""
        uses = {"release": self.release, "artifact": self.artifact, "log": self.log}
        keys = [{"key_id": k.key_id, "public_key": k.public_pem, "use": use} for use, k in uses.items()]
        return json.dumps({"version": 1, "keys": keys}, indent=1)

    def token(self, claims: dict[str, Any], lifetime_s: int = TOKEN_LIFETIME_S) -> str:
        """Return a bearer token as the host application would issue it; `claims` come without iss, aud and times."""
        issuer = self.token_issuer
        return mint_token(issuer.raw, issuer.key_id, {"iss": ISSUER, "aud": AUDIENCE, **claims}, lifetime_s=lifetime_s)


def load_or_make_keys(folder: Path) -> LocalKeys:
    """Read the keys below `folder`, and make those that are missing. Raises PlatformError `key_invalid`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return LocalKeys(*(_load_or_make(folder / f"{name}.pem") for name in NAMES))


def _load_or_make(path: Path) -> LocalSigner:
    if path.exists():
        return LocalSigner.from_pem(path.read_text(encoding="utf-8"))
    signer = LocalSigner.generate()
    write_private(path, signer.private_pem)
    # The public key next to it, for `alga-ext verify`.
    path.with_suffix(".pub.pem").write_text(signer.public_pem, encoding="utf-8")
    return signer


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its creation on. Replaces an existing file."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
