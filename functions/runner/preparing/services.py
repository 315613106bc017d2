"""Build prepare with its settings and clients, once, from its environment."""

from collections.abc import Mapping
from typing import Final

from alga_ext.confinement.confine import make_undumpable
from alga_ext.stores.aws import S3ObjectStore, signer_of
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.signed_trust_source import open_trust_source
from functions.runner.preparing.compile_worker import Compiler
from functions.runner.preparing.preparation import Prepare
from functions.runner.services import engine, now
from functions.runner.settings import PrepareSettings

_MIB: Final = 1024 * 1024


def build_prepare(environ: Mapping[str, str]) -> Prepare:
    """Build the ``Prepare`` service from environment variables, and make this process undumpable.

    Raises:
        SettingsError: a variable is missing or not valid.
    """
    settings = PrepareSettings.read(environ)
    make_undumpable()
    api = AwsApi(environ)
    return Prepare(
        store=S3ObjectStore(settings.bundle_store_base),
        queue=SqsQueue(settings.prepared_queue_url, api),
        trust=open_trust_source(settings, api, "prepare").current,
        signer=settings.build("artifact_signing_key", signer_of),
        engine=engine(),
        compiler=Compiler(settings.compile_timeout_s, settings.compile_memory_mb * _MIB),
        max_component_bytes=settings.max_component_mb * _MIB,
        now=now,
    )
