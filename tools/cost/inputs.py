"""The inputs of the cost model: list prices of AWS, and what was measured of the platform.

Prices are those of us-east-1 in US dollars, before taxes, free tiers and discounts. They change: compare them with
https://aws.amazon.com/pricing/ before you decide by them. A price whose comment says "unverified" was not looked up.
"""

from dataclasses import dataclass
from typing import NamedTuple

from tools.cost.cold_calls import Work

HOURS_PER_MONTH = 730
MILLION = 1_000_000
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in US dollars; the name says per what."""

    lambda_gb_s: float = 0.0000166667
    lambda_million_requests: float = 0.20
    lambda_tenant_environment: float = 0.000167  # for each environment that tenant isolation creates; unverified
    http_api_million_requests: float = 1.00
    sqs_million_requests: float = 0.40
    scheduler_million_invocations: float = 1.00
    nat_gateway_hour: float = 0.045
    nat_gb: float = 0.045
    public_ipv4_hour: float = 0.005
    aurora_acu_hour: float = 0.12
    aurora_gb_month: float = 0.10
    aurora_million_io: float = 0.20
    s3_gb_month: float = 0.023
    s3_million_gets: float = 0.40
    cloudfront_million_requests: float = 1.00
    cloudfront_gb: float = 0.085
    kms_key_month: float = 1.00
    secret_month: float = 0.40
    alarm_month: float = 0.10
    custom_metric_month: float = 0.30
    dashboard_month: float = 3.00
    logs_gb: float = 0.50


@dataclass(frozen=True, slots=True)
class Measured:
    """What one call takes, measured on built assets (`make bench`) or counted in the code.

    Attributes:
        gateway_ms, runner_ms: billed time of a warm call of a short guest, the runner's included in the gateway's.
        recorder_ms: time for each call, at batches of ten messages.
        cold_runner_ms: billed time that a cold start adds.
        queue_requests: SQS requests for each call: two sends, and its share of receives and deletes.
        idle_polls: receives of one idle queue in a month: at least five pollers, each of which waits up to 20 s.
        log_bytes, nat_bytes: for each call.
        database_io: I/O operations of Aurora for each call.
        wake_s: how long one wake keeps a pausing database awake: the work, and the five minutes until it pauses.
        awake_acu: its capacity then.
    """

    gateway_ms: float = 40
    runner_ms: float = 20
    recorder_ms: float = 4
    cold_runner_ms: float = 310
    queue_requests: float = 2.6
    idle_polls: float = 650_000
    log_bytes: float = 2_800
    nat_bytes: float = 12_000
    database_io: float = 12
    wake_s: float = 320
    awake_acu: float = 0.5


class ColdCalls(NamedTuple):
    """Inputs of the tables about cold calls, for a guest of 12 MB (StarlingMonkey).

    Attributes:
        cold: from the start of the runner's process to its first answer, with an object store that takes no time.
        new_sandbox: the first call of another install in a running environment.
        warm: any other call.
        kept_min: after how many idle minutes Lambda ends an environment. AWS does not say: 5 to 15 is recalled from
            reports of users.
        tenants: how many share an environment in the mode ``shared``.
        memory_mb: the memory sizes of the tables, each with its ``SANDBOX_MEMORY_MB``. 896 is the least for a runner.
        calls_per_hour: of a tenant.
    """

    cold: Work = Work(cpu_ms=285, path_ms=192)
    new_sandbox: Work = Work(cpu_ms=150, path_ms=145)
    warm: Work = Work(cpu_ms=5, path_ms=5)
    kept_min: tuple[float, float, float] = (5, 10, 15)
    tenants: int = 100
    memory_mb: tuple[tuple[int, int], ...] = ((896, 256), (1_769, 512), (2_432, 512))
    calls_per_hour: tuple[float, ...] = (0.5, 2, 6, 12, 30, 60, 360)
