"""Settings of the gateway."""

from typing import Annotated

from pydantic import Field

from alga_ext.edge.tokens import TokenSettings
from alga_ext.settings import DatabaseUrl, Form, PrivateKey, QueueUrl


class GatewaySettings(TokenSettings):
    """What the gateway reads from its environment; those of ``TokenSettings`` too.

    Attributes:
        database_url: PostgreSQL as ``fn_gateway``.
        runner_base_url: ``lambda://function-name`` to invoke the runner directly, or ``http(s)://host`` of a runner
            behind plain HTTP.
        executions_queue_url: queue of the execution records.
        execution_token_private_key: PEM, or the path of one; signs execution tokens.
        auth_read_roles: roles, comma-separated, that may call GET and HEAD endpoints (``extension:read``).
        auth_write_roles: roles that may call the others (``extension:write``).
        ext_gateway_timeout_ms: default time limit of a call.
        install_cache_ms: how long a resolved install is used before it is read again.
        extensions_enabled: false answers every call with ``extensions_disabled``.
    """

    section = "Gateway"

    database_url: DatabaseUrl
    runner_base_url: Annotated[str, Form("lambda://FUNCTION-NAME, or an http or https URL")] = "lambda://runner"
    executions_queue_url: QueueUrl
    execution_token_private_key: PrivateKey
    auth_read_roles: str = "extension:read,extension:write,tenant_admin,tenant_viewer,tenant_user"
    auth_write_roles: str = "extension:write,tenant_admin,tenant_user"
    ext_gateway_timeout_ms: Annotated[int, Field(ge=50, le=29_000)] = 5_000
    install_cache_ms: Annotated[int, Field(ge=0, le=60_000)] = 2_000
    extensions_enabled: bool = True
