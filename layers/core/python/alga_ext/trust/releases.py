"""Whether the registry's word about a bundle may be believed: bytes and values in, a verdict out.

Registry, runner and UI host judge a release record by the same rule, here. Whoever keeps what a record said judges it
again after ``VERDICT_LIFETIME_S`` at the latest, and at once when the trust bundle is another one.
"""

from datetime import datetime
from typing import Final

from alga_ext.errors import Fault, PlatformError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.statements import ReleaseRecord, read_statement

REGISTRY: Final = "alga"
"""Whom platform keys sign for; they are trusted for every publisher."""

VERDICT_LIFETIME_S: Final = 60.0
"""How long a verdict about a signed record holds under one trust bundle: a key may end, or its revocation begin."""


def accepted_release(record: bytes, bundle_sha256: str, trust: TrustBundle, now: datetime) -> ReleaseRecord:
    """Return what the registry vouches for about a bundle.

    1. The record is signed by a key the platform uses for releases, valid and not revoked now.
    2. It is about this bundle.
    3. The publisher's key was not revoked when the bundle was published, as far as the trust bundle knows.

    Raises:
        PlatformError: ``release_integrity``.
    """
    try:
        verified = trust.verify(record, use="release", publisher=REGISTRY, at=now)  # (1)
        release = read_statement(verified.payload, ReleaseRecord, bundle_sha256)  # (2)
    except PlatformError as error:
        raise PlatformError(
            "release_integrity",
            "The release record cannot be verified.",
            fault=Fault.RELEASE_RECORD,
            cause=error.code,
            why=error.detail,
        ) from error
    if trust.is_revoked(release.key_id, _instant(release.published_at)):  # (3)
        raise PlatformError(
            "release_integrity", "The publisher's key was revoked before this was published.", fault=Fault.PUBLISHER_KEY
        )
    return release


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise PlatformError(
            "release_integrity", "The release record names no instant of publication.", fault=Fault.RELEASE_RECORD
        )
    return at
