"""Settings of the registry's handlers; one class for each set of environment variables."""

from typing import Annotated

from pydantic import Field, SecretStr

from alga_ext.settings import Settings


class DatabaseSettings(Settings):
    """Where the record is kept; the URL holds the role's password."""

    database_url: SecretStr


class RegistrySettings(DatabaseSettings):
    """The HTTP API.

    Attributes:
        bundle_store_base: ``s3://bucket[/prefix]`` of bundles, components, artifacts and UI files.
        prepare_queue_url: queue that wakes the prepare function.
        signing_trust_bundle: path or content of the trust bundle (docs/reference/trust-bundle.md).
        auth_jwks: JSON Web Key Set, in place; or ``auth_jwks_url`` to fetch it from.
        auth_issuer: the ``iss`` a token must have.
        auth_audience: the ``aud`` a token must have.
        runner_public_base: public base URL of the UI host, without a slash at the end.
        extensions_enabled: false switches the data plane off.
        upload_expires_s: how long a staged upload may wait to be finalized.
        uninstall_grace_s: how long an uninstalled extension's storage is kept; a reinstall within it finds it again.
        release_signing_key: signs withdrawals; PEM, the path of one, or ``kms:key-id``.
        log_signing_key: signs heads of the transparency log; given as above.
        secrets_key_id: KMS key that wraps the data keys of tenants' secrets; without it no secret can be set.
    """

    bundle_store_base: str
    prepare_queue_url: str
    signing_trust_bundle: str
    auth_jwks: str = ""
    auth_jwks_url: str = ""
    auth_issuer: str
    auth_audience: str
    runner_public_base: str
    extensions_enabled: bool = True
    upload_expires_s: Annotated[int, Field(ge=60, le=86_400)] = 3_600
    uninstall_grace_s: Annotated[int, Field(ge=0)] = 7 * 86_400
    release_signing_key: SecretStr
    log_signing_key: SecretStr
    secrets_key_id: str = ""


class AssetsSettings(DatabaseSettings):
    """The assets handler: ``release_signing_key`` is a PEM private key, the path of one, or ``kms:key-id``."""

    bundle_store_base: str
    signing_trust_bundle: str
    release_signing_key: SecretStr


class SweeperSettings(DatabaseSettings):
    """The sweeper handler; meanings as in ``RegistrySettings``."""

    bundle_store_base: str
    prepare_queue_url: str
    log_signing_key: SecretStr
    uninstall_grace_s: Annotated[int, Field(ge=0)] = 7 * 86_400


class MigrateSettings(DatabaseSettings):
    """The migrate handler: an owning role's URL, and the passwords the login roles get (absent = left alone)."""

    fn_gateway_password: SecretStr | None = None
    fn_registry_password: SecretStr | None = None
    fn_runner_password: SecretStr | None = None
    migrations_dir: str = "migrations"
