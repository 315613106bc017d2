"""Settings of the runner and of prepare."""

from collections.abc import Mapping
from typing import Annotated, Final

from alga_ext.settings import (
    DatabaseUrl,
    Form,
    HttpUrl,
    KeyAge,
    KmsKeyIds,
    PrivateKey,
    QueueUrl,
    Range,
    RootKeys,
    SecretStr,
    Settings,
    SigningKey,
    StoreBase,
    TrustBundleSetting,
    trust_faults,
)
from functions.runner.service_token import ServiceToken

_MIB = 1024 * 1024

SANDBOX_OWN_MEMORY_MB: Final = 128
"""What a sandbox needs besides the guest's linear memory, in MiB: interpreter, engine, the bodies of a call."""
_LEAST_SANDBOXES: Final = 2  # one at work, and the spare
RUNNER_MEMORY_MB: Final = 384
"""Memory in MiB for the runner's own process, and for what the kernel holds for the sandboxes (stacks, sockets)."""


class RunnerSettings(Settings, frozen=True, kw_only=True):
    """The runner's settings, read from environment variables.

    Attributes:
        database_url: PostgreSQL as role ``fn_runner``.
        bundle_store_base: ``s3://bucket[/prefix]`` of the object store.
        signing_trust_bundle: the trust bundle itself, its path, or ``s3://bucket/key``. It is read again if it changes.
        trust_root_keys: public keys in PEM, of which one must have signed a trust bundle in the object store.
        execution_token_public_key: the gateway's public keys in PEM, one after the other, or the path of their file.
        default_timeout_ms, max_timeout_ms: wall-clock time of a call in milliseconds.
        default_memory_mb, max_memory_mb: linear memory of a guest in MiB.
        max_fuel: the maximum fuel of a call, and the fuel of a call that requests none.
        max_response_bytes: maximum size of a response body.
        artifact_folder, artifact_budget_mb: folder for verified artifacts, and their total size in MiB.
        sandbox_memory_mb: private writable memory of one sandbox in MiB.
        aws_lambda_function_memory_size: memory of the function in MiB, set by Lambda; see ``sandboxes``.
        extensions_enabled: when false, every call is answered with ``extensions_disabled``.
        secrets_key_id: KMS keys that wrap the data keys of tenants' secrets, separated by commas. Without one, no
            secret can be opened.
        ui_proxy_base_url: base URL of the host application. Without it, every ``ui-proxy`` route is not found.
        ui_proxy_auth_token: the static token that the application knows the runner by, sent as ``x-runner-auth``.
        ui_proxy_signing_key: private key in PEM, or the path of its file. It signs ``x-alga-call-token``, also of
            requests for clients, services and invoices.
        call_token_key_max_age_days: how many days old that key may get before it is reported. It still works.
        host_api_base_url: base URL of the host application for clients, services and invoices. Without it, this
            platform does not offer them.
        host_api_auth_token: the static token for these requests.
        egress_private_networks: CIDR blocks, comma-separated, that guests may reach although they are private.
        egress_ca_bundle: path of the certificate authorities to trust for egress, instead of the system's.
    """

    section = "Runner"

    database_url: DatabaseUrl
    bundle_store_base: StoreBase
    signing_trust_bundle: TrustBundleSetting
    trust_root_keys: RootKeys = ""
    execution_token_public_key: Annotated[str, Form("the gateway's public keys in PEM, or the path of their file")]
    default_timeout_ms: Annotated[int, Range(10)] = 5_000
    max_timeout_ms: Annotated[int, Range(10, 870_000)] = 60_000
    default_memory_mb: Annotated[int, Range(1)] = 128
    max_memory_mb: Annotated[int, Range(1, 4_096)] = 256
    max_fuel: Annotated[int, Range(1)] = 1_000_000_000_000
    max_response_bytes: Annotated[int, Range(1_024)] = 4 * _MIB
    artifact_folder: str = "/tmp/alga-ext/artifacts"  # noqa: S108 - Lambda's only writable folder
    artifact_budget_mb: Annotated[int, Range(16)] = 384
    sandbox_memory_mb: Annotated[int, Range(128)] = 512
    aws_lambda_function_memory_size: Annotated[int, Range(128)] = 2_432
    extensions_enabled: bool = True
    secrets_key_id: KmsKeyIds = ""
    ui_proxy_base_url: HttpUrl = ""
    ui_proxy_auth_token: ServiceToken = SecretStr("")
    ui_proxy_signing_key: PrivateKey = SecretStr("")
    call_token_key_max_age_days: KeyAge = 90
    host_api_base_url: HttpUrl = ""
    host_api_auth_token: ServiceToken = SecretStr("")
    egress_private_networks: Annotated[str, Form("CIDR blocks, comma-separated")] = ""
    egress_ca_bundle: str = ""

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``.

        Memory must fit, no host application is called without both proofs, and a trust bundle in the object store needs
        root keys.
        """
        return [*_memory_faults(given), *_host_faults(given), *trust_faults(given)]

    @property
    def sandboxes(self) -> int:
        """How many sandboxes may be alive at the same time, the spare included.

        Together with the runner's own ``RUNNER_MEMORY_MB``, their memory fits the function's memory.
        """
        return (self.aws_lambda_function_memory_size - RUNNER_MEMORY_MB) // self.sandbox_memory_mb


def _memory_faults(given: Mapping[str, str]) -> list[str]:
    """Check that a guest fits a sandbox, and that two sandboxes fit the function."""
    names = ("aws_lambda_function_memory_size", "sandbox_memory_mb", "max_memory_mb")
    texts = [str(given.get(name, RunnerSettings.fields()[name].default)) for name in names]
    if not all(text.isdecimal() for text in texts):
        return []  # this is a fault of one variable
    function_mb, sandbox_mb, guest_mb = map(int, texts)
    faults = []
    least_mb = guest_mb + SANDBOX_OWN_MEMORY_MB
    if sandbox_mb < least_mb:
        faults.append(
            f"SANDBOX_MEMORY_MB: {sandbox_mb} MiB is too little for a guest of MAX_MEMORY_MB ({guest_mb} MiB); "
            f"give at least {least_mb}, or lower MAX_MEMORY_MB"
        )
    if function_mb < (least_mb := RUNNER_MEMORY_MB + _LEAST_SANDBOXES * sandbox_mb):
        faults.append(
            f"AWS_LAMBDA_FUNCTION_MEMORY_SIZE: {function_mb} MiB is too little for the runner "
            f"({RUNNER_MEMORY_MB} MiB) and {_LEAST_SANDBOXES} sandboxes of SANDBOX_MEMORY_MB ({sandbox_mb} MiB); "
            f"give the function at least {least_mb}, or lower SANDBOX_MEMORY_MB"
        )
    return faults


def _host_faults(given: Mapping[str, str]) -> list[str]:
    """Check that a host application is never called without both proofs of the sender."""
    needed = {
        "ui_proxy_base_url": ("ui_proxy_auth_token", "ui_proxy_signing_key"),
        "host_api_base_url": ("host_api_auth_token", "ui_proxy_signing_key"),
    }
    return [
        f"{name.upper()}: it is missing or empty; {url.upper()} needs it"
        for url, names in needed.items()
        if url in given
        for name in names
        if name not in given
    ]


class PrepareSettings(Settings, frozen=True, kw_only=True):
    """The settings of prepare, read from environment variables.

    Attributes:
        bundle_store_base: ``s3://bucket[/prefix]`` of the object store.
        prepared_queue_url: queue for the results.
        signing_trust_bundle, trust_root_keys: as in ``RunnerSettings``.
        artifact_signing_key: private key in PEM, the path of its file, or ``kms:key-id``. It signs compiled components.
        max_component_mb: maximum size of a component in MiB. The registry accepts none over 64 MiB.
        compile_timeout_s: wall-clock time of one compilation in seconds.
        compile_memory_mb: private writable memory of the compile worker in MiB.
    """

    section = "Prepare"

    bundle_store_base: StoreBase
    prepared_queue_url: QueueUrl
    signing_trust_bundle: TrustBundleSetting
    trust_root_keys: RootKeys = ""
    artifact_signing_key: SigningKey
    max_component_mb: Annotated[int, Range(1, 64)] = 64
    compile_timeout_s: Annotated[int, Range(1, 880)] = 240
    compile_memory_mb: Annotated[int, Range(128)] = 3_072

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: a trust bundle in the object store needs root keys."""
        return [*super().faults_together(given), *trust_faults(given)]
