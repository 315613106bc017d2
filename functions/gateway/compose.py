"""The gateway's composition root: the one place that reads its environment and builds its clients."""

import json
import os
import time
from datetime import UTC, datetime
from functools import cache

from alga_ext.edge.tokens import TokenVerifier
from alga_ext.settings import read_material
from alga_ext.stores.aws import SqsQueue
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.gateway.admission import RoleMap
from functions.gateway.dispatch import Runner, make_runner
from functions.gateway.resolution import Installs
from functions.gateway.settings import GatewaySettings

_RUNNER_MARGIN_S = 2.0
"""How much longer than the longest call the gateway waits for the runner: its own limits end a call first."""


@cache
def settings() -> GatewaySettings:
    """The gateway's settings."""
    return GatewaySettings.read(os.environ)


@cache
def installs() -> Installs:
    """Resolved installs, for the life of the process."""
    database = Database(settings().database_url.get_secret_value())
    return Installs(database, settings().install_cache_ms / 1000)


@cache
def token_verifier() -> TokenVerifier:
    """Verifies callers' bearer tokens."""
    given = settings()
    return TokenVerifier(
        jwks=given.auth_jwks,
        jwks_url=given.auth_jwks_url,
        issuer=given.auth_issuer,
        audience=given.auth_audience,
        claim_names=json.loads(given.auth_claim_names),
    )


@cache
def role_map() -> RoleMap:
    """Which roles may read and write through extensions."""
    given = settings()
    return RoleMap(_words(given.auth_read_roles), _words(given.auth_write_roles))


@cache
def execution_signer() -> LocalSigner:
    """The key that signs execution tokens."""
    return LocalSigner.from_pem(read_material(settings().execution_token_private_key.get_secret_value()))


@cache
def runner() -> Runner:
    """The runner."""
    return make_runner(settings().runner_base_url, settings().ext_gateway_timeout_ms / 1000 + _RUNNER_MARGIN_S)


@cache
def executions() -> SqsQueue:
    """The queue of execution records."""
    return SqsQueue(settings().executions_queue_url)


def now() -> datetime:
    """The present instant, UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """A clock that only goes forward, in seconds."""
    return time.monotonic()


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
