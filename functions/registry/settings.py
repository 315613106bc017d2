"""Settings of the registry's handlers: one class for each set of environment variables."""

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple, Self

from alga_ext.calls.limits_setting import DefaultLimits
from alga_ext.edge.token_settings import TokenSettings
from alga_ext.settings import (
    Check,
    DatabaseUrl,
    Form,
    HttpUrl,
    KeyAge,
    KmsKeyIds,
    QueueUrl,
    Range,
    RootKeys,
    SecretStr,
    Settings,
    SigningKey,
    StoreBase,
    TrustBundleSetting,
    trust_faults,
)
from alga_ext.trust.list_lifetime import LifetimeSetting


def _check_distribution(text: str) -> None:
    if not re.fullmatch(r"[A-Z0-9]{8,32}", text):
        message = "it is not the id of a distribution"
        raise ValueError(message)


class KeyMaxAges(NamedTuple):
    """How many days old a key may get while the platform signs with it, by the use of the key."""

    root: int
    release: int
    artifact: int
    log: int

    @classmethod
    def of(cls, settings: "RegistrySettings | SweeperSettings") -> Self:
        """Return the ages that a function's settings have."""
        return cls(
            settings.root_key_max_age_days,
            settings.release_key_max_age_days,
            settings.artifact_key_max_age_days,
            settings.log_key_max_age_days,
        )


class RegistrySettings(TokenSettings, frozen=True, kw_only=True):
    """Settings of the HTTP API, in addition to those of ``TokenSettings``.

    Attributes:
        database_url: PostgreSQL as ``fn_registry``.
        bundle_store_base: ``s3://bucket[/prefix]`` of bundles, components, artifacts and UI files.
        prepare_queue_url: queue that wakes the prepare function.
        deliveries_queue_url: queue that tells the dispatcher which deliveries to try.
        events_queue_url: queue that wakes the fan-out of events.
        signing_trust_bundle: content, path or ``s3://bucket/key`` of the trust bundle (docs/reference/trust-bundle.md).
        trust_root_keys: public keys in PEM, of which one must have signed a trust bundle in the object store.
        runner_public_base: public base URL of the UI host, without a slash at the end.
        extensions_enabled: when false, publishing and installing are refused. Reads, and requests that stop something,
            are still answered.
        upload_expires_s: for how many seconds a started upload may be finalized.
        max_versions_per_publisher: how many versions the extensions of a publisher may have together, in any state.
        uninstall_grace_s: for how many seconds the storage of an uninstalled extension is kept. An extension that is
            installed again within this time gets its storage back.
        release_signing_key: signs the list of withdrawn versions: PEM text, the path of a PEM file, or ``kms:key-id``.
        log_signing_key: signs heads of the transparency log; same forms as above.
        withdrawn_list_lifetime_s: for how many seconds the UI host may use a list of withdrawn versions.
        secrets_key_id: KMS keys that wrap the data keys of tenants' secrets, separated by commas. The first wraps new
            ones. Without a key no secret can be set.
        ui_proxy_base_url, host_api_base_url: the runner's settings of the same names. The registry calls neither. When
            one is missing, it warns that the platform does not offer what an extension asks for.
        default_limits: JSON of the limits of tenants and installs for which nothing else is set
            (docs/reference/limits.md). Gateway, registry and recorder need the same value.
        root_key_max_age_days, release_key_max_age_days, artifact_key_max_age_days, log_key_max_age_days: how old a key
            may get before it is reported. It still works.
    """

    section = "Registry"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    prepare_queue_url: QueueUrl
    deliveries_queue_url: QueueUrl
    events_queue_url: QueueUrl
    signing_trust_bundle: TrustBundleSetting
    trust_root_keys: RootKeys = ""
    runner_public_base: HttpUrl
    extensions_enabled: bool = True
    upload_expires_s: Annotated[int, Range(60, 86_400)] = 3_600
    max_versions_per_publisher: Annotated[int, Range(1)] = 10_000
    uninstall_grace_s: Annotated[int, Range(0)] = 7 * 86_400
    release_signing_key: SigningKey
    log_signing_key: SigningKey
    withdrawn_list_lifetime_s: LifetimeSetting = 3_600
    secrets_key_id: KmsKeyIds = ""
    ui_proxy_base_url: HttpUrl = ""
    host_api_base_url: HttpUrl = ""
    default_limits: DefaultLimits = "{}"
    root_key_max_age_days: KeyAge = 1_095
    release_key_max_age_days: KeyAge = 365
    artifact_key_max_age_days: KeyAge = 365
    log_key_max_age_days: KeyAge = 365

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: a trust bundle in the object store needs root keys."""
        return [*super().faults_together(given), *trust_faults(given)]


class AssetsSettings(Settings, frozen=True, kw_only=True):
    """Settings of the assets function. Attributes as in ``RegistrySettings``.

    Here ``release_signing_key`` signs release records too.
    """

    section = "Assets"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    signing_trust_bundle: TrustBundleSetting
    trust_root_keys: RootKeys = ""
    release_signing_key: SigningKey
    withdrawn_list_lifetime_s: LifetimeSetting = 3_600

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: a trust bundle in the object store needs root keys."""
        return [*super().faults_together(given), *trust_faults(given)]


class SweeperSettings(Settings, frozen=True, kw_only=True):
    """Settings of the sweeper, in addition to those of ``RegistrySettings`` that it has too.

    Attributes:
        execution_retention_days: for how many days records of calls are kept. A message may come 14 days late, so the
            least is 15. Totals are kept longer.
        ui_distribution_id: CloudFront distribution in front of the UI host, whose caches forget withdrawn pages. Empty
            on a platform without CloudFront.
        call_log_retention_days: for how many days the log lines of calls are kept. A message may be so late that the
            least is 14.
        egress_retention_days: for how many days the egress ledger is kept. It has no paths and no callers, so it may
            outlive the records of calls.
    """

    section = "Sweeper"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    prepare_queue_url: QueueUrl
    signing_trust_bundle: TrustBundleSetting
    trust_root_keys: RootKeys = ""
    release_signing_key: SigningKey
    log_signing_key: SigningKey
    withdrawn_list_lifetime_s: LifetimeSetting = 3_600
    uninstall_grace_s: Annotated[int, Range(0)] = 7 * 86_400
    execution_retention_days: Annotated[int, Range(15, 3_650)] = 90
    ui_distribution_id: Annotated[str, Check(_check_distribution), Form("the id of a CloudFront distribution")] = ""
    call_log_retention_days: Annotated[int, Range(14, 3_650)] = 14
    egress_retention_days: Annotated[int, Range(15, 3_650)] = 400
    root_key_max_age_days: KeyAge = 1_095
    release_key_max_age_days: KeyAge = 365
    artifact_key_max_age_days: KeyAge = 365
    log_key_max_age_days: KeyAge = 365

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: a trust bundle in the object store needs root keys."""
        return [*super().faults_together(given), *trust_faults(given)]


class RecorderSettings(Settings, frozen=True, kw_only=True):
    """Settings of the recorder. Attributes as in ``RegistrySettings``."""

    section = "Recorder"

    database_url: DatabaseUrl
    default_limits: DefaultLimits = "{}"


class TickerSettings(Settings, frozen=True, kw_only=True):
    """Settings of the ticker. Attributes as in ``RegistrySettings``."""

    section = "Ticker"

    database_url: DatabaseUrl
    events_queue_url: QueueUrl
    deliveries_queue_url: QueueUrl


class FanoutSettings(Settings, frozen=True, kw_only=True):
    """Settings of the fan-out.

    Attributes:
        database_url: PostgreSQL as ``fn_registry``.
        deliveries_queue_url: queue that wakes the dispatcher.
    """

    section = "Fanout"

    database_url: DatabaseUrl
    deliveries_queue_url: QueueUrl


class MigrateSettings(Settings, frozen=True, kw_only=True):
    """Settings of the migrate function.

    Attributes:
        database_url: PostgreSQL as the role that owns the schema.
        database_password: the password of that role, when ``database_url`` contains none.
        fn_gateway_password, fn_registry_password, fn_runner_password: the passwords to set for the login roles. A role
            without a value here keeps its password.
        migrations_dir: folder of the migration files.
    """

    section = "Migrate"

    database_url: DatabaseUrl
    database_password: SecretStr = SecretStr("")
    fn_gateway_password: SecretStr = SecretStr("")
    fn_registry_password: SecretStr = SecretStr("")
    fn_runner_password: SecretStr = SecretStr("")
    migrations_dir: str = "migrations"
