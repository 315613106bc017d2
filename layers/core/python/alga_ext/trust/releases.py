"""Verify the registry's release record for a bundle: a pure function.

Registry, runner and UI host all use this rule. A caller that keeps a verdict must verify the record again after
``VERDICT_LIFETIME_S`` at the latest, and immediately when the trust bundle changes.
"""

from datetime import datetime
from typing import Final

from alga_ext.errors import Fault, PlatformError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.statements import ReleaseRecord, read_statement

REGISTRY: Final = "alga"
"""Publisher name for checks of platform keys; these keys may sign for every publisher."""

VERDICT_LIFETIME_S: Final = 60.0
"""How long a verdict about a signed record holds under one trust bundle.

It must not hold longer, because a key may expire or its revocation may begin.
"""


def accepted_release(record: bytes, bundle_sha256: str, trust: TrustBundle, now: datetime) -> ReleaseRecord:
    """Verify a release record and return its content.

    1. A release key of the platform signed the record. The key is valid and not revoked at ``now``.
    2. The record is about this bundle.
    3. According to the trust bundle, the publisher's key was not revoked when the bundle was published.

    Raises:
        PlatformError: ``release_integrity`` when a check fails.
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
            "release_integrity",
            "The publisher's key was revoked before this bundle was published.",
            fault=Fault.PUBLISHER_KEY,
        )
    return release


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise PlatformError(
            "release_integrity", "The release record has no valid time of publication.", fault=Fault.RELEASE_RECORD
        )
    return at
