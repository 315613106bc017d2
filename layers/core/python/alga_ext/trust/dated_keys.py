"""Read keys in PEM that say when they were created, and settings with several public keys. Pure.

Above a PEM block may stand the line ``Created: 2026-01-31T12:00:00Z``, from which the age of the key is known. RFC 7468
allows such text there, and other PEM readers skip it. Several public keys, one after the other, let a key be replaced
without a gap.
"""

import re
from datetime import datetime
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner, PublicKey

KEYS_LIMIT: Final = 4
"""The most keys at the same time: two are enough for a rotation."""
_BLOCK: Final = re.compile(r"-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]{1,1000}-----END PUBLIC KEY-----(?:\n|\Z)")
_CREATED: Final = re.compile(r"Created: *(\S+)")


class DatedKey(NamedTuple):
    """A public key, and when it was created, if its setting says so."""

    key: PublicKey
    created_at: datetime | None


class DatedSigner(NamedTuple):
    """A private key, and when it was created, if its setting says so."""

    signer: LocalSigner
    created_at: datetime | None


def parse_signer(text: str) -> DatedSigner:
    """Return the Ed25519 private key in ``text``.

    Raises:
        PlatformError: ``key_invalid``; the message quotes nothing of the text.
    """
    return DatedSigner(LocalSigner.from_pem(text), _created_at(text.partition("-----BEGIN")[0]))


def parse_public_keys(text: str) -> tuple[DatedKey, ...]:
    """Return the keys in ``text``, 1 to ``KEYS_LIMIT``, no two of them alike.

    Raises:
        PlatformError: ``key_invalid``; the message quotes nothing of the text.
    """
    text = text.replace("\r\n", "\n").strip() + "\n"
    blocks = list(_BLOCK.finditer(text))
    if not 1 <= len(blocks) <= KEYS_LIMIT:
        raise _invalid(f"it has {len(blocks)} PEM public keys; 1 to {KEYS_LIMIT} are allowed")
    starts = [0, *(block.end() for block in blocks)]
    if text[starts[-1] :].strip():
        raise _invalid("there is text after the last key")
    keys = tuple(
        DatedKey(PublicKey.from_pem(block[0]), _created_at(text[start : block.start()]))
        for start, block in zip(starts, blocks, strict=False)
    )
    if len({dated.key.key_id for dated in keys}) < len(keys):
        raise _invalid("it has the same key twice")
    return keys


def _created_at(above: str) -> datetime | None:
    """Return the instant that the text above a PEM block gives, or None when there is no text.

    Raises:
        PlatformError: ``key_invalid`` for text that is neither a comment nor ``Created:`` with an instant.
    """
    found = None
    for line in above.splitlines():
        match = _CREATED.fullmatch(line.strip())
        if match is not None and found is None:
            found = _instant(match[1])
        elif line.strip() and not line.startswith("#"):
            raise _invalid("above a key may stand comments ('# …') and one line 'Created: 2026-01-31T12:00:00Z'")
    return found


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise _invalid("'Created:' needs an instant with time zone, such as 2026-01-31T12:00:00Z")
    return instant


def _invalid(why: str) -> PlatformError:
    return PlatformError("key_invalid", f"The key cannot be read: {why}.")
