"""What is deployed locally: the functions with their environments, queue mappings, schedules, routes.

The one place that says so; the deployment to AWS says the same in its own words. Secrets travel by environment only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.local.cloud import LOCAL_CREDENTIALS, Cloud
from tools.local.http_front import Route
from tools.local.keys import AUDIENCE, ISSUER, LocalKeys
from tools.local.lambda_types import FunctionSpec
from tools.local.postgres import database_url
from tools.local.queues import Mapping as QueueMapping
from tools.local.schedules import Schedule

LOGIN_ROLES = ("fn_gateway", "fn_registry", "fn_runner")
# Settings a developer may give in the shell that starts the platform; everything else is decided here.
PASSED_THROUGH = ("EXTENSIONS_ENABLED", "EXT_GATEWAY_TIMEOUT_MS", "LOG_LEVEL")

QUEUE_MAPPINGS = (
    QueueMapping("prepare", "prepare", batch_size=1, pollers=2),  # one compilation takes a core for seconds
    QueueMapping("prepared", "assets"),
    QueueMapping("executions", "recorder"),
)
SCHEDULES = (Schedule("sweeper", 60),)
API_ROUTES = (
    Route("/api/registry/v1", "registry"),
    Route("/api/ext", "gateway"),
    Route("/healthz", "gateway", ("GET", "HEAD")),
)
UI_ROUTES = (Route("/ext-ui", "uihost", ("GET", "HEAD", "OPTIONS"), decode_path=False),)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base URLs of the platform."""

    api: str
    ui: str
    host: str
    invoke: str
    database: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys and the login roles' passwords of one platform."""

    keys: LocalKeys
    passwords: Mapping[str, str]
    trust_bundle: Path


def function_specs(
    root: Path, addresses: Addresses, cloud: Cloud, secrets: Secrets, given: Mapping[str, str]
) -> tuple[FunctionSpec, ...]:
    """Every function with its environment.

    Args:
        root: the checkout; its core layer is on the search path, as Lambda mounts it.
        addresses: where everything is.
        cloud: bucket and queues.
        secrets: keys and passwords.
        given: the environment of the shell, of which little passes.
    """
    keys = secrets.keys
    base = {
        **LOCAL_CREDENTIALS,
        "PYTHONPATH": str(root / "layers" / "core" / "python"),
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "LOG_LEVEL": "INFO",
        **{name: given[name] for name in PASSED_THROUGH if given.get(name)},
    }
    tokens = {"AUTH_JWKS": keys.jwks, "AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE}
    store = {"BUNDLE_STORE_BASE": cloud.bundle_store_base, "SIGNING_TRUST_BUNDLE": str(secrets.trust_bundle)}
    ancestors = f"{addresses.host} {addresses.host.replace('127.0.0.1', 'localhost')}"

    def database(role: str) -> dict[str, str]:
        return {"DATABASE_URL": database_url(addresses.database, role=role, password=secrets.passwords[role])}

    registry = {**base, **database("fn_registry"), **store}
    return (
        FunctionSpec(
            "gateway",
            "functions.gateway.handler.handler",
            30,
            {
                **base,
                **database("fn_gateway"),
                **tokens,
                "AWS_ENDPOINT_URL_LAMBDA": addresses.invoke,
                "RUNNER_BASE_URL": "lambda://runner",
                "EXECUTIONS_QUEUE_URL": cloud.queue_urls["executions"],
                "EXECUTION_TOKEN_PRIVATE_KEY": keys.execution.private_pem,
            },
        ),
        FunctionSpec(
            "registry",
            "functions.registry.handler.handler",
            30,
            {
                **registry,
                **tokens,
                "PREPARE_QUEUE_URL": cloud.queue_urls["prepare"],
                "RUNNER_PUBLIC_BASE": addresses.ui,
                "RELEASE_SIGNING_KEY": keys.release.private_pem,
                "LOG_SIGNING_KEY": keys.log.private_pem,
                "SECRETS_KEY_ID": cloud.secrets_key_id,
            },
        ),
        FunctionSpec(
            "uihost",
            "functions.uihost.handler.handler",
            10,
            {**base, **store, "FRAME_ANCESTORS": ancestors},
        ),
        FunctionSpec(
            "runner",
            "functions.runner.handler.handler",
            32,
            {
                **base,
                **database("fn_runner"),
                **store,
                "EXECUTION_TOKEN_PUBLIC_KEY": keys.execution.public_pem,
                "SECRETS_KEY_ID": cloud.secrets_key_id,
            },
            memory_mb=2048,
            per_tenant=True,
            private_folders={"ARTIFACT_FOLDER": "alga-ext/artifacts"},
        ),
        FunctionSpec(
            "prepare",
            "functions.runner.preparing.handler.handler",
            300,
            {
                **base,
                **store,
                "PREPARED_QUEUE_URL": cloud.queue_urls["prepared"],
                "ARTIFACT_SIGNING_KEY": keys.artifact.private_pem,
            },
            memory_mb=4096,
        ),
        FunctionSpec(
            "assets",
            "functions.registry.assets.handler",
            60,
            {**registry, "RELEASE_SIGNING_KEY": keys.release.private_pem},
        ),
        FunctionSpec("recorder", "functions.registry.recorder.handler", 30, registry),
        FunctionSpec(
            "sweeper",
            "functions.registry.sweeper.handler",
            60,
            {
                **registry,
                "PREPARE_QUEUE_URL": cloud.queue_urls["prepare"],
                "LOG_SIGNING_KEY": keys.log.private_pem,
            },
        ),
        FunctionSpec(
            "migrate",
            "functions.registry.migrations.handler.handler",
            120,
            {
                **base,
                "DATABASE_URL": addresses.database,
                **{f"{role.upper()}_PASSWORD": password for role, password in secrets.passwords.items()},
            },
        ),
    )
