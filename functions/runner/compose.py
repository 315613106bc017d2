"""The runner's composition root: the one place that reads its environment and builds its clients.

What not every call needs (the database, the scheduler, the host application, everything of prepare) is imported where
it is built: each import is paid at a cold start, and the first answer waits for it.
"""

import os
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alga_ext.settings import read_material
from alga_ext.stores.s3_reader import S3ObjectReader
from alga_ext.stores.work_folders import claim_folder
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer
from alga_ext.trust.trust_source import TrustSource
from functions.runner.artifacts import ArtifactCache
from functions.runner.door import Door
from functions.runner.execute import Runner
from functions.runner.imports import secrets
from functions.runner.imports.broker import Provider
from functions.runner.imports.call_secrets import Unsealer
from functions.runner.imports.http import egress
from functions.runner.limits import Maxima
from functions.runner.provenance import Engine
from functions.runner.sandbox.confinement.confine import make_undumpable
from functions.runner.sandbox.protocol.engine import TARGET, engine_config_hash, wasmtime_version
from functions.runner.sandbox.protocol.wire import Configure
from functions.runner.sandboxes.child_process import Child
from functions.runner.sandboxes.pool import Pool
from functions.runner.settings import PrepareSettings, RunnerSettings

if TYPE_CHECKING:
    from alga_ext.stores.database import Database
    from functions.runner.preparing.preparation import Prepare

_MIB = 1024 * 1024


@cache
def settings() -> RunnerSettings:
    """The runner's settings."""
    return RunnerSettings.read(os.environ)


@cache
def prepare_settings() -> PrepareSettings:
    """The settings of prepare."""
    return PrepareSettings.read(os.environ)


@cache
def engine() -> Engine:
    """The engine that artifacts are made for."""
    return Engine(wasmtime_version(), engine_config_hash(), TARGET)


@cache
def store() -> S3ObjectReader:
    """The runner's object store; it reads only."""
    return S3ObjectReader(settings().bundle_store_base, os.environ)


@cache
def database() -> "Database":
    """The runner's database."""
    from alga_ext.stores.database import Database

    return Database(settings().database_url.get_secret_value())


def door(first_child: Child | None = None) -> Door:
    """Build the runner and its door.

    Args:
        first_child: a sandbox that is starting already.
    """
    serving = runner(first_child)

    def check_health() -> tuple[int, dict[str, Any]]:
        from functions.runner import health

        return health.report(serving.pool, serving.artifacts, store(), database())

    return Door(serving, check_health, switched_on=settings().extensions_enabled)


def runner(first_child: Child | None) -> Runner:
    """Build the runner; see ``door``."""
    given = settings()
    make_undumpable()
    folder = claim_folder(Path(given.artifact_folder))
    configure = Configure(given.sandbox_data_bytes, given.component_budget_mb * _MIB, [str(folder)])
    return Runner(
        pool=Pool(configure, first_child),
        artifacts=ArtifactCache(
            store=store(),
            trust=TrustSource(given.signing_trust_bundle).current,
            engine=engine(),
            folder=folder,
            budget_bytes=given.artifact_budget_mb * _MIB,
            now=now,
            monotonic_s=time.monotonic,
        ),
        providers=providers(),
        unsealer=unsealer(),
        maxima=Maxima(
            given.default_timeout_ms,
            given.max_timeout_ms,
            given.default_memory_mb,
            given.max_memory_mb,
            given.max_fuel,
            given.max_response_bytes,
        ),
        gateway_key=PublicKey.from_pem(read_material(given.execution_token_public_key)),
    )


def providers() -> dict[str, Provider]:
    """Return who serves the host imports, by interface; each is built at its first use."""
    egress.parse_networks(settings().egress_private_networks)  # a fault shows when the process starts
    return {
        "storage": lambda call: storage()(call),
        "storage-v2": lambda call: storage()(call),
        "secrets": secrets.open_for,
        "http": lambda call: fetching()(call),
        "ui-proxy": lambda call: host_application()(call),
        "scheduler": lambda call: scheduling()(call),
    }


@cache
def storage() -> Provider:
    """Serves ``storage`` and ``storage-v2``."""
    from functions.runner.imports.storage import storage

    return storage.provider(database())


@cache
def scheduling() -> Provider:
    """Serves ``scheduler``."""
    from functions.runner.imports.scheduler import scheduler

    return scheduler.provider(database(), now)


@cache
def fetching() -> Provider:
    """Serves ``http``."""
    from functions.runner.imports.http import fetch
    from functions.runner.imports.http.resolver import addresses_of

    return fetch.provider(addresses_of, egress.parse_networks(settings().egress_private_networks), tls)


@cache
def host_application() -> Provider:
    """Serves ``ui-proxy``."""
    from functions.runner.imports import ui_proxy

    key = settings().ui_proxy_signing_key.get_secret_value()
    signer = LocalSigner.from_pem(read_material(key)) if key else None
    return ui_proxy.provider(settings().ui_proxy_base_url, signer, time.time)


class _KmsUnsealer:
    """Opens sealed secrets; its client is made at the first secret."""

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """See ``Unsealer.unseal``."""
        return sealer(self._key_id).unseal(sealed, context)


def unsealer() -> Unsealer | None:
    """Return what opens sealed secrets; without a key none can be opened, and none is ever kept in plain."""
    key_id = settings().secrets_key_id
    return _KmsUnsealer(key_id) if key_id else None


@cache
def sealer(key_id: str) -> Unsealer:
    """The envelope encryption of tenants' secrets."""
    from alga_ext.stores.aws import KmsDataKeys
    from alga_ext.stores.sealing import Sealer

    return Sealer(KmsDataKeys(key_id))


@cache
def tls() -> ssl.SSLContext:
    """The TLS context of egress: certificates are checked against the system's, or the operator's, authorities."""
    return ssl.create_default_context(cafile=settings().egress_ca_bundle or None)


@cache
def prepare() -> "Prepare":
    """Build prepare."""
    from alga_ext.stores.aws import S3ObjectStore, SqsQueue
    from functions.runner.preparing.compile_worker import Compiler
    from functions.runner.preparing.preparation import Prepare

    given = prepare_settings()
    make_undumpable()
    return Prepare(
        store=S3ObjectStore(given.bundle_store_base),
        queue=SqsQueue(given.prepared_queue_url),
        trust=TrustSource(given.signing_trust_bundle).current,
        signer=_signer(given.artifact_signing_key.get_secret_value()),
        engine=engine(),
        compiler=Compiler(given.compile_timeout_s, given.compile_memory_mb * _MIB),
        max_component_bytes=given.max_component_mb * _MIB,
        now=now,
    )


def now() -> datetime:
    """The present instant, UTC."""
    return datetime.now(UTC)


def _signer(setting: str) -> Signer:
    """Return the signer that ``kms:key-id``, a PEM or the path of one names."""
    if setting.startswith("kms:"):
        from alga_ext.stores.aws import KmsSigner

        return KmsSigner(setting.removeprefix("kms:"))
    return LocalSigner.from_pem(read_material(setting))
