"""Settings of the runner and of prepare."""

from typing import Annotated

from pydantic import Field, SecretStr

from alga_ext.settings import (
    DatabaseUrl,
    Form,
    HttpUrl,
    QueueUrl,
    Settings,
    SigningKey,
    StoreBase,
    TrustBundleSetting,
)

_MIB = 1024 * 1024


class RunnerSettings(Settings):
    """What the runner reads from its environment.

    Attributes:
        database_url: PostgreSQL as ``fn_runner``.
        bundle_store_base: ``s3://bucket[/prefix]`` of the object store.
        signing_trust_bundle: trust bundle, in place or as a path; a path is read again when the file changes.
        execution_token_public_key: PEM, or the path of one, of the gateway's key.
        default_timeout_ms, max_timeout_ms: wall clock of a call.
        default_memory_mb, max_memory_mb: linear memory of a guest.
        max_fuel: fuel of a call, when it asks for none or for more.
        max_response_bytes: body of a response.
        artifact_folder, artifact_budget_mb: where verified artifacts are kept, and how much of it.
        component_budget_mb: artifacts a sandbox keeps loaded, counted by file size.
        aws_lambda_function_memory_size: set by Lambda, MiB; the sandbox gets what the parent leaves of it.
        extensions_enabled: false answers every call with ``extensions_disabled``.
        secrets_key_id: KMS key that wraps the data keys of tenants' secrets; without it no secret can be opened.
        ui_proxy_base_url: base URL of the host application; without it ``ui-proxy`` knows no route.
        ui_proxy_signing_key: PEM, or the path of one; signs ``x-runner-auth``.
        egress_private_networks: CIDR blocks, comma-separated, that guests may reach although they are private.
        egress_ca_bundle: path of the authorities for egress, instead of the system's.
    """

    section = "Runner"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    signing_trust_bundle: TrustBundleSetting
    execution_token_public_key: Annotated[str, Form("the gateway's public key in PEM, or the path of its file")]
    default_timeout_ms: Annotated[int, Field(ge=10)] = 5_000
    max_timeout_ms: Annotated[int, Field(ge=10, le=870_000)] = 29_000
    default_memory_mb: Annotated[int, Field(ge=1)] = 128
    max_memory_mb: Annotated[int, Field(ge=1, le=4_096)] = 256
    max_fuel: Annotated[int, Field(ge=1)] = 1_000_000_000_000
    max_response_bytes: Annotated[int, Field(ge=1_024)] = 4 * _MIB
    artifact_folder: str = "/tmp/alga-ext/artifacts"  # noqa: S108 - Lambda's only writable folder
    artifact_budget_mb: Annotated[int, Field(ge=16)] = 384
    component_budget_mb: Annotated[int, Field(ge=16)] = 320
    aws_lambda_function_memory_size: Annotated[int, Field(ge=128)] = 2_048
    extensions_enabled: bool = True
    secrets_key_id: str = ""
    ui_proxy_base_url: HttpUrl = ""
    ui_proxy_signing_key: Annotated[SecretStr, Form("an Ed25519 private key in PEM, or its path")] = SecretStr("")
    egress_private_networks: Annotated[str, Form("CIDR blocks, comma-separated")] = ""
    egress_ca_bundle: str = ""

    @property
    def sandbox_data_bytes(self) -> int:
        """Private writable memory a sandbox may have: what is left beside the parent and the spare."""
        return max(256, self.aws_lambda_function_memory_size - 384) * _MIB


class PrepareSettings(Settings):
    """What prepare reads from its environment.

    Attributes:
        bundle_store_base: ``s3://bucket[/prefix]`` of the object store.
        prepared_queue_url: queue of the results.
        signing_trust_bundle: trust bundle, in place or as a path.
        artifact_signing_key: PEM, the path of one, or ``kms:key-id``; signs compiled components.
        max_component_mb: the largest component that is compiled.
        compile_timeout_s: wall clock of one compilation.
        compile_memory_mb: private writable memory of the compiler.
    """

    section = "Prepare"

    bundle_store_base: StoreBase
    prepared_queue_url: QueueUrl
    signing_trust_bundle: TrustBundleSetting
    artifact_signing_key: SigningKey
    max_component_mb: Annotated[int, Field(ge=1)] = 64
    compile_timeout_s: Annotated[int, Field(ge=1, le=880)] = 240
    compile_memory_mb: Annotated[int, Field(ge=128)] = 3_072
