"""Settings of the registry's handlers; one class for each set of environment variables."""

from typing import Annotated

from pydantic import Field, SecretStr

from alga_ext.edge.tokens import TokenSettings
from alga_ext.settings import DatabaseUrl, HttpUrl, QueueUrl, Settings, SigningKey, StoreBase, TrustBundleSetting


class RegistrySettings(TokenSettings):
    """The HTTP API; those of ``TokenSettings`` too.

    Attributes:
        database_url: PostgreSQL as ``fn_registry``.
        bundle_store_base: ``s3://bucket[/prefix]`` of bundles, components, artifacts and UI files.
        prepare_queue_url: queue that wakes the prepare function.
        signing_trust_bundle: path or content of the trust bundle (docs/reference/trust-bundle.md).
        runner_public_base: public base URL of the UI host, without a slash at the end.
        extensions_enabled: false refuses publishing and installing; reads and what stops something go on.
        upload_expires_s: how long a staged upload may wait to be finalized.
        uninstall_grace_s: how long an uninstalled extension's storage is kept; a reinstall within it finds it again.
        release_signing_key: signs withdrawals; PEM, the path of one, or ``kms:key-id``.
        log_signing_key: signs heads of the transparency log; given as above.
        secrets_key_id: KMS key that wraps the data keys of tenants' secrets; without it no secret can be set.
    """

    section = "Registry"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    prepare_queue_url: QueueUrl
    signing_trust_bundle: TrustBundleSetting
    runner_public_base: HttpUrl
    extensions_enabled: bool = True
    upload_expires_s: Annotated[int, Field(ge=60, le=86_400)] = 3_600
    uninstall_grace_s: Annotated[int, Field(ge=0)] = 7 * 86_400
    release_signing_key: SigningKey
    log_signing_key: SigningKey
    secrets_key_id: str = ""


class AssetsSettings(Settings):
    """The assets function; meanings as in ``RegistrySettings``."""

    section = "Assets"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    signing_trust_bundle: TrustBundleSetting
    release_signing_key: SigningKey


class SweeperSettings(Settings):
    """The sweeper; meanings as in ``RegistrySettings``."""

    section = "Sweeper"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    prepare_queue_url: QueueUrl
    log_signing_key: SigningKey
    uninstall_grace_s: Annotated[int, Field(ge=0)] = 7 * 86_400


class RecorderSettings(Settings):
    """The recorder; meanings as in ``RegistrySettings``."""

    section = "Recorder"

    database_url: DatabaseUrl


class MigrateSettings(Settings):
    """The migrate function.

    Attributes:
        database_url: PostgreSQL as the role that owns the schema.
        fn_gateway_password, fn_registry_password, fn_runner_password: what the login roles get; absent leaves them.
        migrations_dir: folder of the migration files.
    """

    section = "Migrate"

    database_url: DatabaseUrl
    fn_gateway_password: SecretStr | None = None
    fn_registry_password: SecretStr | None = None
    fn_runner_password: SecretStr | None = None
    migrations_dir: str = "migrations"
