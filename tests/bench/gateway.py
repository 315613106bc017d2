"""The gateway's own CPU time for a warm call, and calls through the local platform by many clients.

``python -m tests.bench.gateway`` prints tables, writes ``.build/bench/gateway.json``, and writes
docs/reference/performance.md from it.

- CPU: one gateway in this process with a real database. A queue and a runner that answer at once run in another
  process, so their time is not counted. The caller is a service account, whose calls are taken ahead in blocks.
- Clients: 1, 8 and 32 at once over HTTP to the whole platform, as ``make up`` starts it.
- Profile: which processes of the local platform use the CPU meanwhile, and which functions in its own process.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt

from alga_ext.calls.limits import parse_defaults
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.gateway.gateway import Gateway
from functions.gateway.rates.buckets import PostgresBuckets
from functions.gateway.rates.calls import CallRates
from functions.gateway.rates.limiter import RateLimiter
from functions.gateway.resolution import Installs
from functions.gateway.services import Services
from tests.bench.clients import Measured, Profile, through_the_platform
from tests.bench.measure import Timing
from tests.bench.performance_page import write_page
from tests.bench.targets import GATEWAY_CPU_MS, verdict
from tests.conftest import Databases, fresh_databases, migrated_database
from tests.support.counted_database import CountedDatabase
from tests.support.places import ROOT
from tests.support.rows import fill_tenant
from tests.support.servers import Loop, start_postgres
from tools.local.tokens import key_set

OUT: Final = ROOT / ".build" / "bench" / "gateway.json"
_LIMITS: Final = json.dumps(
    {
        "tenant": {"user": {"burst": 60_000, "per_second": 100}, "tenant": {"burst": 60_000, "per_second": 1_000}},
        "install": {"rate": {"burst": 60_000, "per_second": 1_000}},
    }
)
"""Rates at which a block is 50 calls of the user."""
_INSTALLED: Final = """
delete from app.extension_install_disabling;
update app.extension_version
set manifest = '{"publisher": "acme", "api": {"endpoints": [{"method": "GET", "path": "/notes"}]}}'
"""
_WARM: Final = 300


class OwnTime(NamedTuple):
    """What warm calls cost the gateway itself.

    Attributes:
        cpu_ms: CPU time of one call, in rounds.
        calls: how many were measured.
        trips: transactions with the database during these.
        by_request: requests to queue and runner during these, by kind.
    """

    cpu_ms: Timing
    calls: int
    trips: int
    by_request: dict[str, int]


@contextmanager
def stand_ins() -> Iterator[str]:
    """Run the queue and the runner that answer at once; yield their base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.stand_ins"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def own_time(databases: Databases, rounds: int, calls: int) -> OwnTime:
    """Measure a gateway in this process."""
    fill_tenant(databases, "acme")
    owner = Database(databases.owner)
    with owner.tenant("acme") as tx:
        tx.script(_INSTALLED)
    owner.close()
    host = LocalSigner.generate()
    with stand_ins() as url:
        counted = CountedDatabase(databases.gateway)
        services = Services.build(
            {
                "DATABASE_URL": databases.gateway,
                "RUNNER_BASE_URL": "lambda://runner",
                "EXECUTIONS_QUEUE_URL": f"{url}/executions",
                "EXECUTION_TOKEN_PRIVATE_KEY": LocalSigner.generate().private_pem,
                "AUTH_JWKS": key_set({"host": host.raw.public_key()}),
                "AUTH_ISSUER": "host",
                "AUTH_AUDIENCE": "alga",
                "AWS_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "bench",
                "AWS_SECRET_ACCESS_KEY": "bench",
                "AWS_ENDPOINT_URL": url,
            }
        )
        limits = parse_defaults(_LIMITS)
        services = dataclasses.replace(
            services,
            database=counted,
            installs=Installs(counted, 3_600, limits),
            rates=CallRates(RateLimiter(PostgresBuckets(counted)), limits),
        )
        gateway = Gateway(services)
        now_s = int(time.time())
        claims = {"sub": "service", "iss": "host", "aud": "alga", "iat": now_s, "exp": now_s + 3_600}
        claims |= {"tenant_id": "acme", "roles": ["tenant_user"]}
        token = jwt.encode(claims, host.raw, algorithm="EdDSA", headers={"kid": "host"})

        def call(number: int) -> None:
            answer = gateway.answer(_event(token, number))
            if answer["statusCode"] != 200:
                raise RuntimeError(answer["body"][:500])

        for number in range(_WARM):
            call(number)
        before, counted.transactions = _counts(url), 0
        samples = []
        for _ in range(rounds):
            started_s = time.process_time()
            for number in range(calls):
                call(number)
            samples.append((time.process_time() - started_s) / calls * 1_000)
        after = _counts(url)
        gateway.close()
        return OwnTime(
            Timing.of(samples),
            rounds * calls,
            counted.transactions,
            {kind: after[kind] - before.get(kind, 0) for kind in after},
        )


def _event(token: str, number: int) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/api/ext/com.acme.x/notes",
        "rawQueryString": "page=1",
        "headers": {"authorization": f"Bearer {token}", "accept": "*/*", "user-agent": "bench", "host": "api.example"},
        "requestContext": {"requestId": f"r-{number}", "http": {"method": "GET", "sourceIp": "10.0.0.1"}},
    }


def _counts(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/counts") as answer:
        found: dict[str, int] = json.loads(answer.read())
        return found


def faults(own: OwnTime) -> list[str]:
    """Return what is not as it must be."""
    found = []
    if own.by_request != {"AmazonSQS.SendMessage": 2 * own.calls, "invoke": own.calls}:
        found.append(
            f"{own.calls} calls must make two requests to the queue and one to the runner each: {own.by_request}"
        )
    if own.trips > own.calls * 0.1:
        found.append(f"{own.trips} trips to the database in {own.calls} calls; at most one in ten is allowed")
    if own.cpu_ms.p50_ms > GATEWAY_CPU_MS:
        found.append(f"a call costs {own.cpu_ms.p50_ms} ms of CPU; at most {GATEWAY_CPU_MS} are allowed")
    return found


def main() -> int:
    """Run from the command line; return 1 when something is not as it must be, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=20, help="for each number of clients")
    given = parser.parse_args()
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="alga-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = start_postgres(loop, folder)
        try:
            with fresh_databases(server.url, migrated_database(server.url)) as databases:
                own = own_time(databases, given.rounds, given.calls)
        finally:
            loop.run(server.stop())
    print(f"own CPU time of a warm call: p50 {own.cpu_ms.p50_ms} ms, {verdict(own.cpu_ms.p50_ms, GATEWAY_CPU_MS)}")
    print(f"{own.calls} calls: {own.trips} trips to the database, requests {own.by_request}")
    measured: list[Measured] = []
    profile: Profile | None = None
    if given.seconds:
        measured, profile = through_the_platform(loop, (1, 8, 32), given.seconds)
        for row in measured:
            print(f"{row.clients} clients: {row.calls_per_s:.0f} calls/s, {row.p50_ms:.1f} and {row.p99_ms:.1f} ms")
        write_page(own.cpu_ms, own.calls, own.trips, measured, profile)
    loop.close()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"own": own, "clients": measured, "profile": profile}, indent=2))
    found = faults(own)
    for fault in found:
        print(f"NOT AS IT MUST BE: {fault}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
