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
    """The runner's settings, read from environment variables.

    Attributes:
        database_url: PostgreSQL as role ``fn_runner``.
        bundle_store_base: ``s3://bucket[/prefix]`` of the object store.
        signing_trust_bundle: the trust bundle itself, or its path. A file is read again when it changes.
        execution_token_public_key: the gateway's public key in PEM, or the path of its file.
        default_timeout_ms, max_timeout_ms: wall-clock time of a call in milliseconds.
        default_memory_mb, max_memory_mb: linear memory of a guest in MiB.
        max_fuel: the maximum fuel of a call, and the fuel of a call that requests none.
        max_response_bytes: maximum size of a response body.
        artifact_folder, artifact_budget_mb: folder for verified artifacts, and their total size in MiB.
        component_budget_mb: total size in MiB of the artifacts that a sandbox keeps loaded, counted by file size.
        aws_lambda_function_memory_size: memory of the function in MiB, set by Lambda; see ``sandbox_data_bytes``.
        extensions_enabled: when false, every call is answered with ``extensions_disabled``.
        secrets_key_id: KMS key that wraps the data keys of tenants' secrets. Without it, no secret can be opened.
        ui_proxy_base_url: base URL of the host application. Without it, every ``ui-proxy`` route is not found.
        ui_proxy_signing_key: private key in PEM, or the path of its file. It signs ``x-runner-auth``.
        egress_private_networks: CIDR blocks, comma-separated, that guests may reach although they are private.
        egress_ca_bundle: path of the certificate authorities to trust for egress, instead of the system's.
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
        """Private writable memory of one sandbox, in bytes.

        It is the function's memory without 384 MiB, which are for the parent and the spare sandbox; at least 256 MiB.
        """
        return max(256, self.aws_lambda_function_memory_size - 384) * _MIB


class PrepareSettings(Settings):
    """The settings of prepare, read from environment variables.

    Attributes:
        bundle_store_base: ``s3://bucket[/prefix]`` of the object store.
        prepared_queue_url: queue for the results.
        signing_trust_bundle: the trust bundle itself, or its path.
        artifact_signing_key: private key in PEM, the path of its file, or ``kms:key-id``. It signs compiled components.
        max_component_mb: maximum size of a component in MiB. The registry accepts none over 64 MiB.
        compile_timeout_s: wall-clock time of one compilation in seconds.
        compile_memory_mb: private writable memory of the compile worker in MiB.
    """

    section = "Prepare"

    bundle_store_base: StoreBase
    prepared_queue_url: QueueUrl
    signing_trust_bundle: TrustBundleSetting
    artifact_signing_key: SigningKey
    max_component_mb: Annotated[int, Field(ge=1, le=64)] = 64
    compile_timeout_s: Annotated[int, Field(ge=1, le=880)] = 240
    compile_memory_mb: Annotated[int, Field(ge=128)] = 3_072
