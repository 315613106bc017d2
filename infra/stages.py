"""The settings of the stages dev, staging and prod: what differs between two deployments of the same code.

``DEFAULTS`` holds what a stage is for; ``cdk.json`` gives what only its operator knows, in ``context.stages.STAGE``.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from topology.functions import FUNCTIONS

TENANTS_PER_CONCURRENCY: Final = 2.5
"""Lambda keeps at most 2,500 environments of tenants, active or idle, per 1,000 of a function's concurrency."""
OWN_KEY: Final = "own"
"""Names the key that the stack itself makes, among the keys of tenants' secrets."""
SigningKeyName = Literal["RELEASE_SIGNING_KEY", "LOG_SIGNING_KEY", "ARTIFACT_SIGNING_KEY"]
DEFAULT_LIMITS_BYTES: Final = 1_024
"""The largest ``default_limits`` as JSON: all environment variables of a function together may have 4 KB."""
UNRESERVED: Final = ("dispatcher",)
"""Functions that reach the database, and whose concurrency only their queue limits."""
CONNECTIONS_SHARE: Final = 0.8
"""The share of the database's connections that functions may use; the rest is for migrations and for operators."""


class StageSettings(BaseModel):
    """One deployment. The comment of a default says why it is so.

    Attributes:
        name: ``dev``, ``staging`` or ``prod``; part of the stack's name and of the secrets' names.
        auth_issuer, auth_audience, auth_jwks_url: of the host application's tokens.
        frame_ancestors: origins of the host application's pages that embed extensions.
        trust_root_keys: public root keys in PEM; they sign the trust bundle (docs/reference/trust-bundle.md).
        ui_proxy_base_url, host_api_base_url: of the host application; empty if it serves neither.
        alarm_email: is told of alarms; empty to subscribe by hand.
        api_domain, ui_domain, hosted_zone_id, hosted_zone_name: custom domains in a zone of Route 53. Without them, the
            names that AWS gives are used.
        api_certificate_arn: ACM certificate of ``api_domain``, in the stack's region.
        ui_certificate_arn: ACM certificate of ``ui_domain``, in us-east-1: CloudFront takes no other.
        runner_isolation: ``per_tenant`` uses Lambda's tenant isolation mode. Fixed at the first deployment: a change
            replaces the function.
        sweep_every_s: interval of the sweeper and the ticker.
        database_min_acu, database_max_acu: capacity of Aurora; 0 as minimum pauses an idle database.
        database_max_connections: limit that the database is configured with.
        database_snapshot: ARN of the cluster snapshot that the database is restored from (docs/how-to/
            back-up-and-restore.md). It stays: without it, or with another one, the deployment makes another database.
        database_backup_days: for how many days the database can be restored to any instant.
        nat_gateways: one per availability zone survives the loss of a zone.
        concurrency: reserved concurrency of each function that reaches the database. The dispatcher has none: a queue's
            receives that Lambda throttles count toward the dead-letter limit.
        deliveries_concurrency: how many invocations of the dispatcher run at the same time, at most
            (docs/reference/deliveries.md).
        runner_memory_mb: memory of the runner, and with it its share of a CPU.
        protect_data: a deleted stack keeps its data, and the database refuses to be deleted.
        log_retention_days: of all log groups, and of access logs in S3.
        execution_retention_days: for how many days records of calls are kept.
        egress_alarm_gib_per_hour: how many GiB extensions may send and receive in an hour before an alarm goes off.
        api_rate_per_s, api_burst: throttling of the HTTP API, before any function is started.
        canary_percent, canary_minutes: share of traffic that a new version of gateway, registry and uihost gets first.
        signing_keys: environment name of a signing key → ARN of the KMS key that replaces the stack's own
            (docs/how-to/rotate-a-signing-key.md).
        secrets_keys: KMS keys of tenants' secrets: ARNs, or ``own`` for the stack's. The first one seals, all open.
        expected_confinement: the confinement steps that the runner must report; a deployment without one is rolled
            back. Fill it from the smoke check of the first deployment (docs/how-to/deploy.md).
        probe_content_hash: bundle that a deployment loads in the new runner and whose page it fetches; empty until one
            is published.
        default_limits: rates and quotas of tenants and installs for which nothing else is set
            (docs/reference/limits.md). What is given replaces the stage's default as a whole.
        settings: further settings of functions: optional environment names of ``topology.functions``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Literal["dev", "staging", "prod"]
    auth_issuer: str
    auth_audience: str
    auth_jwks_url: str
    frame_ancestors: str
    trust_root_keys: str
    ui_proxy_base_url: str = ""
    host_api_base_url: str = ""
    alarm_email: str = ""
    api_domain: str = ""
    ui_domain: str = ""
    hosted_zone_id: str = ""
    hosted_zone_name: str = ""
    api_certificate_arn: str = ""
    ui_certificate_arn: str = ""
    runner_isolation: Literal["per_tenant", "shared"] = "per_tenant"
    sweep_every_s: int = 60  # what has expired is gone within a minute
    database_min_acu: float = 0.5  # never paused: the first call after a pause takes some 15 s
    database_max_acu: float = 4
    database_max_connections: int = 800
    database_backup_days: int = 14
    database_snapshot: str = ""
    nat_gateways: int = 1  # a zone's loss stops egress of a stage that serves no customer
    concurrency: dict[str, int]
    deliveries_concurrency: int = 20
    runner_memory_mb: int = 2_432  # 384 MiB for the runner and four sandboxes of 512 MiB
    protect_data: bool = True
    log_retention_days: int = 30
    execution_retention_days: int = 90
    egress_alarm_gib_per_hour: int = 10
    api_rate_per_s: int = 200
    api_burst: int = 400
    canary_percent: int = 10
    canary_minutes: int = 5
    signing_keys: dict[SigningKeyName, str] = {}
    secrets_keys: list[str] = [OWN_KEY]
    expected_confinement: list[str] = []
    probe_content_hash: str = ""
    default_limits: dict[str, Any] = {}
    settings: dict[str, str] = {}

    @property
    def pauses(self) -> bool:
        """Whether the database is paused when it is idle."""
        return self.database_min_acu == 0

    @property
    def is_switched_off(self) -> bool:
        """Whether extensions are switched off, so that no function loads a program or shows a page."""
        return self.settings.get("EXTENSIONS_ENABLED", "true") == "false"

    @property
    def tenant_ceiling(self) -> int | None:
        """How many tenants can have an environment of the runner at the same time; None without tenant isolation."""
        if self.runner_isolation == "shared":
            return None
        return int(self.concurrency["runner"] * TENANTS_PER_CONCURRENCY)


_SMALL: Final = {
    "gateway": 20, "registry": 10, "runner": 60, "assets": 10, "recorder": 10, "fanout": 10, "sweeper": 1, "ticker": 2,
    "migrate": 1,
}  # fmt: skip
_LARGE: Final = {
    "gateway": 300, "registry": 50, "runner": 800, "assets": 10, "recorder": 20, "fanout": 20, "sweeper": 1,
    "ticker": 2, "migrate": 1,
}  # fmt: skip


def _daily(**hard: int) -> dict[str, Any]:
    """Return quotas with a hard limit for each metric and UTC day."""
    return {"day": {metric: {"hard": amount} for metric, amount in hard.items()}}


DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "dev": {
            # An idle stage should cost close to nothing: the database pauses, and a schedule that wakes it is rare.
            "database_min_acu": 0.0,
            "database_max_acu": 1.0,
            "database_max_connections": 180,
            "sweep_every_s": 3_600,
            "concurrency": _SMALL,
            "protect_data": False,
            "database_backup_days": 1,
            "log_retention_days": 7,
            "execution_retention_days": 30,
            "egress_alarm_gib_per_hour": 1,
            "api_rate_per_s": 50,
            "api_burst": 100,
            "canary_percent": 50,
            "canary_minutes": 1,
            # A loop in a developer's extension must not use up the account's budget in a night.
            "default_limits": {
                "tenant": {"quotas": _daily(calls=50_000, egress_bytes=1 << 30, log_bytes=1 << 28)},
                "install": {"quotas": _daily(calls=20_000, egress_bytes=1 << 29, log_bytes=1 << 27)},
            },
        },
        "staging": {
            "concurrency": _SMALL,
            "canary_minutes": 1,
            "default_limits": {
                "tenant": {"quotas": _daily(calls=500_000, egress_bytes=10 << 30, log_bytes=2 << 30)},
                "install": {"quotas": _daily(calls=200_000, egress_bytes=5 << 30, log_bytes=1 << 30)},
            },
        },
        # No quotas: what a tenant has paid for is not ours to guess. The rates of the product apply.
        "prod": {
            "database_min_acu": 1.0,
            "database_max_acu": 16.0,
            "database_max_connections": 2_000,
            "nat_gateways": 2,
            "concurrency": _LARGE,
            "deliveries_concurrency": 100,
            "log_retention_days": 90,
            "egress_alarm_gib_per_hour": 100,
            "database_backup_days": 35,
            "api_rate_per_s": 2_000,
            "api_burst": 4_000,
        },
    }
)


class StageSettingsError(ValueError):
    """The settings of a stage do not fit. The message names each setting."""


def read_stage(name: str, given: Mapping[str, Any]) -> StageSettings:
    """Return the settings of a stage: its defaults, with what the operator gives.

    Args:
        name: of the stage.
        given: the JSON object ``context.stages.NAME`` of ``cdk.json``.

    Raises:
        StageSettingsError: the stage or a setting does not exist, is missing, or has a value that does not fit.
    """
    if name not in DEFAULTS:
        message = f"There is no stage {name!r}; give one of {', '.join(DEFAULTS)}, as in: make synth STAGE=dev"
        raise StageSettingsError(message)
    concurrency = {**DEFAULTS[name]["concurrency"], **given.get("concurrency", {})}
    try:
        stage = StageSettings(**{**DEFAULTS[name], **given, "concurrency": concurrency, "name": name})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}" for fault in error.errors()]
        raise StageSettingsError(_message(name, faults)) from None
    if faults := _faults_together(stage):
        raise StageSettingsError(_message(name, faults))
    return stage


def _faults_together(stage: StageSettings) -> list[str]:
    faults = []
    database_functions = {
        function.name
        for function in FUNCTIONS
        if "DATABASE_URL" in function.required and function.name not in UNRESERVED
    }
    if set(stage.concurrency) != database_functions:
        faults.append(f"concurrency: it must name {', '.join(sorted(database_functions))} and no other function")
    most = int(stage.database_max_connections * CONNECTIONS_SHARE)
    if (total := sum(stage.concurrency.values()) + stage.deliveries_concurrency) > most:
        faults.append(
            f"concurrency: {total} functions at the same time, those of deliveries_concurrency included, can open more "
            f"connections than 80 % of database_max_connections ({most}); lower the one or raise the other"
        )
    if not 2 <= stage.deliveries_concurrency <= 1_000:
        faults.append(
            f"deliveries_concurrency: it is {stage.deliveries_concurrency}, but Lambda takes 2 to 1000 for a queue"
        )
    if not 15 <= stage.execution_retention_days <= 3_650:
        faults.append(
            f"execution_retention_days: it is {stage.execution_retention_days}, but must be from 15 to 3650, because a "
            "message about a call may come 14 days late"
        )
    if not stage.secrets_keys:
        faults.append(f"secrets_keys: give at least one key, such as {OWN_KEY}")
    optional = {name for function in FUNCTIONS for name in function.optional}
    if unknown := sorted(set(stage.settings) - optional):
        faults.append(f"settings: {', '.join(unknown)} is not an optional environment name of any function")
    if urlsplit(stage.settings.get("AUTH_JWKS_URL", stage.auth_jwks_url)).scheme != "https":
        faults.append("auth_jwks_url: it must be an https URL, or the functions that verify tokens do not start")
    if (switch := stage.settings.get("EXTENSIONS_ENABLED", "true")) not in ("true", "false"):
        faults.append(f"settings: EXTENSIONS_ENABLED must be true or false, not {switch}")
    if (size := len(json.dumps(stage.default_limits))) > DEFAULT_LIMITS_BYTES:
        faults.append(f"default_limits: it has {size} bytes as JSON, at most {DEFAULT_LIMITS_BYTES} are allowed")
    if stage.database_snapshot and ":cluster-snapshot:" not in stage.database_snapshot:
        faults.append(
            "database_snapshot: it must be the ARN of a snapshot of a cluster, arn:aws:rds:…:cluster-snapshot:…"
        )
    domains = (stage.api_domain, stage.ui_domain, stage.hosted_zone_id, stage.hosted_zone_name)
    certificates = (stage.api_certificate_arn, stage.ui_certificate_arn)
    if any(domains) and not all((*domains, *certificates)):
        faults.append("api_domain, ui_domain, hosted_zone_id, hosted_zone_name and both certificates belong together")
    if stage.ui_certificate_arn and ":us-east-1:" not in stage.ui_certificate_arn:
        faults.append("ui_certificate_arn: CloudFront needs a certificate of us-east-1")
    return faults


def _message(name: str, faults: list[str]) -> str:
    page = "docs/reference/stage-settings.md"
    return "\n".join([f"The settings of the stage {name} do not fit; see {page}.", *(f"  {fault}" for fault in faults)])
