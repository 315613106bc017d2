"""The runner's composition root: the one place that reads its environment and builds its clients."""

import os
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from alga_ext.aws import S3ObjectStore, SqsQueue
from alga_ext.database import Database
from alga_ext.settings import read_material
from alga_ext.signing import LocalSigner, PublicKey
from functions.runner import health
from functions.runner.artifacts import ArtifactCache
from functions.runner.door import Door
from functions.runner.execute import Runner
from functions.runner.host.storage import Storage
from functions.runner.limits import Maxima
from functions.runner.pool import Pool
from functions.runner.precompile import Compiler
from functions.runner.prepare_flow import Prepare
from functions.runner.provenance import Engine
from functions.runner.sandbox.confine import make_undumpable
from functions.runner.sandbox.engine import TARGET, engine_config_hash, wasmtime_version
from functions.runner.sandbox.process import Child
from functions.runner.sandbox.wire import Configure
from functions.runner.settings import PrepareSettings, RunnerSettings
from functions.runner.trust_source import TrustSource

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
def store() -> S3ObjectStore:
    """The runner's object store."""
    return S3ObjectStore(settings().bundle_store_base)


@cache
def database() -> Database:
    """The runner's database."""
    return Database(settings().database_url.get_secret_value())


def door(first_child: Child | None = None) -> Door:
    """Build the runner and its door.

    Args:
        first_child: a sandbox that is starting already.
    """
    serving = runner(first_child)
    return Door(
        serving,
        lambda: health.report(serving.pool, store(), database()),
        switched_on=settings().extensions_enabled,
    )


def runner(first_child: Child | None) -> Runner:
    """Build the runner; see ``door``."""
    given = settings()
    make_undumpable()
    folder = Path(given.artifact_folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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
        handlers=Storage(database()).handlers(),
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


@cache
def prepare() -> Prepare:
    """Build prepare."""
    given = prepare_settings()
    make_undumpable()
    return Prepare(
        store=S3ObjectStore(given.bundle_store_base),
        queue=SqsQueue(given.prepared_queue_url),
        trust=TrustSource(given.signing_trust_bundle).current,
        signer=LocalSigner.from_pem(read_material(given.artifact_signing_key.get_secret_value())),
        engine=engine(),
        compiler=Compiler(given.compile_timeout_s, given.compile_memory_mb * _MIB),
        max_component_bytes=given.max_component_mb * _MIB,
        now=now,
    )


def now() -> datetime:
    """The present instant, UTC."""
    return datetime.now(UTC)
