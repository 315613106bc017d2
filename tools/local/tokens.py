"""Make bearer tokens and key sets for development and tests; in production the host application issues them."""

import json
import time
from collections.abc import Mapping
from typing import Any

import jwt


def mint_token(private_key: Any, key_id: str, claims: Mapping[str, Any], *, lifetime_s: int) -> str:
    """Sign a token.

    Args:
        private_key: an Ed25519 key (``LocalSigner.raw``).
        key_id: the ``kid`` of the public key in the key set.
        claims: all claims except the times.
        lifetime_s: seconds until it expires.
    """
    now_s = int(time.time())
    return jwt.encode(
        {"iat": now_s, "exp": now_s + lifetime_s, **claims}, private_key, "EdDSA", headers={"kid": key_id}
    )


def key_set(keys: Mapping[str, Any]) -> str:
    """Return the JSON Web Key Set of Ed25519 public keys, by key id."""
    entries = []
    for key_id, key in keys.items():
        entry = jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True)
        entries.append({**entry, "kid": key_id, "use": "sig", "alg": "EdDSA"})
    return json.dumps({"keys": entries}, separators=(",", ":"))
