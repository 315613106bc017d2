"""The settings and clients of the gateway and of the dispatcher, built once from their environment."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from alga_ext.calls.limits import parse_defaults
from alga_ext.edge.tokens import TokenVerifier
from alga_ext.settings import read_material
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from alga_ext.trust.dated_keys import parse_signer
from alga_ext.trust.key_ages import PlatformKey
from alga_ext.trust.signing import LocalSigner
from functions.gateway.admission import RoleMap
from functions.gateway.breaker import Breakers
from functions.gateway.cors import parse_origins
from functions.gateway.dispatch import RunnerClient, make_runner_client
from functions.gateway.rates.buckets import PostgresBuckets
from functions.gateway.rates.calls import CallRates
from functions.gateway.rates.limiter import RateLimiter
from functions.gateway.resolution import Installs
from functions.gateway.retries import RetryBudget
from functions.gateway.settings import DispatcherSettings, GatewaySettings


@dataclass(frozen=True, slots=True)
class CallServices:
    """What running an admitted call needs.

    Attributes:
        database: PostgreSQL as ``fn_gateway``.
        installs: finds and caches tenants' installs.
        default_timeout_ms: the time limit of a call for which no lower one is set, in milliseconds.
        explain_failures: whether an error says what the guest reported before it failed. Local only.
        execution_signer: signs execution tokens.
        runner: runs execute envelopes.
        retries: how many calls this process may send to the runner again.
        breakers: which installs' calls are refused for a short time.
        executions: the queue of execution records.
        now: returns the present instant, in UTC.
        monotonic_s: a monotonic clock, in seconds.
    """

    database: Database
    installs: Installs
    default_timeout_ms: int
    explain_failures: bool
    execution_signer: LocalSigner
    runner: RunnerClient
    retries: RetryBudget
    breakers: Breakers
    executions: SqsQueue
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Services(CallServices):
    """The gateway's settings and clients; they live as long as the process.

    Attributes, in addition to those of ``CallServices``:
        settings: the validated environment.
        rates: counts calls toward the rates of users, installs and tenants.
        tokens: verifies callers' bearer tokens.
        roles: which roles may call read endpoints, and which may call the others.
        cors_origins: origins of pages that may call extensions from a browser.
        keys: the keys that this function signs with, and how old they may get.
    """

    settings: GatewaySettings
    rates: CallRates
    tokens: TokenVerifier
    roles: RoleMap
    cors_origins: frozenset[str]
    keys: tuple[PlatformKey, ...]

    @classmethod
    def build(cls, environ: Mapping[str, str]) -> Self:
        """Build the services from environment variables. No connection is opened yet.

        Raises:
            SettingsError: a variable is missing or not valid.
        """
        settings = GatewaySettings.read(environ)
        signer, created_at = settings.build("execution_token_private_key", lambda key: parse_signer(read_material(key)))
        shared = _of_calls(settings, AwsApi(environ), signer, explain_failures=settings.explain_failures)
        max_age_days = settings.execution_key_max_age_days
        defaults = settings.build("default_limits", parse_defaults)
        return cls(
            **shared,
            settings=settings,
            rates=CallRates(RateLimiter(PostgresBuckets(shared["database"])), defaults),
            tokens=TokenVerifier.of(settings),
            roles=RoleMap(_words(settings.auth_read_roles), _words(settings.auth_write_roles)),
            cors_origins=parse_origins(settings.cors_origins),
            keys=(
                PlatformKey(
                    "execution", signer.key_id, "active", signs=True, created_at=created_at, max_age_days=max_age_days
                ),
            ),
        )


@dataclass(frozen=True, slots=True)
class DispatcherServices(CallServices):
    """The dispatcher's settings and clients; they live as long as the process. Threads share them.

    Attributes, in addition to those of ``CallServices``:
        settings: the validated environment.
        deliveries: the queue that the dispatcher reads. It sends the messages of deliveries that get a slot there too.
    """

    settings: DispatcherSettings
    deliveries: SqsQueue

    @classmethod
    def build(cls, environ: Mapping[str, str]) -> Self:
        """Build the services as ``Services.build`` does."""
        settings = DispatcherSettings.read(environ)
        api = AwsApi(environ)
        signer, _ = settings.build("execution_token_private_key", lambda key: parse_signer(read_material(key)))
        shared = _of_calls(settings, api, signer, explain_failures=False)
        return cls(**shared, settings=settings, deliveries=SqsQueue(settings.deliveries_queue_url, api))

    def close(self) -> None:
        """Close the connection to the database."""
        self.database.close()


def _of_calls(
    settings: GatewaySettings | DispatcherSettings, api: AwsApi, signer: LocalSigner, *, explain_failures: bool
) -> dict[str, Any]:
    """Return the members of ``CallServices``."""
    database = Database(settings.database_url.get_secret_value())
    defaults = settings.build("default_limits", parse_defaults)
    return {
        "database": database,
        "installs": Installs(database, settings.install_cache_ms / 1000, defaults),
        "default_timeout_ms": settings.ext_gateway_timeout_ms,
        "explain_failures": explain_failures,
        "execution_signer": signer,
        "runner": settings.build(
            "runner_base_url",
            lambda url: make_runner_client(url, api, isolated=settings.runner_isolation == "per_tenant"),
        ),
        "retries": RetryBudget(),
        "breakers": Breakers(),
        "executions": SqsQueue(settings.executions_queue_url, api),
        "now": lambda: datetime.now(UTC),
        "monotonic_s": time.monotonic,
    }


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
