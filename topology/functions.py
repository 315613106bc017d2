"""The Lambda functions: handler, time limit, memory, database login role and environment names."""

from dataclasses import dataclass
from typing import Final

from topology.layers import AWS, CORE, DEPS, WASMTIME, Layer

COMMON_OPTIONAL: Final = ("LOG_LEVEL", "SECRETS_TTL_S")
"""Environment names that every function may be given."""

SET_BY_LAMBDA: Final = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "LAMBDA_TASK_ROOT")
"""Settings that Lambda itself provides; a deployment cannot give them."""

DEVELOPMENT_ONLY: Final = ("EXPLAIN_FAILURES",)
"""Settings that only the local platform switches on; a deployment cannot give them."""

_KEY_AGES: Final = (
    "ROOT_KEY_MAX_AGE_DAYS",
    "RELEASE_KEY_MAX_AGE_DAYS",
    "ARTIFACT_KEY_MAX_AGE_DAYS",
    "LOG_KEY_MAX_AGE_DAYS",
)


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function.

    Attributes:
        name: unique in a deployment; a deployment may add its own prefix.
        handler: dotted path of the module, then the name of the Python function in it.
        timeout_s: the longest an invocation may take.
        required: environment names that every deployment must give. A few of them, such as ``FRAME_ANCESTORS``, have a
            default in the function's settings, but the default is not useful in a deployment.
        optional: environment names that a deployment may give.
        memory_mb: memory in MiB; CPU time grows with it. 1769 MiB is one whole core.
        per_tenant: Lambda's tenant isolation mode: each execution environment serves one tenant only. Such a function
            is invoked directly. It cannot be the target of an HTTP route, a queue or a schedule.
        layers: what it imports besides its own folder.
        data_files: files of the repository that it reads: folder and pattern.
        login_role: the database role of ``DATABASE_URL``. A function that has ``DATABASE_URL`` without a login role
            connects as the role that owns the schema.
    """

    name: str
    handler: str
    timeout_s: int
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    memory_mb: int = 1769
    per_tenant: bool = False
    layers: tuple[Layer, ...] = (CORE, DEPS)
    data_files: tuple[tuple[str, str], ...] = ()
    login_role: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every environment name that this function may be given."""
        return self.required + self.optional + COMMON_OPTIONAL


GATEWAY: Final = Function(
    "gateway",
    "functions.gateway.handler.handler",
    timeout_s=30,
    required=(
        "DATABASE_URL",
        "RUNNER_BASE_URL",
        "EXECUTIONS_QUEUE_URL",
        "EXECUTION_TOKEN_PRIVATE_KEY",
        "AUTH_ISSUER",
        "AUTH_AUDIENCE",
    ),
    optional=(
        "AUTH_JWKS",  # one of these two is needed
        "AUTH_JWKS_URL",
        "AUTH_CLAIM_NAMES",
        "AUTH_READ_ROLES",
        "AUTH_WRITE_ROLES",
        "RUNNER_ISOLATION",
        "EXECUTION_KEY_MAX_AGE_DAYS",
        "CORS_ORIGINS",
        "EXT_GATEWAY_TIMEOUT_MS",
        "INSTALL_CACHE_MS",
        "DEFAULT_LIMITS",  # the same value in gateway, dispatcher, registry and recorder
        "EXTENSIONS_ENABLED",
    ),
    login_role="fn_gateway",
)
DISPATCHER: Final = Function(
    "dispatcher",
    "functions.gateway.dispatcher.handler",
    timeout_s=70,  # a delivery may take 60 s, and its answer 2 s more
    required=(
        "DATABASE_URL",
        "RUNNER_BASE_URL",
        "EXECUTIONS_QUEUE_URL",
        "DELIVERIES_QUEUE_URL",
        "EXECUTION_TOKEN_PRIVATE_KEY",
    ),
    optional=(
        "RUNNER_ISOLATION",
        "EXT_GATEWAY_TIMEOUT_MS",
        "INSTALL_CACHE_MS",
        "DEFAULT_LIMITS",
        "EXTENSIONS_ENABLED",
    ),
    login_role="fn_gateway",
)
REGISTRY: Final = Function(
    "registry",
    "functions.registry.handler.handler",
    timeout_s=30,
    required=(
        "DATABASE_URL",
        "BUNDLE_STORE_BASE",
        "PREPARE_QUEUE_URL",
        "DELIVERIES_QUEUE_URL",
        "EVENTS_QUEUE_URL",
        "SIGNING_TRUST_BUNDLE",
        "AUTH_ISSUER",
        "AUTH_AUDIENCE",
        "RUNNER_PUBLIC_BASE",
        "RELEASE_SIGNING_KEY",
        "LOG_SIGNING_KEY",
        "SECRETS_KEY_ID",
    ),
    optional=(
        "TRUST_ROOT_KEYS",  # needed when SIGNING_TRUST_BUNDLE is in S3; so in every function that has both
        "AUTH_CLAIM_NAMES",
        "AUTH_JWKS",  # one of these two is needed
        "AUTH_JWKS_URL",
        "EXTENSIONS_ENABLED",
        "UPLOAD_EXPIRES_S",
        "MAX_VERSIONS_PER_PUBLISHER",
        "WITHDRAWN_LIST_LIFETIME_S",
        "UNINSTALL_GRACE_S",
        "UI_PROXY_BASE_URL",
        "HOST_API_BASE_URL",
        "DEFAULT_LIMITS",
        *_KEY_AGES,
    ),
    login_role="fn_registry",
    layers=(CORE, DEPS, AWS),
)
UIHOST: Final = Function(
    "uihost",
    "functions.uihost.handler.handler",
    timeout_s=10,
    required=("BUNDLE_STORE_BASE", "SIGNING_TRUST_BUNDLE", "FRAME_ANCESTORS"),
    optional=(
        "TRUST_ROOT_KEYS",
        "RUNNER_PUBLIC_BASE",
        "WITHDRAWN_LIST_LIFETIME_S",
        "UI_CACHE_BYTES",
        "EXTENSIONS_ENABLED",
    ),
)
RUNNER: Final = Function(
    "runner",
    "functions.runner.handler.handler",
    timeout_s=63,  # longer than MAX_TIMEOUT_MS (60 s), so that the runner itself ends a call
    required=(
        "DATABASE_URL",
        "BUNDLE_STORE_BASE",
        "SIGNING_TRUST_BUNDLE",
        "EXECUTION_TOKEN_PUBLIC_KEY",
        "SECRETS_KEY_ID",
    ),
    optional=(
        "TRUST_ROOT_KEYS",
        "DEFAULT_TIMEOUT_MS",
        "MAX_TIMEOUT_MS",
        "DEFAULT_MEMORY_MB",
        "MAX_MEMORY_MB",
        "MAX_FUEL",
        "MAX_RESPONSE_BYTES",
        "ARTIFACT_FOLDER",
        "ARTIFACT_BUDGET_MB",
        "SANDBOX_MEMORY_MB",
        "EXTENSIONS_ENABLED",
        "UI_PROXY_BASE_URL",
        "UI_PROXY_AUTH_TOKEN",
        "UI_PROXY_SIGNING_KEY",
        "CALL_TOKEN_KEY_MAX_AGE_DAYS",
        "HOST_API_BASE_URL",
        "HOST_API_AUTH_TOKEN",
        "EGRESS_PRIVATE_NETWORKS",
        "EGRESS_CA_BUNDLE",
    ),
    memory_mb=2432,  # 384 for the runner, and four sandboxes of SANDBOX_MEMORY_MB (512)
    per_tenant=True,
    login_role="fn_runner",
    layers=(CORE, DEPS, WASMTIME),
)
PREPARE: Final = Function(
    "prepare",
    "functions.runner.preparing.handler.handler",
    timeout_s=300,  # longer than COMPILE_TIMEOUT_S (240 s)
    required=("BUNDLE_STORE_BASE", "PREPARED_QUEUE_URL", "SIGNING_TRUST_BUNDLE", "ARTIFACT_SIGNING_KEY"),
    optional=("TRUST_ROOT_KEYS", "MAX_COMPONENT_MB", "COMPILE_TIMEOUT_S", "COMPILE_MEMORY_MB"),
    memory_mb=4096,  # more than COMPILE_MEMORY_MB (3072)
    layers=(CORE, DEPS, AWS, WASMTIME),
)
ASSETS: Final = Function(
    "assets",
    "functions.registry.assets.handler",
    timeout_s=60,
    required=("DATABASE_URL", "BUNDLE_STORE_BASE", "SIGNING_TRUST_BUNDLE", "RELEASE_SIGNING_KEY"),
    optional=(
        "TRUST_ROOT_KEYS",
        "WITHDRAWN_LIST_LIFETIME_S",
    ),
    login_role="fn_registry",
    layers=(CORE, DEPS, AWS),
)
RECORDER: Final = Function(
    "recorder",
    "functions.registry.recorder.handler",
    timeout_s=30,
    required=("DATABASE_URL",),
    optional=("DEFAULT_LIMITS",),
    login_role="fn_registry",
)
FANOUT: Final = Function(
    "fanout",
    "functions.registry.fanout.handler",
    timeout_s=60,
    required=("DATABASE_URL", "DELIVERIES_QUEUE_URL"),
    login_role="fn_registry",
)
SWEEPER: Final = Function(
    "sweeper",
    "functions.registry.sweeper.handler",
    timeout_s=60,
    required=(
        "DATABASE_URL",
        "BUNDLE_STORE_BASE",
        "PREPARE_QUEUE_URL",
        "SIGNING_TRUST_BUNDLE",
        "RELEASE_SIGNING_KEY",
        "LOG_SIGNING_KEY",
    ),
    optional=(
        "TRUST_ROOT_KEYS",
        "WITHDRAWN_LIST_LIFETIME_S",
        "UNINSTALL_GRACE_S",
        "EXECUTION_RETENTION_DAYS",
        "UI_DISTRIBUTION_ID",
        "CALL_LOG_RETENTION_DAYS",
        "EGRESS_RETENTION_DAYS",
        *_KEY_AGES,
    ),
    login_role="fn_registry",
    layers=(CORE, DEPS, AWS),
)
TICKER: Final = Function(
    "ticker",
    "functions.registry.ticker.handler",
    timeout_s=60,
    required=("DATABASE_URL", "EVENTS_QUEUE_URL", "DELIVERIES_QUEUE_URL"),
    login_role="fn_registry",
)
MIGRATE: Final = Function(
    "migrate",
    "functions.registry.migrations.handler.handler",
    timeout_s=120,
    required=("DATABASE_URL",),
    optional=(
        "DATABASE_PASSWORD",
        "FN_GATEWAY_PASSWORD",  # a deployment gives none of these three: its login roles sign in by IAM
        "FN_REGISTRY_PASSWORD",
        "FN_RUNNER_PASSWORD",
        "MIGRATIONS_DIR",
    ),
    data_files=(("migrations", "[0-9]*.sql"),),
)
SMOKE: Final = Function(
    "smoke",
    "functions.gateway.smoke.handler.handler",
    timeout_s=900,  # three attempts of each of six checks, of up to 35 s; when it dies, CodeDeploy waits for an hour
    required=("SMOKE_FUNCTIONS", "EXECUTION_TOKEN_PRIVATE_KEY"),
    optional=("RUNNER_ISOLATION", "EXPECTED_CONFINEMENT", "PROBE_CONTENT_HASH"),
    memory_mb=512,  # it waits for other functions
)

FUNCTIONS: Final = (
    GATEWAY,
    DISPATCHER,
    REGISTRY,
    UIHOST,
    RUNNER,
    PREPARE,
    ASSETS,
    RECORDER,
    FANOUT,
    SWEEPER,
    TICKER,
    MIGRATE,
    SMOKE,
)

LOGIN_ROLES: Final = ("fn_gateway", "fn_registry", "fn_runner")
"""The database roles that functions sign in as: by IAM, or with the passwords that ``migrate`` sets."""
