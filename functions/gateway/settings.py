"""Settings of the gateway."""

from collections.abc import Mapping
from typing import Annotated

from alga_ext.edge.token_settings import TokenSettings
from alga_ext.settings import DatabaseUrl, Form, PrivateKey, QueueUrl, Range, development_faults


class GatewaySettings(TokenSettings, frozen=True, kw_only=True):
    """Settings that the gateway reads from its environment, in addition to those of ``TokenSettings``.

    Attributes:
        database_url: PostgreSQL as ``fn_gateway``.
        runner_base_url: ``lambda://function-name`` to invoke the runner directly, or ``http(s)://host`` of a runner
            behind plain HTTP.
        executions_queue_url: queue of the execution records.
        execution_token_private_key: the key that signs execution tokens: PEM text, or the path of a PEM file.
        auth_read_roles: roles that may call GET and HEAD endpoints (``extension:read``), separated by commas.
        auth_write_roles: roles that may call the other endpoints (``extension:write``), separated by commas.
        ext_gateway_timeout_ms: default time limit of a call, in milliseconds.
        install_cache_ms: for how many milliseconds a resolved install is used before it is read again.
        extensions_enabled: when false, every call is answered with ``extensions_disabled``.
        explain_failures: whether a problem document says what the guest reported before it failed. Local only.
        lambda_task_root: set by Lambda. With it, ``explain_failures`` is an error.
    """

    section = "Gateway"

    database_url: DatabaseUrl
    runner_base_url: Annotated[str, Form("lambda://FUNCTION-NAME, or an http or https URL")] = "lambda://runner"
    executions_queue_url: QueueUrl
    execution_token_private_key: PrivateKey
    auth_read_roles: str = "extension:read,extension:write,tenant_admin,tenant_viewer,tenant_user"
    auth_write_roles: str = "extension:write,tenant_admin,tenant_user"
    ext_gateway_timeout_ms: Annotated[int, Range(50, 29_000)] = 5_000
    install_cache_ms: Annotated[int, Range(0, 60_000)] = 2_000
    extensions_enabled: bool = True
    explain_failures: bool = False
    lambda_task_root: str = ""

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: failures are never explained in Lambda."""
        return [*super().faults_together(given), *development_faults(given)]
