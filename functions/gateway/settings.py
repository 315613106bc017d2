"""Settings of the gateway, of the dispatcher and of the smoke check."""

import json
from collections.abc import Mapping
from typing import Annotated

from alga_ext.calls.limits_setting import DefaultLimits
from alga_ext.edge.token_settings import TokenSettings
from alga_ext.settings import (
    Check,
    DatabaseUrl,
    Form,
    KeyAge,
    PrivateKey,
    QueueUrl,
    Range,
    Settings,
    development_faults,
)
from functions.gateway.cors import parse_origins


def _check_isolation(text: str) -> None:
    if text not in ("per_tenant", "shared"):
        message = "it is not one of the two modes"
        raise ValueError(message)


def _check_functions(text: str) -> None:
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        message = "it is not a JSON object of names"
        raise ValueError(message)


RunnerUrl = Annotated[str, Form("lambda://FUNCTION-NAME, or an http or https URL")]
CallTimeout = Annotated[int, Range(50, 29_000)]
InstallCache = Annotated[int, Range(0, 60_000)]
Isolation = Annotated[str, Check(_check_isolation), Form("per_tenant or shared")]
_Origins = Annotated[str, Check(parse_origins), Form("origins such as https://app.example.com, separated by commas")]
_FunctionNames = Annotated[str, Check(_check_functions), Form('a JSON object such as {"gateway": "FUNCTION-NAME"}')]


class GatewaySettings(TokenSettings, frozen=True, kw_only=True):
    """Settings that the gateway reads from its environment, in addition to those of ``TokenSettings``.

    Attributes:
        database_url: PostgreSQL as ``fn_gateway``.
        runner_base_url: ``lambda://function-name`` to invoke the runner directly, or ``http(s)://host`` of a runner
            behind plain HTTP.
        runner_isolation: ``per_tenant`` if the runner's Lambda function has tenant isolation mode, else ``shared``.
        executions_queue_url: queue of the execution records.
        execution_token_private_key: the key that signs execution tokens: PEM text, or the path of a PEM file.
        execution_key_max_age_days: how many days old that key may get before it is reported. It still works.
        auth_read_roles: roles that may call GET and HEAD endpoints (``extension:read``), separated by commas.
        auth_write_roles: roles that may call the other endpoints (``extension:write``), separated by commas.
        cors_origins: origins of pages that may call extensions from a browser, separated by commas.
        ext_gateway_timeout_ms: default time limit of a call, in milliseconds.
        install_cache_ms: for how many milliseconds a resolved install is used before it is read again.
        default_limits: JSON of the limits of tenants and installs for which nothing else is set
            (docs/reference/limits.md). Gateway, registry and recorder need the same value.
        extensions_enabled: when false, every call is answered with ``extensions_disabled``.
        explain_failures: whether a problem document says what the guest reported before it failed, or what is wrong
            with a token. Local only.
        lambda_task_root: set by Lambda. With it, ``explain_failures`` is an error.
    """

    section = "Gateway"

    database_url: DatabaseUrl
    runner_base_url: RunnerUrl = "lambda://runner"
    runner_isolation: Isolation = "per_tenant"
    executions_queue_url: QueueUrl
    execution_token_private_key: PrivateKey
    execution_key_max_age_days: KeyAge = 90
    auth_read_roles: str = "extension:read,extension:write,tenant_admin,tenant_viewer,tenant_user"
    auth_write_roles: str = "extension:write,tenant_admin,tenant_user"
    cors_origins: _Origins = ""
    ext_gateway_timeout_ms: CallTimeout = 5_000
    install_cache_ms: InstallCache = 2_000
    default_limits: DefaultLimits = "{}"
    extensions_enabled: bool = True
    explain_failures: bool = False
    lambda_task_root: str = ""

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: failures are never explained in Lambda."""
        return [*super().faults_together(given), *development_faults(given)]


class DispatcherSettings(Settings, frozen=True, kw_only=True):
    """Settings of the dispatcher. Those that are not explained here are as in ``GatewaySettings``.

    Attributes:
        deliveries_queue_url: queue of the deliveries that are to be tried.
        ext_gateway_timeout_ms: time limit of a delivery for which the manifest sets none.
        extensions_enabled: when false, deliveries wait.
    """

    section = "Dispatcher"

    database_url: DatabaseUrl
    runner_base_url: RunnerUrl = "lambda://runner"
    runner_isolation: Isolation = "per_tenant"
    executions_queue_url: QueueUrl
    deliveries_queue_url: QueueUrl
    execution_token_private_key: PrivateKey
    ext_gateway_timeout_ms: CallTimeout = 5_000
    install_cache_ms: InstallCache = 2_000
    default_limits: DefaultLimits = "{}"
    extensions_enabled: bool = True


class SmokeSettings(Settings, frozen=True, kw_only=True):
    """Settings of the smoke check.

    Attributes:
        smoke_functions: JSON object, function of the topology → name of the Lambda function to check.
        execution_token_private_key: as in ``GatewaySettings``. It signs operator tokens too.
        runner_isolation: as in ``GatewaySettings``.
        expected_confinement: confinement steps that the runner must report, separated by commas.
        probe_content_hash: bundle that the runner loads and whose page the UI host serves. Empty if none is published.
    """

    section = "Smoke"

    smoke_functions: _FunctionNames
    execution_token_private_key: PrivateKey
    runner_isolation: Isolation = "per_tenant"
    expected_confinement: str = ""
    probe_content_hash: str = ""
