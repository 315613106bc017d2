"""One tenant floods the platform, and nine others do not notice: over HTTP, with the product's own limits."""

import http.client
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from alga_ext.stores.database import Database
from tests.bench.measure import Timing
from tests.support.servers import Loop
from tests.support.site import Site
from tests.support.wat import guest
from tools.local.platform import Options, Platform
from tools.local.state import ROOT

pytestmark = pytest.mark.flood
SECONDS = 60
FLOOD_PER_S = 200
OTHERS = [f"quiet-{number}" for number in range(9)]
PAUSE_S = 2.0
"""Of each other tenant's user between two calls."""
USER_BURST, USER_PER_S = 60, 1
HELLO = '(data (i32.const 0) "hello")'


@dataclass
class Answers:
    """What one caller got: times in milliseconds, statuses, and the request ids of the calls that were accepted."""

    times_ms: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)


class Flooded:
    """A platform with an install for each tenant."""

    def __init__(self, site: Site) -> None:
        self._site = site
        version = site.publish(guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 5))", data=HELLO))
        grants: dict[str, Any] = {"capabilities": [], "egress": [], "secrets": {}, "limits": {}}
        self._targets = {}
        for tenant in [*OTHERS, "flooder"]:
            admin = site.client_of({"sub": "admin", "tenant_id": tenant, "roles": ["tenant_admin"]})
            install = admin.install(version["name"], None, grants, {})["install_id"]
            admin.close()
            token = site.platform.keys.token({"sub": "ann", "tenant_id": tenant, "roles": ["tenant_user"]})
            self._targets[tenant] = (f"/api/ext/{install}/run", token)

    def call_on(self, tenant: str, answers: Answers, end_s: float, pause_s: float) -> None:
        """Call with a pause between the beginnings of two calls."""
        place = urlsplit(self._site.api)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        path, token = self._targets[tenant]
        next_s = time.monotonic()
        while (now_s := time.monotonic()) < end_s:
            time.sleep(max(0.0, next_s - now_s))
            next_s = max(next_s + pause_s, now_s)
            started_s = time.perf_counter()
            connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            answers.times_ms.append((time.perf_counter() - started_s) * 1_000)
            answers.statuses.append(answer.status)
            if answer.status == 200:
                answers.accepted.append(str(answer.headers["x-request-id"]))
        connection.close()

    def run(self, seconds: float, flooders: int) -> dict[str, list[Answers]]:
        """Let each tenant call; return each thread's answers."""
        end_s = time.monotonic() + seconds
        found: dict[str, list[Answers]] = {tenant: [Answers()] for tenant in OTHERS}
        found["flooder"] = [Answers() for _ in range(flooders)]
        threads = [
            threading.Thread(
                target=self.call_on,
                args=(tenant, one, end_s, PAUSE_S if tenant != "flooder" else flooders / FLOOD_PER_S),
            )
            for tenant, answers in found.items()
            for one in answers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def recorded(self, tenant: str) -> list[str]:
        """The request ids of the tenant's records, when all of them are finished."""
        sql = "select request_id, state from app.extension_execution_log"
        end_s = time.monotonic() + 120
        rows = self._site.rows(tenant, sql)
        while any(row["state"] != "finished" for row in rows):
            assert time.monotonic() < end_s, "a record is not finished"
            time.sleep(0.5)
            rows = self._site.rows(tenant, sql)
        return sorted(row["request_id"] for row in rows)

    def trips(self) -> float:
        """How often a call's three rates were changed, so far."""
        database = Database(self._site.platform.functions.specs["migrate"].environment["DATABASE_URL"])
        sql = "select n_tup_ins + n_tup_upd as changes from pg_stat_user_tables where relname = 'call_rate'"
        with database.system() as tx:
            changes = tx.one(sql)["changes"]
        database.close()
        return float(changes) / 3


@pytest.fixture(scope="module")
def flooded(server_loop: Loop) -> Iterator[Flooded]:
    state = ROOT / ".local" / f"flood-{os.getpid()}"
    platform = Platform(Options(state, 0, 0, 0, environ={}))
    server_loop.run(platform.start())
    try:
        site = Site(platform, server_loop)
        yield Flooded(site)
        site.close()
    finally:
        server_loop.run(platform.stop())
        shutil.rmtree(state, ignore_errors=True)


def test_a_flood_of_one_tenant_costs_the_others_nothing(flooded: Flooded) -> None:
    calm = flooded.run(SECONDS / 3, flooders=0)
    time.sleep(2)  # the server counts changes with a delay
    before = flooded.trips()
    started_s = time.monotonic()
    stormy = flooded.run(SECONDS, flooders=20)
    lasted_s = time.monotonic() - started_s
    time.sleep(2)
    trips = flooded.trips() - before

    for tenant in OTHERS:
        assert set(stormy[tenant][0].statuses) == {200}
        accepted = sorted(calm[tenant][0].accepted + stormy[tenant][0].accepted)
        assert flooded.recorded(tenant) == accepted, "each accepted call is recorded exactly once"
    flood = stormy["flooder"]
    statuses = [status for one in flood for status in one.statuses]
    admitted = statuses.count(200)
    assert set(statuses) == {200, 429}
    assert admitted <= USER_BURST + USER_PER_S * lasted_s + 1
    assert flooded.recorded("flooder") == sorted(request_id for one in flood for request_id in one.accepted)
    others = sum(len(stormy[tenant][0].statuses) for tenant in OTHERS)
    processes = len(flooded._site.platform.functions.pids("gateway"))
    assert trips <= others + USER_BURST + 2 * lasted_s * processes

    quiet, beside = (
        Timing.of([taken for tenant in OTHERS for taken in answers[tenant][0].times_ms]) for answers in (calm, stormy)
    )
    print(
        f"\n{len(statuses) / lasted_s:.0f} calls/s of the flooder, {admitted} admitted; {trips:.0f} trips, {others} "
        f"calls of the others; their p50 and p99 without flood {quiet.p50_ms:.1f} and {quiet.p99_ms:.1f} ms, with it "
        f"{beside.p50_ms:.1f} and {beside.p99_ms:.1f} ms"
    )
