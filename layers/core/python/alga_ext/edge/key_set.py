"""The host application's JSON Web Key Set (RFC 7517): which of its keys verify tokens, and with which algorithm (pure).

The algorithm is the key's (RFC 8725, section 3.1): a token only has to name it. docs/adr/0036 says how sets with
unusable keys and tokens without a key id are handled.
"""

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import jwt

from alga_ext import strict_json
from alga_ext.errors import PlatformError
from alga_ext.trust import key_encoding
from alga_ext.trust.signing import PublicKey

_ED25519: Final = ("EdDSA", "Ed25519")
"""Both names of the algorithm of Ed25519 keys: RFC 8037 and RFC 9864."""
_RSA_BITS: Final = range(2_048, 8_192 + 1)
"""RFC 7518, section 3.3, wants at least 2048. A signature by a key of 8192 bits takes 0.3 ms to verify."""
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of private and symmetric keys (RFC 7518, section 6)."""
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_REASONS_SHOWN: Final = 3


class Key(NamedTuple):
    """A key that verifies tokens.

    Attributes:
        raw: the key object of ``cryptography``.
        algorithms: the names that the ``alg`` of a token may have.
    """

    raw: Any
    algorithms: tuple[str, ...]


class KeySet:
    """The usable keys of a key set. A key without an id can only be the only one."""

    def __init__(self, keys: Sequence[tuple[str | None, Key]]) -> None:
        self._by_id: Mapping[str, Key] = {key_id: key for key_id, key in keys if key_id is not None}
        self._only = keys[0][1] if len(keys) == 1 else None

    def find(self, key_id: str | None) -> Key | None:
        """Return the key that a token names, or None. A token without a ``kid`` means the only key of the set."""
        return self._only if key_id is None else self._by_id.get(key_id)


def parse_key_set(data: bytes) -> KeySet:
    """Return the usable keys of a key set.

    Keys that cannot verify a token here are ignored (RFC 7517, section 5), also when they are of a kind that other
    verifiers use. Keys that share their id are ignored too, because a token could mean either.

    Raises:
        ValueError: it is not a key set, or has no usable key. The message begins with "it" and quotes no value.
    """
    try:
        document = strict_json.parse(data)
    except strict_json.JsonError as error:
        message = f"it is not a JSON Web Key Set: {error}"
        raise ValueError(message) from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        message = "it is not a JSON Web Key Set: it has no list of keys"
        raise ValueError(message)
    found, reasons = _usable(entries)
    if not found:
        shown = "; ".join(reasons[:_REASONS_SHOWN])
        message = "it has no usable key" + (f" ({shown})" if shown else "")
        raise ValueError(message)
    return KeySet(found)


def _usable(entries: Sequence[Any]) -> tuple[list[tuple[str | None, Key]], list[str]]:
    """Return the usable keys with their ids, and why each of the others is not usable."""
    found: list[tuple[int, str | None, Key]] = []
    reasons = []
    for index, entry in enumerate(entries):
        try:
            found.append((index, *_read(entry)))
        except ValueError as error:
            reasons.append(f"keys.{index}: {error}")
    counts = Counter(key_id for _, key_id, _ in found)
    for index, key_id, _ in found:
        if counts[key_id] > 1:
            reasons.append(f"keys.{index}: another usable key has {'no kid either' if key_id is None else 'its kid'}")
    return [(key_id, key) for _, key_id, key in found if counts[key_id] == 1], reasons


def _read(entry: Any) -> tuple[str | None, Key]:
    """Return a JSON Web Key's id and the key.

    Raises:
        ValueError: it is not usable.
    """
    if not isinstance(entry, dict):
        message = "it is not an object"
        raise ValueError(message)
    key_id = entry.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        message = "its kid is not a string"
        raise ValueError(message)
    if _PRIVATE & entry.keys():
        message = "it is a private or symmetric key; publish public keys only"
        raise ValueError(message)
    kind = (entry.get("kty"), entry.get("crv"))
    if kind == ("OKP", "Ed25519"):
        key = Key(_public_key(key_encoding.ED25519 + _bytes(entry, "x", 32)), _ED25519)
    elif kind == ("EC", "P-256"):
        point = b"\x04" + _bytes(entry, "x", 32) + _bytes(entry, "y", 32)
        key = Key(_public_key(key_encoding.P256 + point), ("ES256",))
    elif kind[0] == "RSA":
        key = Key(_rsa_key(entry), ("RS256",))
    else:
        message = "it is not a key of RSA, of the curve P-256 or of the curve Ed25519"
        raise ValueError(message)
    _check_purpose(entry, key.algorithms)
    return key_id, key


def _check_purpose(entry: Mapping[str, Any], algorithms: tuple[str, ...]) -> None:
    """Check that the key is meant to verify signatures with its algorithm, where it says what it is meant for."""
    operations = entry.get("key_ops")
    if entry.get("alg") not in (None, *algorithms):
        message = f"its alg is not {' or '.join(algorithms)}"
    elif entry.get("use") not in (None, "sig"):
        message = "its use is not sig"
    elif operations is not None and not (isinstance(operations, list) and "verify" in operations):
        message = "its key_ops do not include verify"
    else:
        return
    raise ValueError(message)


def _public_key(der: bytes) -> Any:
    try:
        return PublicKey.from_der(der).raw
    except PlatformError:
        message = "it is not a point of its curve, or a weak one"
        raise ValueError(message) from None


def _rsa_key(entry: Mapping[str, Any]) -> Any:
    for name in ("n", "e"):
        _bytes(entry, name)
    try:
        key = jwt.algorithms.RSAAlgorithm.from_jwk({name: entry[name] for name in ("kty", "n", "e")})
    except (ValueError, jwt.PyJWTError):
        message = "its n and e are not an RSA key"
        raise ValueError(message) from None
    if key.key_size not in _RSA_BITS:
        message = f"its RSA key has {key.key_size} bits, not {_RSA_BITS[0]} to {_RSA_BITS[-1]}"
        raise ValueError(message)
    return key


def _bytes(entry: Mapping[str, Any], name: str, length: int | None = None) -> bytes:
    """Return the bytes that a member has in base64url without padding."""
    text = entry.get(name)
    if not isinstance(text, str) or not _BASE64URL.match(text) or len(text) % 4 == 1:
        message = f"its {name} is not base64url without padding"
        raise ValueError(message)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if length is not None and len(data) != length:
        message = f"its {name} has {len(data)} bytes, not {length}"
        raise ValueError(message)
    return data
