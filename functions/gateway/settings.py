"""Settings of the gateway."""

from typing import Annotated

from pydantic import Field, SecretStr

from alga_ext.settings import Settings


class GatewaySettings(Settings):
    """What the gateway is told by its environment.

    Attributes:
        database_url: PostgreSQL as ``fn_gateway``.
        runner_base_url: ``lambda://function-name`` to invoke the runner directly, or ``http(s)://host`` of a runner
            behind plain HTTP.
        executions_queue_url: queue of the execution records.
        execution_token_private_key: PEM, or the path of one; signs execution tokens.
        auth_jwks: JSON Web Key Set in place; or ``auth_jwks_url`` to fetch it from.
        auth_issuer: the ``iss`` a token must have.
        auth_audience: the ``aud`` a token must have.
        auth_claim_names: JSON object, our claim name → the host's.
        auth_read_roles: roles, comma-separated, that may call GET and HEAD endpoints (``extension:read``).
        auth_write_roles: roles that may call the others (``extension:write``).
        ext_gateway_timeout_ms: default time limit of a call.
        install_cache_ms: how long a resolved install is believed.
        extensions_enabled: false answers every call with ``extensions_disabled``.
    """

    database_url: SecretStr
    runner_base_url: str = "lambda://runner"
    executions_queue_url: str
    execution_token_private_key: SecretStr
    auth_jwks: str = ""
    auth_jwks_url: str = ""
    auth_issuer: str
    auth_audience: str
    auth_claim_names: str = "{}"
    auth_read_roles: str = "extension:read,extension:write,tenant_admin,tenant_viewer,tenant_user"
    auth_write_roles: str = "extension:write,tenant_admin,tenant_user"
    ext_gateway_timeout_ms: Annotated[int, Field(ge=50, le=29_000)] = 5_000
    install_cache_ms: Annotated[int, Field(ge=0, le=60_000)] = 2_000
    extensions_enabled: bool = True
