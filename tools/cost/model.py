"""What a deployment costs: idle by the month, for a million calls, for a tenant, and for a stored gigabyte (pure)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from alga_ext.calls.outcomes import Outcome
from alga_ext.errors import CODES
from alga_ext.platform_metrics import METRICS
from tools.cost.inputs import GIB, HOURS_PER_MONTH, MILLION, Measured, Prices
from topology.functions import FUNCTIONS, GATEWAY, RECORDER
from topology.queues import QUEUES
from topology.schedules import SCHEDULES

KEYS: Final = 5
"""Keys of KMS: release, log, artifact, that of tenants' secrets, and that of alarms."""
_SECRETS: Final = 3
"""Secrets of gateway and runner, and that of the database's owner."""
_WAKES_ITSELF_S: Final = 3_600


class Stage(NamedTuple):
    """The settings of a stage that its cost depends on (docs/reference/stage-settings.md)."""

    name: str
    nat_gateways: int
    database_min_acu: float
    sweep_every_s: int
    alarms: int
    runner_memory_mb: int


def idle(stage: Stage, prices: Prices, measured: Measured) -> Mapping[str, float]:
    """Return what a month without a call costs, by part."""
    acu_hours = stage.database_min_acu * HOURS_PER_MONTH
    if stage.database_min_acu == 0:
        awake_share = min(1.0, measured.wake_s / stage.sweep_every_s)
        acu_hours = measured.awake_acu * awake_share * HOURS_PER_MONTH
    sweeps = len(SCHEDULES) * HOURS_PER_MONTH * _WAKES_ITSELF_S / stage.sweep_every_s
    return {
        "NAT gateways": stage.nat_gateways * HOURS_PER_MONTH * (prices.nat_gateway_hour + prices.public_ipv4_hour),
        "database": acu_hours * prices.aurora_acu_hour,
        "keys and secrets": KEYS * prices.kms_key_month + _SECRETS * prices.secret_month,
        "alarms": stage.alarms * prices.alarm_month,
        "dashboard": prices.dashboard_month,
        "polling of queues": len(QUEUES) * measured.idle_polls / MILLION * prices.sqs_million_requests,
        "schedules": sweeps / MILLION * (prices.scheduler_million_invocations + prices.lambda_million_requests),
    }


def custom_metrics(prices: Prices) -> Mapping[str, float]:
    """Return what the platform's metrics cost in a month in which every value of every dimension occurs.

    Metrics without a value cost nothing. A usual month has a few outcomes and codes.
    """
    values = {
        "outcome": len(Outcome), "code": len(CODES), "function": len(FUNCTIONS), "result": 3, "state": 4, "origin": 2,
        None: 0,
    }  # fmt: skip
    counts = {metric.name: 1 + values[metric.dimension] for metric in METRICS}
    refusals = counts.pop("CallsRefused") + counts.pop("EventsRefused")
    return {
        "refusals by code": refusals * prices.custom_metric_month,
        "all others": sum(counts.values()) * prices.custom_metric_month,
    }


def per_million_calls(stage: Stage, prices: Prices, measured: Measured) -> Mapping[str, float]:
    """Return what a million warm calls cost, by part; the database's capacity is not in it, because it scales apart."""

    def compute(memory_mb: int, ms: float) -> float:
        return memory_mb / 1024 * ms / 1000 * MILLION * prices.lambda_gb_s

    functions = (
        compute(GATEWAY.memory_mb, measured.gateway_ms)
        + compute(stage.runner_memory_mb, measured.runner_ms)
        + compute(RECORDER.memory_mb, measured.recorder_ms)
    )
    return {
        "HTTP API": prices.http_api_million_requests,
        "functions' time": functions,
        "functions' requests": 2.1 * prices.lambda_million_requests,
        "queues": measured.queue_requests * prices.sqs_million_requests,
        "database's I/O": measured.database_io * prices.aurora_million_io,
        "logs": measured.log_bytes * MILLION / GIB * prices.logs_gb,
        "traffic of NAT": measured.nat_bytes * MILLION / GIB * prices.nat_gb,
    }


def per_tenant(stage: Stage, cold_calls_a_day: float, prices: Prices, measured: Measured) -> float:
    """Return what a tenant's own environments cost in a month, beyond its calls: starts, and their price."""
    start = stage.runner_memory_mb / 1024 * measured.cold_runner_ms / 1000 * prices.lambda_gb_s
    return cold_calls_a_day * 30 * (start + prices.lambda_tenant_environment)


def per_stored_gb(prices: Prices) -> Mapping[str, float]:
    """Return what a stored gigabyte costs in a month."""
    return {"bundles, compiled code, pages (S3)": prices.s3_gb_month, "tenants' data (Aurora)": prices.aurora_gb_month}
