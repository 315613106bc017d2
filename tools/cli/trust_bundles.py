"""Functions behind `alga-ext trust`: sign, describe and publish trust bundles.

The AWS SDK is imported in the functions that need it, because its import would slow down every other command.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.stores.objects import ObjectStore, Tagged
from alga_ext.trust.dated_keys import parse_public_keys
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signed_trust import SIGNED_TRUST_LIMIT_BYTES, sign_trust, verify_trust
from alga_ext.trust.signing import PublicKey, Signer, parse_envelope
from alga_ext.trust.trust_document import VersionedTrust, parse_trust_bundle, parse_versioned
from tools.cli.output import CommandError

EXPIRES_SOON: Final = timedelta(days=7)
"""`show` warns when less is left: time to sign and publish the next version."""
LIFETIME_LIMIT_DAYS: Final = 366
CONTENT_TYPE: Final = "application/json"


class Described(NamedTuple):
    """A signed trust bundle as people read it: `document` is for JSON, `lines` for a terminal."""

    document: dict[str, Any]
    lines: list[str]


def root_signers(keys: Sequence[str]) -> list[Signer]:
    """Return the signers of root keys, each `kms:KEY-ID` or the path of a PEM file.

    Raises CommandError for anything else: a private key is never an argument.
    """
    from alga_ext.stores.aws import signer_of

    for number, key in enumerate(keys, 1):
        if not key.startswith("kms:") and not Path(key).is_file():  # the value is not shown: it may be a key itself
            raise CommandError(f"--key number {number} names no file", "give the path of a PEM file, or kms:KEY-ID")
    return [signer_of(key) for key in keys]


def new_bundle(keys_by_use: Mapping[str, Sequence[str]], now: datetime) -> str:
    """Return the trust bundle (JSON) with the platform's keys, valid from now on.

    Args:
        keys_by_use: use of the keys → keys, each `kms:KEY-ID` or the path of a file with one public key in PEM.
        now: the present instant.

    Raises CommandError; PlatformError for a key that cannot be read.
    """
    entries = [
        {
            "key_id": key.key_id,
            "public_key": key.pem,
            "use": use,
            "valid_from": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for use, keys in keys_by_use.items()
        for key in map(_public_key, keys)
    ]
    return json.dumps({"version": 1, "keys": entries}, indent=2) + "\n"


def _public_key(key: str) -> PublicKey:
    if key.startswith("kms:"):
        from alga_ext.stores.aws import signer_of

        return PublicKey.from_pem(signer_of(key).public_pem)
    if not Path(key).is_file():
        raise CommandError(f"{key} is not a file", "give the path of a public key in PEM, or kms:KEY-ID")
    return PublicKey.from_pem(Path(key).read_text(encoding="utf-8"))


def root_keys(files: Sequence[Path]) -> list[PublicKey]:
    """Return the public root keys in these files, each of which may have several."""
    return [dated.key for file in files for dated in parse_public_keys(file.read_text(encoding="utf-8"))]


def sign_bundle_file(text: str, version: int, lifetime_days: int, signers: Sequence[Signer], now: datetime) -> bytes:
    """Return the envelope of the trust bundle in `text` (JSON or PEM). Raises PlatformError."""
    expires_at = (now + timedelta(days=lifetime_days)).replace(microsecond=0)
    return sign_trust(VersionedTrust(version, expires_at, parse_trust_bundle(text)), signers)


def describe(envelope: bytes, roots: Sequence[PublicKey], now: datetime) -> Described:
    """Say what a signed trust bundle contains. Without root keys it is not verified, and the answer says so.

    Raises PlatformError when it cannot be read or, with root keys, when none of them signed it.
    """
    signed_by = verify_trust(envelope, roots).signed_by if roots else ()
    parsed = parse_envelope(envelope, SIGNED_TRUST_LIMIT_BYTES)
    version, expires_at, trust = parse_versioned(parsed.payload)
    signatures = [{"key_id": key_id, "verified": key_id in signed_by} for key_id, _ in parsed.signatures]
    keys = [_key(trust, index, now) for index in range(len(trust.keys))]
    warnings = _warnings(expires_at, now)
    document = {
        "version": version,
        "expires": expires_at.isoformat(),
        "signatures": signatures,
        "keys": keys,
        "revocations": [{"key_id": r.key_id, "from": r.revoked_from.isoformat()} for r in trust.revocations],
        "warnings": warnings,
    }
    verified = "verified" if roots else "not verified: name the root keys with --root"
    lines = [f"version {version}, expires {expires_at.isoformat()}"]
    lines += [f"signed by {s['key_id']}" + (f" ({verified})" if s["verified"] or not roots else "") for s in signatures]
    lines += [f"{key['state']:8} {key['use']:9} {key['key_id']}  {_span(key)}" for key in keys]
    lines += [f"revoked since {r.revoked_from.isoformat()}: {r.key_id} {r.reason}".rstrip() for r in trust.revocations]
    return Described(document, lines)


def read_stored(address: str) -> bytes:
    """Return the bundle of a file or of `s3://bucket/key`. Raises CommandError, PlatformError, OSError."""
    if not address.startswith("s3://"):
        return Path(address).read_bytes()
    store, key = _place(address)
    return store.get(key)


def publish(envelope: bytes, address: str, roots: Sequence[PublicKey], now: datetime) -> bool:
    """Put a signed bundle at `s3://bucket/key`, unless a newer one is there; return False if it is there already.

    1. The bundle is signed by a root key and has not expired: no function would accept any other one.
    2. The stored bundle, if there is one, has a lower version.
    3. It is replaced only if it is still the one that was compared (`If-Match`, `If-None-Match`).

    Raises CommandError, PlatformError.
    """
    found = verify_trust(envelope, roots)  # (1)
    if now >= found.expires_at:
        raise CommandError(f"the bundle expired at {found.expires_at.isoformat()}", "sign it again")
    store, key = _place(address)
    stored = store.get_tagged(key)
    if stored is not None:
        if stored.data == envelope:
            return False
        version = _version_of(stored)  # (2)
        if found.version <= version:
            raise CommandError(
                f"version {version} is stored, and version {found.version} does not replace it",
                f"sign the bundle with --version {version + 1} or a higher one",
            )
    try:
        store.replace(key, envelope, CONTENT_TYPE, stored.tag if stored else None)  # (3)
    except PlatformError as error:
        if error.code != "object_conflict":
            raise
        raise CommandError(
            "another bundle was stored at the same time", "look at it with `alga-ext trust show`, and publish again"
        ) from error
    return True


def _version_of(stored: Tagged) -> int:
    """Return the version that a stored bundle states, whoever signed it."""
    try:
        return parse_versioned(parse_envelope(stored.data, SIGNED_TRUST_LIMIT_BYTES).payload).version
    except PlatformError as error:
        raise CommandError(
            f"the stored object is not a signed trust bundle ({error.detail.removesuffix('.')})",
            "find out who wrote it, delete it, and publish again",
        ) from error


def _place(address: str) -> tuple[ObjectStore, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket or not key:
        raise CommandError(f"{address[:200]!r} names no object", "give s3://bucket/key")
    from alga_ext.stores.aws import S3ObjectStore

    return S3ObjectStore(f"s3://{bucket}"), key


def _key(trust: TrustBundle, index: int, now: datetime) -> dict[str, Any]:
    key = trust.keys[index]
    return {
        "key_id": key.key_id,
        "use": key.use,
        "publishers": list(key.publishers),
        "state": trust.state(key, now),
        "valid_from": key.valid_from.isoformat(),
        "valid_until": key.valid_until.isoformat() if key.valid_until else None,
    }


def _span(key: dict[str, Any]) -> str:
    return f"from {key['valid_from']}" + (f" until {key['valid_until']}" if key["valid_until"] else "")


def _warnings(expires_at: datetime, now: datetime) -> list[str]:
    left = expires_at - now
    if left <= timedelta(0):
        return ["it has expired, and no function uses it: sign and publish the next version now"]
    if left < EXPIRES_SOON:
        hours = int(left.total_seconds() // 3600)
        return [f"it expires in {hours} hours, and then nothing runs: sign and publish the next version"]
    return []
