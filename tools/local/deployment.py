"""What the local platform adds to the topology: addresses, local keys and passwords, values for environment names.

``topology/`` lists the functions, queues, routes and schedules. Secrets are passed only in environment variables.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.local.cloud import LOCAL_CREDENTIALS, Cloud
from tools.local.keys import AUDIENCE, ISSUER, LocalKeys
from tools.local.lambda_types import PROCESSES_MAX, FunctionSpec
from tools.local.postgres import database_url
from topology.access import ACCESS
from topology.functions import DEVELOPMENT_ONLY, FUNCTIONS, RUNNER, Function
from topology.queues import QUEUES
from topology.routes import ROUTES

# Settings that a developer may set in the shell that starts the platform; all others are set here.
_PASSED_GROUPS = ("AUTH_", "EGRESS_", "HOST_API_", "UI_PROXY_")
PASSED_THROUGH = (
    *("CORS_ORIGINS", "DEFAULT_LIMITS", "EXTENSIONS_ENABLED", "EXT_GATEWAY_TIMEOUT_MS", "FRAME_ANCESTORS", "LOG_LEVEL"),
    *sorted({name for function in FUNCTIONS for name in function.names if name.startswith(_PASSED_GROUPS)}),
)
# With one of these, other tokens are accepted than those that the local platform makes.
OTHER_TOKENS = ("AUTH_AUDIENCE", "AUTH_ISSUER", "AUTH_JWKS", "AUTH_JWKS_URL")
# Names that only local processes get; in AWS, Lambda provides region, credentials, endpoints and layers.
LOCAL_ONLY = frozenset({
    *LOCAL_CREDENTIALS, *DEVELOPMENT_ONLY,
    "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "PYTHONPATH",
})  # fmt: skip
# Folders below /tmp, which is private to a process in Lambda.
PRIVATE_FOLDERS = {"ARTIFACT_FOLDER": "alga-ext/artifacts"}
# How many batches of a queue are in flight; by default one. A compilation uses a core for seconds. A batch of
# deliveries waits for extensions that hang.
IN_FLIGHT = {"prepare": 2, "deliveries": 8}
# An extension that hangs has four deliveries in flight; as many others must find a process. The default is four.
PROCESSES = {"dispatcher": 8, "runner": 8}
API_ROUTES = tuple(route for route in ROUTES if route.front == "api")
UI_ROUTES = tuple(route for route in ROUTES if route.front == "ui")


class EnvironmentNamesError(ValueError):
    """A function's environment does not have the names that the topology lists for it."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base URLs of the platform, and the URL of its database."""

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
    root: Path,
    addresses: Addresses,
    cloud: Cloud,
    secrets: Secrets,
    given: Mapping[str, str],
    host_origins: Sequence[str] = (),
) -> tuple[FunctionSpec, ...]:
    """Return every function of the topology with its environment.

    Args:
        root: the checkout; its core layer is on the search path, as Lambda mounts it.
        addresses: base URLs of the platform.
        cloud: bucket and queues.
        secrets: keys and passwords.
        given: the environment of the shell; only the names in ``PASSED_THROUGH`` are used.
        host_origins: origins of further pages that show extensions and call them.

    Raises:
        EnvironmentNamesError: there is no value for a name that the topology lists as required.
    """
    local = {
        **LOCAL_CREDENTIALS,
        **dict.fromkeys(DEVELOPMENT_ONLY, "true"),
        "PYTHONPATH": str(root / "layers" / "core" / "python"),
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
    }
    invoking = {access.function for access in ACCESS if access.invokes or access.checks}
    values = environment_values(addresses, cloud, secrets, given, host_origins)
    specs = []
    for function in FUNCTIONS:
        environment = {name: values[name] for name in function.names if name in values}
        if "DATABASE_URL" in function.required:
            environment["DATABASE_URL"] = _database_url(function, addresses, secrets)
        if function.name in invoking:
            environment["AWS_ENDPOINT_URL_LAMBDA"] = addresses.invoke
        folders = {name: folder for name, folder in PRIVATE_FOLDERS.items() if name in function.names}
        specs.append(function_spec(function, {**local, **environment}, folders))
    return tuple(specs)


def environment_values(
    addresses: Addresses, cloud: Cloud, secrets: Secrets, given: Mapping[str, str], host_origins: Sequence[str] = ()
) -> dict[str, str]:
    """Return the values of the environment names that have the same value in every function."""
    keys = secrets.keys
    passed = {name: given[name] for name in PASSED_THROUGH if given.get(name)}
    values = {
        "LOG_LEVEL": "INFO",
        **{queue.url_name: cloud.queue_urls[queue.name] for queue in QUEUES},
        **{f"{role.upper()}_PASSWORD": password for role, password in secrets.passwords.items()},
        "AUTH_JWKS": keys.jwks,
        "AUTH_ISSUER": ISSUER,
        "AUTH_AUDIENCE": AUDIENCE,
        "BUNDLE_STORE_BASE": cloud.bundle_store_base,
        "SIGNING_TRUST_BUNDLE": str(secrets.trust_bundle),
        "SECRETS_KEY_ID": cloud.secrets_key_id,
        "RUNNER_BASE_URL": f"lambda://{RUNNER.name}",
        "SMOKE_FUNCTIONS": json.dumps({name: name for access in ACCESS for name in access.checks}),
        "RUNNER_PUBLIC_BASE": addresses.ui,
        "FRAME_ANCESTORS": f"{addresses.host} {addresses.host.replace('127.0.0.1', 'localhost')}",
        "EXECUTION_TOKEN_PRIVATE_KEY": keys.execution.private_pem,
        "EXECUTION_TOKEN_PUBLIC_KEY": keys.execution.public_pem,
        "ARTIFACT_SIGNING_KEY": keys.artifact.private_pem,
        "RELEASE_SIGNING_KEY": keys.release.private_pem,
        "LOG_SIGNING_KEY": keys.log.private_pem,
        "UI_PROXY_SIGNING_KEY": keys.call_token.private_pem,
        **passed,
    }
    if host_origins:
        values["FRAME_ANCESTORS"] = " ".join([values["FRAME_ANCESTORS"], *host_origins])
        values["CORS_ORIGINS"] = ",".join([*filter(None, [values.get("CORS_ORIGINS")]), *host_origins])
    if "AUTH_JWKS_URL" in passed and "AUTH_JWKS" not in passed:
        del values["AUTH_JWKS"]
    return values


def function_spec(
    function: Function, environment: Mapping[str, str], private_folders: Mapping[str, str] | None = None
) -> FunctionSpec:
    """Return a function of the topology as a local process.

    Raises:
        EnvironmentNamesError: a name is neither listed for the function nor local, or a required one is missing.
    """
    folders = private_folders or {}
    names = {*environment, *folders}
    unlisted = sorted(names - {*function.names} - LOCAL_ONLY)
    if unlisted:
        message = f"The topology does not list {', '.join(unlisted)} for the function {function.name}."
        raise EnvironmentNamesError(message)
    missing = sorted({*function.required} - names)
    if missing:
        message = f"The function {function.name} needs {', '.join(missing)}, which the topology lists as required."
        raise EnvironmentNamesError(message)
    return FunctionSpec(
        function.name,
        function.handler,
        function.timeout_s,
        environment,
        memory_mb=function.memory_mb,
        per_tenant=function.per_tenant,
        private_folders=folders,
        processes_max=PROCESSES.get(function.name, PROCESSES_MAX),
    )


def _database_url(function: Function, addresses: Addresses, secrets: Secrets) -> str:
    """Return the database's URL for the function's login role or, without one, for the owner of the schema."""
    role = function.login_role
    if role is None:
        return addresses.database
    return database_url(addresses.database, role=role, password=secrets.passwords[role])
