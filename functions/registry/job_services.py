"""The clients of the registry's queue and schedule handlers, built once for each handler from its environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from alga_ext.stores.aws import CloudFrontDistribution, S3ObjectStore, signer_of
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from alga_ext.stores.signed_trust_source import AnyTrustSource, open_trust_source, read_root_keys
from alga_ext.trust.dated_keys import DatedKey
from alga_ext.trust.signing import Signer
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.settings import AssetsSettings, KeyMaxAges, SweeperSettings

_ALMOST_AN_HOUR: Final = timedelta(minutes=59)
"""A little less, so that a sweep each hour does not miss one by seconds."""


def _now() -> datetime:
    return datetime.now(UTC)


class Hourly:
    """Tells when something that is done once an hour is due: at first, and an hour after each time.

    It does not go by the minute of the clock, because a stage may sweep only once an hour, at any minute.
    """

    def __init__(self) -> None:
        self._last: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Return whether it is due, and take it as done then."""
        if self._last is not None and now - self._last < _ALMOST_AN_HOUR:
            return False
        self._last = now
        return True


@dataclass(frozen=True, slots=True)
class AssetsServices:
    """Clients of the assets function, which finishes publications. Attributes as in ``services.Services``."""

    database: Database
    objects: S3ObjectStore
    trust: AnyTrustSource
    release_signer: Signer
    evaluator: Evaluator
    withdrawn_list_lifetime: timedelta
    now: Callable[[], datetime] = _now

    @classmethod
    def build(cls, environ: Mapping[str, str]) -> Self:
        """Build the services from environment variables, or raise ``SettingsError``."""
        settings = AssetsSettings.read(environ)
        database = Database(settings.database_url.get_secret_value())
        return cls(
            database=database,
            objects=S3ObjectStore(settings.bundle_store_base),
            trust=open_trust_source(settings, AwsApi(environ), "registry-assets"),
            release_signer=settings.build("release_signing_key", signer_of),
            evaluator=Evaluator(lambda: database.in_transaction),
            withdrawn_list_lifetime=timedelta(seconds=settings.withdrawn_list_lifetime_s),
        )

    def close(self) -> None:
        """Close the connection to the database, and end the evaluation worker."""
        self.database.close()
        self.evaluator.close()


@dataclass(frozen=True, slots=True)
class SweeperServices:
    """Clients of the sweeper, which deletes expired data and finishes delayed work.

    Attributes as in ``services.Services``, and ``ui_distribution``: the content delivery network in front of the UI
    host, or None without CloudFront. ``key_reports`` tells when the ages of keys are to be reported again.
    """

    database: Database
    objects: S3ObjectStore
    prepare_queue: SqsQueue
    trust: AnyTrustSource
    roots: tuple[DatedKey, ...]
    key_max_ages: KeyMaxAges
    release_signer: Signer
    log_signer: Signer
    withdrawn_list_lifetime: timedelta
    uninstall_grace: timedelta
    execution_retention: timedelta
    log_retention: timedelta
    egress_retention: timedelta
    ui_distribution: CloudFrontDistribution | None
    now: Callable[[], datetime] = _now
    key_reports: Hourly = field(default_factory=Hourly)

    @classmethod
    def build(cls, environ: Mapping[str, str]) -> Self:
        """Build the services from environment variables, or raise ``SettingsError``."""
        settings = SweeperSettings.read(environ)
        api = AwsApi(environ)
        return cls(
            database=Database(settings.database_url.get_secret_value()),
            objects=S3ObjectStore(settings.bundle_store_base),
            prepare_queue=SqsQueue(settings.prepare_queue_url, api),
            trust=open_trust_source(settings, api, "registry-sweeper"),
            roots=settings.build("trust_root_keys", read_root_keys),
            key_max_ages=KeyMaxAges.of(settings),
            release_signer=settings.build("release_signing_key", signer_of),
            log_signer=settings.build("log_signing_key", signer_of),
            withdrawn_list_lifetime=timedelta(seconds=settings.withdrawn_list_lifetime_s),
            uninstall_grace=timedelta(seconds=settings.uninstall_grace_s),
            execution_retention=timedelta(days=settings.execution_retention_days),
            log_retention=timedelta(days=settings.call_log_retention_days),
            egress_retention=timedelta(days=settings.egress_retention_days),
            ui_distribution=CloudFrontDistribution(settings.ui_distribution_id)
            if settings.ui_distribution_id
            else None,
        )

    def close(self) -> None:
        """Close the connection to the database."""
        self.database.close()
