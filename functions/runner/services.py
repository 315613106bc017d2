"""The runner's settings and clients, built once from its environment.

Modules that not every call needs (the database, the scheduler, the host application) are imported at their first use.
Imports at the top of the file would lengthen every cold start, and the first answer would wait for them.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from alga_ext.calls.signed_token import TokenKeys
from alga_ext.confinement.confine import make_undumpable
from alga_ext.database_url import parse_database_url
from alga_ext.settings import SecretStr, read_material
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.objects import ObjectReader
from alga_ext.stores.s3_reader import S3ObjectReader
from alga_ext.stores.signed_trust_source import open_trust_source
from alga_ext.stores.work_folders import claim_folder
from alga_ext.trust.dated_keys import DatedSigner, parse_public_keys, parse_signer
from alga_ext.trust.key_ages import PlatformKey
from alga_ext.trust.signing import LocalSigner
from alga_ext.trust.trust_source import CurrentTrust
from functions.runner.artifacts import ArtifactCache
from functions.runner.imports import secrets
from functions.runner.imports.broker import Provider
from functions.runner.imports.call_secrets import Unsealer
from functions.runner.imports.http import egress
from functions.runner.imports.http.resolver import limit_lookups
from functions.runner.limits import Maxima
from functions.runner.provenance import Engine
from functions.runner.sandbox.protocol.engine import TARGET, engine_config_hash, wasmtime_version
from functions.runner.sandbox.protocol.messages import Configure
from functions.runner.sandboxes.child_process import Child
from functions.runner.sandboxes.pool import Pool
from functions.runner.settings import RunnerSettings

if TYPE_CHECKING:
    from alga_ext.stores.database import Database
    from functions.runner.imports.application.client import Application

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Services:
    """The runner's settings and clients. They live as long as the process.

    Attributes:
        settings: the validated settings.
        pool: the sandboxes.
        trust: provides the current trust bundle.
        artifacts: verified programs.
        store: the object store, for reading only.
        database: returns PostgreSQL as role ``fn_runner``. It is created at its first use.
        providers: open the host imports that this process serves, by interface. Each is built at its first use.
        unsealer: opens sealed secrets. None when the operator has configured no key; no secret is stored in plaintext.
        maxima: the platform's limits.
        gateway_keys: verify execution and operator tokens.
        keys: the keys that this function signs with, and how old they may get.
        now_s: returns the time in epoch seconds.
        connections: closes the connections that were opened so far.
    """

    settings: RunnerSettings
    pool: Pool
    trust: CurrentTrust
    artifacts: ArtifactCache
    store: ObjectReader
    database: "Callable[[], Database]"
    providers: Mapping[str, Provider]
    unsealer: Unsealer | None
    maxima: Maxima
    gateway_keys: TokenKeys
    keys: tuple[PlatformKey, ...]
    now_s: Callable[[], float]
    connections: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def build(
        cls,
        environ: Mapping[str, str],
        first_child: Child | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        earlier: CurrentTrust | None = None,
    ) -> Self:
        """Build the services from environment variables, and configure the first sandbox if there is one.

        It also makes this process undumpable, limits its name lookups, and claims the artifact folder for it.

        Args:
            environ: the environment variables.
            first_child: a sandbox that has been started already.
            monotonic_s: a monotonic clock, in seconds.
            earlier: what has provided the trust bundle so far, when these services replace others.

        Raises:
            SettingsError: a variable is missing or not valid.
        """
        settings = RunnerSettings.read(environ)
        limit_lookups()
        api = AwsApi(environ)
        store = S3ObjectReader(settings.bundle_store_base, api)
        trust = open_trust_source(settings, api, "runner", monotonic_s, earlier)
        gateway_keys = settings.build("execution_token_public_key", _token_keys)
        settings.build("database_url", _check_certificates)
        connections = ExitStack()
        database = _database_of(settings, connections)
        call_key = settings.build("ui_proxy_signing_key", lambda key: parse_signer(read_material(key)) if key else None)
        providers = _providers(settings, database, call_key.signer if call_key else None)
        make_undumpable()
        folder = claim_folder(Path(settings.artifact_folder))
        configure = Configure(settings.sandbox_memory_mb * _MIB, [str(folder)])
        return cls(
            settings=settings,
            pool=Pool(configure, settings.sandboxes, first_child),
            trust=trust,
            artifacts=ArtifactCache(
                store=store,
                trust=trust.current,
                engine=engine(),
                folder=folder,
                budget_bytes=settings.artifact_budget_mb * _MIB,
                now=now,
                monotonic_s=monotonic_s,
            ),
            store=store,
            database=database,
            providers=providers,
            unsealer=_KmsUnsealer(settings.secrets_key_id, environ) if settings.secrets_key_id else None,
            maxima=Maxima(
                settings.default_timeout_ms,
                settings.max_timeout_ms,
                settings.default_memory_mb,
                settings.max_memory_mb,
                settings.max_fuel,
                settings.max_response_bytes,
            ),
            gateway_keys=gateway_keys,
            keys=(_call_token_key(call_key, settings.call_token_key_max_age_days),) if call_key else (),
            now_s=time.time,
            connections=connections,
        )

    def close(self) -> None:
        """End the sandboxes, delete the programs on disk, and close the connection to the database."""
        self.pool.close()
        self.artifacts.clear()
        self.connections.close()


def engine() -> Engine:
    """Return the engine that artifacts must be made for: version, hash of the settings, target."""
    return Engine(wasmtime_version(), engine_config_hash(), TARGET)


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def _token_keys(setting: str) -> TokenKeys:
    return TokenKeys([dated.key for dated in parse_public_keys(read_material(setting))])


def _check_certificates(database_url: str) -> None:
    """Raise ``OSError`` when the file of the database's certificates is not there; it is read at the first use."""
    if path := parse_database_url(database_url).certificates:
        Path(path).stat()


def _database_of(settings: RunnerSettings, connections: ExitStack) -> "Callable[[], Database]":
    @cache
    def database() -> "Database":
        from alga_ext.stores.database import Database

        made = Database(settings.database_url.get_secret_value())
        connections.callback(made.close)
        return made

    return database


def _call_token_key(key: DatedSigner, max_age_days: int) -> PlatformKey:
    return PlatformKey(
        "call_token", key.signer.key_id, "active", signs=True, created_at=key.created_at, max_age_days=max_age_days
    )


def _providers(
    settings: RunnerSettings, database: "Callable[[], Database]", call_signer: LocalSigner | None
) -> dict[str, Provider]:
    networks = settings.build("egress_private_networks", egress.parse_networks)
    settings.build("egress_ca_bundle", lambda path: path and Path(path).stat())

    @cache
    def storage() -> Provider:
        from functions.runner.imports.storage import storage

        return storage.provider(database())

    @cache
    def scheduling() -> Provider:
        from functions.runner.imports.scheduler import scheduler

        return scheduler.provider(database(), now)

    @cache
    def tls() -> ssl.SSLContext:
        # Certificates are verified against the system's certificate authorities, or those that the operator names.
        return ssl.create_default_context(cafile=settings.egress_ca_bundle or None)

    @cache
    def fetching() -> Provider:
        from functions.runner.imports.http import fetch
        from functions.runner.imports.http.resolver import addresses_of

        return fetch.provider(addresses_of, networks, tls)

    @cache
    def routes() -> Provider:
        from functions.runner.imports.application import ui_proxy

        return ui_proxy.provider(_application(settings.ui_proxy_base_url, settings.ui_proxy_auth_token, call_signer))

    @cache
    def records() -> Provider:
        from functions.runner.imports.application import records

        return records.provider(_application(settings.host_api_base_url, settings.host_api_auth_token, call_signer))

    return {
        "storage": lambda call: storage()(call),
        "storage-v2": lambda call: storage()(call),
        "secrets": secrets.open_for,
        "http": lambda call: fetching()(call),
        "ui-proxy": lambda call: routes()(call),
        "clients": lambda call: records()(call),
        "services": lambda call: records()(call),
        "invoicing": lambda call: records()(call),
        "scheduler": lambda call: scheduling()(call),
    }


def _application(base_url: str, token: SecretStr, signer: LocalSigner | None) -> "Application | None":
    """Return the host application, or None when the operator has configured none."""
    from functions.runner.imports.application.address import Address
    from functions.runner.imports.application.client import Application

    if not base_url or signer is None:
        return None
    return Application(Address.of(base_url), token.get_secret_value(), signer, time.time)


class _KmsUnsealer:
    """Opens sealed secrets with a KMS key. What that needs is loaded for the first secret."""

    def __init__(self, key_id: str, environ: Mapping[str, str]) -> None:
        self._key_id = key_id
        self._environ = environ
        self._sealer = cache(self._make_sealer)

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """See ``Unsealer.unseal``."""
        return self._sealer().unseal(sealed, context)

    def _make_sealer(self) -> Unsealer:
        from alga_ext.stores.aws_calls import KmsDataKeys
        from alga_ext.stores.sealing import Sealer

        return Sealer(KmsDataKeys(self._key_id, AwsApi(self._environ)))
