"""The platform's keys as the registry knows them: root keys, and the platform's keys in the trust bundle.

The gateway's key for execution tokens and the runner's for call tokens are not among them: they are in those functions'
settings only, and their health checks tell about them.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, cast

from alga_ext.edge.key_report import report_overdue
from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import TRUST_BUNDLE_EXPIRING
from alga_ext.stores.signed_trust_source import SignedTrustSource
from alga_ext.telemetry import alarm
from alga_ext.trust import key_ages
from alga_ext.trust.key_ages import KeyUse, PlatformKey
from alga_ext.trust.policy import TrustBundle, TrustedKey
from alga_ext.trust.signed_trust import SignedTrust
from alga_ext.trust.signing import Signer
from functions.registry.job_services import SweeperServices
from functions.registry.services import Services

EXPIRES_SOON: Final = timedelta(days=7)
"""A trust bundle that expires within this time is reported; the same as for `alga-ext trust show`."""
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""``valid_from`` of a key whose entry in the trust bundle has none."""


def signed_trust(services: Services | SweeperServices) -> SignedTrust | None:
    """Return the signed trust bundle in use, or None when the trust bundle is not signed."""
    source = services.trust
    return source.accepted if isinstance(source, SignedTrustSource) else None


def list_keys(services: Services | SweeperServices, now: datetime) -> list[PlatformKey]:
    """Return the platform's keys, publishers' keys excluded.

    A root key signs if it signed the trust bundle in use. The registry's own keys sign if they are set. Of the other
    keys, the active one that became valid last signs. A key's age counts from its ``valid_from``, a root key's from the
    line ``Created:`` above it.

    Raises:
        PlatformError: ``policy_unavailable`` when the trust bundle cannot be read.
    """
    trust = services.trust.current()
    signed = signed_trust(services)
    signed_by = signed.signed_by if signed is not None else ()
    keys = [
        PlatformKey(
            "root", root.key.key_id, "active", root.key.key_id in signed_by, root.created_at, services.key_max_ages.root
        )
        for root in services.roots
    ]
    signing = {
        "release": _key_id(services.release_signer) or _newest(trust, "release", now),
        "log": _key_id(services.log_signer) or _newest(trust, "log", now),
        "artifact": _newest(trust, "artifact", now),
    }
    for key in trust.keys:
        if key.use == "publisher":
            continue
        use = cast("KeyUse", key.use)
        created_at = key.valid_from if key.valid_from > _ALWAYS else None
        max_age_days = getattr(services.key_max_ages, use)
        signs = signing[key.use] == key.key_id
        keys.append(PlatformKey(use, key.key_id, trust.state(key, now), signs, created_at, max_age_days))
    return keys


def warnings(services: Services | SweeperServices, now: datetime) -> list[str]:
    """Return a sentence for each overdue key, and one for a trust bundle that expires soon; raises as ``list_keys``."""
    found = key_ages.warnings(list_keys(services, now), now)
    signed = signed_trust(services)
    if signed is not None and signed.expires_at - now < EXPIRES_SOON:
        found.append(f"The trust bundle expires at {signed.expires_at.isoformat()}; sign and publish a new version.")
    return found


def report(services: Services | SweeperServices, now: datetime) -> int:
    """Log each overdue key as the metric ``KeyOverdue``, and a trust bundle that expires soon as another one.

    Returns:
        How many metrics were logged.

    Raises:
        PlatformError: as ``list_keys``.
    """
    reported = report_overdue("registry-sweeper", list_keys(services, now), now)
    signed = signed_trust(services)
    if signed is None or signed.expires_at - now >= EXPIRES_SOON:
        return reported
    alarm(
        "registry-sweeper",
        TRUST_BUNDLE_EXPIRING,
        "the trust bundle expires soon",
        now,
        version=signed.version,
        expires_at=signed.expires_at.isoformat(),
    )
    return reported + 1


def _newest(trust: TrustBundle, use: str, now: datetime) -> str | None:
    active: list[TrustedKey] = [key for key in trust.keys if key.use == use and trust.state(key, now) == "active"]
    return max(active, key=lambda key: key.valid_from).key_id if active else None


def _key_id(signer: Signer) -> str | None:
    """Return the id of a signer's key, or None while the key service cannot be reached."""
    try:
        return signer.key_id
    except PlatformError:
        return None
