"""The UI host's settings and clients, built once from its environment."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from urllib.parse import urlsplit

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.objects import ObjectReader
from alga_ext.stores.s3_reader import S3ObjectReader
from alga_ext.stores.signed_trust_source import AnyTrustSource, open_trust_source
from functions.uihost.bundles import UiBundles
from functions.uihost.settings import UiHostSettings
from functions.uihost.withdrawn import WithdrawnBundles

_HOST_AND_PORT: Final = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")


@dataclass(frozen=True, slots=True)
class Services:
    """The UI host's settings and clients; they live as long as the process.

    Attributes:
        settings: the validated environment.
        objects: the store that holds release records and UI files.
        trust: reads the trust bundle.
        withdrawn: tells which bundles are withdrawn.
        bundles: reads published UIs.
        own_origin: the UI host's origin as browsers see it, such as ``https://ui.example.com``; None if each request
            tells it (``UiHost.own_origin``).
        monotonic_s: a monotonic clock, in seconds.
    """

    settings: UiHostSettings
    objects: ObjectReader
    trust: AnyTrustSource
    withdrawn: WithdrawnBundles
    bundles: UiBundles
    own_origin: str | None
    monotonic_s: Callable[[], float]

    @classmethod
    def build(cls, environ: Mapping[str, str], monotonic_s: Callable[[], float] = time.monotonic) -> Self:
        """Build the services from environment variables.

        Raises:
            SettingsError: a variable is missing or not valid.
        """
        settings = UiHostSettings.read(environ)
        api = AwsApi(environ)
        objects = S3ObjectReader(settings.bundle_store_base, api)
        trust = open_trust_source(settings, api, "uihost", monotonic_s)
        lifetime = timedelta(seconds=settings.withdrawn_list_lifetime_s)
        withdrawn = WithdrawnBundles(objects, trust.current, lifetime, _now, monotonic_s)
        bundles = UiBundles(objects, withdrawn, trust.current, settings.ui_cache_bytes, _now, monotonic_s)
        own_origin = settings.build("runner_public_base", origin_of) if settings.runner_public_base else None
        return cls(settings, objects, trust, withdrawn, bundles, own_origin, monotonic_s)


def origin_of(url: str) -> str:
    """Return the origin of an http or https URL, as a source of a Content-Security-Policy.

    Raises:
        ValueError: the host has a character that would end the source, such as ``;``, or the URL has user information.
    """
    parts = urlsplit(url)
    if not _HOST_AND_PORT.match(parts.netloc):
        message = "the URL has no plain host"
        raise ValueError(message)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _now() -> datetime:
    return datetime.now(UTC)
