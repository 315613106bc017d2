"""The UI host's composition root: the one place that reads its environment and builds its clients."""

import os
import time
from datetime import UTC, datetime
from functools import cache

from alga_ext.stores.aws import S3ObjectStore
from alga_ext.trust.trust_source import TrustSource
from functions.uihost.bundles import UiBundles
from functions.uihost.settings import UiHostSettings


@cache
def settings() -> UiHostSettings:
    """The UI host's settings."""
    return UiHostSettings.read(os.environ)


@cache
def bundles() -> UiBundles:
    """Published UIs, for the life of the process."""
    given = settings()
    trust = TrustSource(given.signing_trust_bundle).current
    objects = S3ObjectStore(given.bundle_store_base)
    return UiBundles(objects, trust, given.ui_cache_bytes, lambda: datetime.now(UTC), time.monotonic)
