"""The settings class of each function, by the function's name in the topology, and an environment for all of them."""

from pathlib import Path
from typing import Final

from alga_ext.settings import Settings
from alga_ext.trust.signing import LocalSigner
from functions.gateway.settings import DispatcherSettings, GatewaySettings, SmokeSettings
from functions.registry.settings import (
    AssetsSettings,
    FanoutSettings,
    MigrateSettings,
    RecorderSettings,
    RegistrySettings,
    SweeperSettings,
    TickerSettings,
)
from functions.runner.settings import PrepareSettings, RunnerSettings
from functions.uihost.settings import UiHostSettings

SETTINGS: Final[dict[str, type[Settings]]] = {
    "gateway": GatewaySettings,
    "dispatcher": DispatcherSettings,
    "registry": RegistrySettings,
    "uihost": UiHostSettings,
    "runner": RunnerSettings,
    "prepare": PrepareSettings,
    "assets": AssetsSettings,
    "recorder": RecorderSettings,
    "fanout": FanoutSettings,
    "sweeper": SweeperSettings,
    "ticker": TickerSettings,
    "migrate": MigrateSettings,
    "smoke": SmokeSettings,
}

GOOD: Final = {
    "DATABASE_URL": "postgresql://role:secret-of-the-database@127.0.0.1:1/none",
    "BUNDLE_STORE_BASE": "s3://bucket",
    "SIGNING_TRUST_BUNDLE": '{"version": 1, "keys": []}',
    "AUTH_JWKS_URL": "https://host.test/keys",
    "AUTH_ISSUER": "https://host.test",
    "AUTH_AUDIENCE": "alga",
    "RUNNER_PUBLIC_BASE": "https://ui.test",
    "RUNNER_BASE_URL": "lambda://runner",
    "FRAME_ANCESTORS": "https://host.test",
    **{
        name: f"https://sqs.test/{name}"
        for name in (
            "DELIVERIES_QUEUE_URL",
            "EVENTS_QUEUE_URL",
            "EXECUTIONS_QUEUE_URL",
            "PREPARE_QUEUE_URL",
            "PREPARED_QUEUE_URL",
        )
    },
    "SMOKE_FUNCTIONS": '{"gateway": "gateway"}',
    **dict.fromkeys(("RELEASE_SIGNING_KEY", "LOG_SIGNING_KEY", "ARTIFACT_SIGNING_KEY"), "kms:key"),
}
AWS: Final = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
}


def good_environment(artifacts: Path) -> dict[str, str]:
    """Return settings that every function starts with, without those of the AWS SDK."""
    key = LocalSigner.generate()
    return {
        **GOOD,
        "EXECUTION_TOKEN_PRIVATE_KEY": key.private_pem,
        "EXECUTION_TOKEN_PUBLIC_KEY": key.public_pem,
        "ARTIFACT_FOLDER": str(artifacts),
    }
