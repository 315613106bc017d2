"""The registry's composition root: the one place that reads its environment and builds its clients."""

import os
from datetime import UTC, datetime
from functools import cache

from alga_ext.aws import S3ObjectStore, SqsQueue
from alga_ext.database import Database
from alga_ext.settings import read_material
from alga_ext.signing import LocalSigner, Signer
from alga_ext.tokens import TokenVerifier
from alga_ext.trust import TrustBundle, parse_trust_bundle
from functions.registry.settings import AssetsSettings, DatabaseSettings, RegistrySettings


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
    return SqsQueue(settings().prepare_queue_url)


@cache
def trust() -> TrustBundle:
    """The trust bundle: platform keys, and publishers' keys that the operator pins."""
    return parse_trust_bundle(read_material(os.environ["SIGNING_TRUST_BUNDLE"]))


@cache
def release_signer() -> Signer:
    """The key that signs release records."""
    return LocalSigner.from_pem(read_material(assets_settings().release_signing_key.get_secret_value()))


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
