"""The registry's composition root: the one place that reads its environment and builds its clients."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache

from alga_ext.edge.tokens import TokenVerifier
from alga_ext.errors import PlatformError
from alga_ext.settings import read_material
from alga_ext.stores.aws import KmsDataKeys, KmsSigner, S3ObjectStore, SqsQueue
from alga_ext.stores.database import Database
from alga_ext.stores.sealing import Sealer
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import LocalSigner, Signer
from alga_ext.trust.trust_source import TrustSource
from functions.registry.settings import AssetsSettings, DatabaseSettings, RegistrySettings, SweeperSettings


@cache
def settings() -> RegistrySettings:
    """Settings of the HTTP API."""
    return RegistrySettings.read(os.environ)


@cache
def assets_settings() -> AssetsSettings:
    """Settings of the assets handler."""
    return AssetsSettings.read(os.environ)


@cache
def database() -> Database:
    """The database, as ``fn_registry``; lives as long as the process."""
    return Database(DatabaseSettings.read(os.environ).database_url.get_secret_value())


@cache
def objects() -> S3ObjectStore:
    """The object store of bundles."""
    return S3ObjectStore(os.environ["BUNDLE_STORE_BASE"])


@cache
def prepare_queue() -> SqsQueue:
    """The queue that wakes the prepare function."""
    return SqsQueue(os.environ["PREPARE_QUEUE_URL"])


@cache
def uninstall_grace() -> timedelta:
    """How long an uninstalled extension's storage is kept."""
    return timedelta(seconds=_sweeper_settings().uninstall_grace_s)


@cache
def trust_source() -> TrustSource:
    """Where the trust bundle is read from."""
    return TrustSource(os.environ["SIGNING_TRUST_BUNDLE"])


def trust() -> TrustBundle:
    """The trust bundle as it is now: platform keys, and publishers' keys that the operator pins."""
    return trust_source().current()


@cache
def release_signer() -> Signer:
    """The key that signs release records and withdrawals."""
    return _signer(os.environ["RELEASE_SIGNING_KEY"])


@cache
def log_signer() -> Signer:
    """The key that signs heads of the transparency log."""
    return _signer(_sweeper_settings().log_signing_key.get_secret_value())


@cache
def sealer() -> Sealer:
    """Seals tenants' secrets.

    Raises:
        PlatformError: ``secret_unavailable`` when no key is configured; there is no plain-text fallback.
    """
    key_id = settings().secrets_key_id
    if not key_id:
        raise PlatformError("secret_unavailable", "Secrets cannot be set here: the operator has configured no key.")
    return Sealer(KmsDataKeys(key_id))


@cache
def token_verifier() -> TokenVerifier:
    """Verifies callers' bearer tokens."""
    given = settings()
    return TokenVerifier(
        jwks=given.auth_jwks,
        jwks_url=given.auth_jwks_url,
        issuer=given.auth_issuer,
        audience=given.auth_audience,
    )


def now() -> datetime:
    """The present instant, UTC."""
    return datetime.now(UTC)


def _sweeper_settings() -> SweeperSettings:
    """The sweeper's settings, all of which the HTTP API has too."""
    return SweeperSettings.read(os.environ)


def _signer(setting: str) -> Signer:
    if setting.startswith("kms:"):
        return KmsSigner(setting.removeprefix("kms:"))
    return LocalSigner.from_pem(read_material(setting))
