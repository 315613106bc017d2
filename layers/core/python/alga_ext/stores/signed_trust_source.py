"""Provide the current trust bundle from the object store, where only a bundle that a root key signed counts."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import TRUST_BUNDLE_UNREADABLE
from alga_ext.settings import Settings, read_material
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.s3_reader import S3ObjectReader
from alga_ext.telemetry import alarm
from alga_ext.trust.dated_keys import DatedKey, parse_public_keys
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signed_trust import SIGNED_TRUST_LIMIT_BYTES, SignedTrust, verify_trust
from alga_ext.trust.signing import PublicKey
from alga_ext.trust.trust_source import CurrentTrust, TrustSource

REFRESH_S: Final = 30.0
"""How often the bundle is read again, and so how long a revocation takes when everything works."""
RETRY_S: Final = 1.0
"""How long to wait after a failed read while there is no bundle that can be used."""
_READ_TIMEOUT_S: Final = 1.5
"""Short, because a call waits for this read, and mostly a bundle that can be used is there."""


class SignedTrustSource:
    """The newest signed trust bundle that this process has read; it is read again when a call needs it.

    No process knows what another one has seen. So one that starts accepts any bundle that is signed and has not
    expired, and every later one only with a higher version. Therefore a process has one source for its whole life, also
    when its services are built anew.

    Args:
        reader: of the bucket.
        key: of the object.
        roots: the pinned root keys.
        service: the function's name in its logs.
        now: returns the present instant.
        monotonic_s: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        reader: S3ObjectReader,
        key: str,
        roots: Sequence[PublicKey],
        service: str,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._key = key
        self._roots = roots
        self._service = service
        self._now = now
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._accepted: SignedTrust | None = None
        self._tag: str | None = None
        self._read_again_s = float("-inf")

    def current(self) -> TrustBundle:
        """Return the current bundle; the same object as long as its keys and revocations do not change.

        1. After ``REFRESH_S`` it is read again, if it has changed (``If-None-Match``). What is not signed by a pinned
           root key, cannot be read or has a lower version is not accepted; the accepted bundle stays.
        2. No bundle is used from its expiry on.

        Raises:
            PlatformError: ``policy_unavailable`` when there is no bundle that has not expired.
        """
        if self._monotonic_s() >= self._read_again_s:  # (1)
            with self._lock:
                if self._monotonic_s() >= self._read_again_s:  # no other thread has just read it
                    self._refresh()
        accepted = self._accepted
        if accepted is None or self._now() >= accepted.expires_at:  # (2)
            raise PlatformError("policy_unavailable", "The trusted keys cannot be read at the moment; try again.")
        return accepted.trust

    def is_about(self, bucket: str, key: str, roots: Sequence[PublicKey]) -> bool:
        """Tell whether this source reads that object and accepts exactly those root keys."""
        ids = [[root.key_id for root in given] for given in (self._roots, roots)]
        return self._reader.bucket == bucket and self._key == key and ids[0] == ids[1]

    @property
    def accepted(self) -> SignedTrust | None:
        """The bundle that was accepted last, with its version and expiry; None before the first one."""
        return self._accepted

    def _refresh(self) -> None:
        try:
            stored = self._reader.get_changed(self._key, self._tag, SIGNED_TRUST_LIMIT_BYTES)
            if stored is not None:
                self._accept(verify_trust(stored.data, self._roots))
                self._tag = stored.tag
        except PlatformError as error:
            known = self._accepted
            alarm(
                self._service,
                TRUST_BUNDLE_UNREADABLE,
                "the trust bundle in the object store cannot be used",
                self._now(),
                code=error.code,
                why=error.detail,
                used_version=known.version if known is not None else 0,
                used_until=known.expires_at.isoformat() if known is not None else "",
            )
        accepted = self._accepted
        usable = accepted is not None and self._now() < accepted.expires_at
        self._read_again_s = self._monotonic_s() + (REFRESH_S if usable else RETRY_S)

    def _accept(self, found: SignedTrust) -> None:
        """Accept a verified bundle unless it is older than the accepted one, or another one of the same version.

        Raises:
            PlatformError: ``trust_bundle_invalid``.
        """
        known = self._accepted
        if known is not None:
            if found.version < known.version:
                raise _refused(f"its version is {found.version}, but version {known.version} was read before")
            if found.version == known.version and found.payload != known.payload:
                raise _refused(f"it differs from the bundle of version {known.version} that was read before")
            if (found.trust.keys, found.trust.revocations) == (known.trust.keys, known.trust.revocations):
                found = found._replace(trust=known.trust)  # what was verified under these keys stays verified
        self._accepted = found


AnyTrustSource = TrustSource | SignedTrustSource


def open_trust_source(
    settings: Settings,
    api: AwsApi,
    service: str,
    monotonic_s: Callable[[], float] = time.monotonic,
    earlier: CurrentTrust | None = None,
) -> AnyTrustSource:
    """Return the source for the settings ``signing_trust_bundle`` and ``trust_root_keys``.

    A bundle in the object store is read at its first use, so that a function starts even when the store is unreachable.

    Args:
        settings: of the function; it has both fields.
        api: signs the requests to the object store.
        service: the function's name in its logs.
        monotonic_s: a monotonic clock, in seconds.
        earlier: the source that this process has used so far. It is returned if it is for the same object and root
            keys, so that the process does not forget which versions it has read.

    Raises:
        SettingsError: one of the two is not valid.
    """
    roots = [dated.key for dated in settings.build("trust_root_keys", read_root_keys)]

    def source(bundle: str) -> AnyTrustSource:
        if not bundle.startswith("s3://"):
            return TrustSource(bundle)
        bucket, _, key = bundle.removeprefix("s3://").partition("/")
        if isinstance(earlier, SignedTrustSource) and earlier.is_about(bucket, key, roots):
            return earlier
        reader = S3ObjectReader(f"s3://{bucket}", api, _READ_TIMEOUT_S)
        return SignedTrustSource(reader, key, roots, service, lambda: datetime.now(UTC), monotonic_s)

    return settings.build("signing_trust_bundle", source)


def read_root_keys(setting: str) -> tuple[DatedKey, ...]:
    """Return the keys of the setting ``TRUST_ROOT_KEYS``, which may be empty."""
    return parse_public_keys(read_material(setting)) if setting else ()


def _refused(why: str) -> PlatformError:
    return PlatformError("trust_bundle_invalid", f"The trust bundle cannot be used: {why}.")
