"""The settings and clients of the registry's HTTP API, built once from its environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Self

from alga_ext.calls.limits import Limits, parse_defaults
from alga_ext.edge.tokens import TokenVerifier
from alga_ext.errors import PlatformError
from alga_ext.stores.aws import S3ObjectStore, signer_of
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import KmsDataKeys, SqsQueue
from alga_ext.stores.database import Database
from alga_ext.stores.sealing import Sealer
from alga_ext.stores.signed_trust_source import AnyTrustSource, open_trust_source, read_root_keys
from alga_ext.trust.dated_keys import DatedKey
from alga_ext.trust.signing import Signer
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.settings import KeyMaxAges, RegistrySettings


@dataclass(frozen=True, slots=True)
class Services:
    """Settings and clients of the registry's HTTP API; they live as long as the process.

    Attributes:
        settings: the validated environment.
        database: PostgreSQL as ``fn_registry``.
        objects: the object store of bundles.
        prepare_queue: wakes the prepare function.
        deliveries_queue: tells the dispatcher which deliveries have a slot.
        events_queue: wakes the fan-out of events.
        trust: reads the trust bundle: platform keys, and publishers' keys that the operator pins.
        roots: the root keys that may sign the trust bundle.
        key_max_ages: how old the platform's keys may get.
        release_signer: signs the list of withdrawn versions.
        log_signer: signs heads of the transparency log.
        tokens: verifies callers' bearer tokens.
        default_limits: of tenants and installs for which nothing else is set.
        data_keys: wraps the data keys of tenants' secrets; None when the operator has configured no key.
        evaluator: evaluates publishers' schemas, in a process of its own.
        now: returns the present instant, in UTC.
        monotonic_s: a monotonic clock, in seconds.
    """

    settings: RegistrySettings
    database: Database
    objects: S3ObjectStore
    prepare_queue: SqsQueue
    deliveries_queue: SqsQueue
    events_queue: SqsQueue
    trust: AnyTrustSource
    roots: tuple[DatedKey, ...]
    key_max_ages: KeyMaxAges
    release_signer: Signer
    log_signer: Signer
    tokens: TokenVerifier
    default_limits: Limits
    data_keys: KmsDataKeys | None
    evaluator: Evaluator
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]

    @classmethod
    def build(cls, environ: Mapping[str, str]) -> Self:
        """Build the services from environment variables. No connection is opened yet.

        Raises:
            SettingsError: a variable is missing or not valid.
        """
        settings = RegistrySettings.read(environ)
        database = Database(settings.database_url.get_secret_value())
        api = AwsApi(environ)
        return cls(
            settings=settings,
            database=database,
            objects=S3ObjectStore(settings.bundle_store_base),
            prepare_queue=SqsQueue(settings.prepare_queue_url, api),
            deliveries_queue=SqsQueue(settings.deliveries_queue_url, api),
            events_queue=SqsQueue(settings.events_queue_url, api),
            trust=open_trust_source(settings, api, "registry"),
            roots=settings.build("trust_root_keys", read_root_keys),
            key_max_ages=KeyMaxAges.of(settings),
            release_signer=settings.build("release_signing_key", signer_of),
            log_signer=settings.build("log_signing_key", signer_of),
            tokens=TokenVerifier.of(settings),
            default_limits=settings.build("default_limits", parse_defaults),
            data_keys=KmsDataKeys(settings.secrets_key_id, api) if settings.secrets_key_id else None,
            evaluator=Evaluator(lambda: database.in_transaction),
            now=lambda: datetime.now(UTC),
            monotonic_s=monotonic,
        )

    @property
    def not_offered(self) -> dict[str, str]:
        """The capabilities that this platform can grant but does not serve, each with what it does not offer."""
        missing: dict[str, str] = {}
        if not self.settings.ui_proxy_base_url:
            missing["cap:ui.proxy"] = "routes of a host application"
        if not self.settings.host_api_base_url:
            missing["cap:client.read"] = "client service"
            missing["cap:service.read"] = "catalogue of services"
            missing["cap:invoice.manual.create"] = "invoice service"
        return missing

    @property
    def uninstall_grace(self) -> timedelta:
        """For how long the storage of an uninstalled extension is kept."""
        return timedelta(seconds=self.settings.uninstall_grace_s)

    @property
    def withdrawn_list_lifetime(self) -> timedelta:
        """How long a list of withdrawn versions may be used."""
        return timedelta(seconds=self.settings.withdrawn_list_lifetime_s)

    def require_data_keys(self) -> KmsDataKeys:
        """Return the key service of tenants' secrets.

        Raises:
            PlatformError: ``secret_unavailable`` when no key is configured. Secrets are never stored as plain text.
        """
        if self.data_keys is None:
            raise PlatformError(
                "secret_unavailable",
                "Secrets cannot be set here because no key is configured. The operator can set SECRETS_KEY_ID.",
            )
        return self.data_keys

    def sealer(self) -> Sealer:
        """Return the sealer of tenants' secrets; raises the error of ``require_data_keys``."""
        return Sealer(self.require_data_keys())
