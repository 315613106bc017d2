"""What a warm call costs the database and the queue, counted; and a burst in which the limits change."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from alga_ext.calls.limits import parse_defaults
from alga_ext.stores.database import Database
from functions.gateway.gateway import Gateway
from functions.gateway.rates.buckets import PostgresBuckets
from functions.gateway.rates.calls import CallRates
from functions.gateway.rates.limiter import RateLimiter
from functions.gateway.resolution import Installs
from tests.conftest import Databases, fresh_databases
from tests.support.answering import Asked, Reply, answering
from tests.support.counted_database import CountedDatabase
from tests.support.gateway_front import INSTALL, Front, gateway_front, give_installs

SERVICE = {"burst": 600, "per_second": 20}
PLENTY = {"burst": 100_000, "per_second": 10_000}
WARM_CALLS = 31
"""1 + 2 + 4 + 8 + 16: the blocks of a caller double until they have 16 calls."""


@pytest.fixture(scope="module")
def shared(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with fresh_databases(postgres_server, template_database) as made:
        give_installs(made, "tenant-a", "tenant-b", "tenant-c")
        yield made


class Clocked:
    """A gateway whose monotonic clock is ``now_s``, and whose transactions are counted."""

    def __init__(self, front: Front, databases: Databases, limits: dict[str, Any]) -> None:
        self.now_s = 1_000.0
        self.database = CountedDatabase(databases.gateway)
        defaults = parse_defaults(json.dumps(limits))
        began = front.door.services.now()
        services = dataclasses.replace(
            front.door.services,
            database=self.database,
            installs=Installs(self.database, 2.0, defaults),
            rates=CallRates(RateLimiter(PostgresBuckets(self.database)), defaults),
            monotonic_s=lambda: self.now_s,
            now=lambda: began,
        )
        front.door.services = services
        front.gateway = Gateway(services)


def acknowledged(_: Asked) -> Reply:
    """What SQS answers, for tests with many calls."""
    return Reply(200, b"{}", {"content-type": "application/x-amz-json-1.0"})


def test_a_caller_at_twenty_a_second_makes_a_trip_for_each_block_and_none_inside(shared: Databases, aws: str) -> None:
    """The clock stands still, so that no block ends before it is used up, however slow the machine is."""
    limits = {"tenant": {"user": SERVICE, "tenant": PLENTY}, "install": {"rate": PLENTY}}
    with answering(acknowledged) as queue, gateway_front(shared.gateway, AWS_ENDPOINT_URL_SQS=queue.url) as front:
        clocked = Clocked(front, shared, limits)
        trips = []
        for _ in range(WARM_CALLS + 100):
            assert front.call(sub="service").status == 200
            trips.append(clocked.database.transactions)
    made = [later - earlier for earlier, later in pairwise(trips)][WARM_CALLS - 1 :]
    assert sum(made) <= 10
    assert "0" * 15 in "".join(map(str, made))


def test_a_person_costs_one_trip_a_call_and_the_quotas_none(shared: Databases, aws: str) -> None:
    """Limits and totals are read with the install, whose trip is the first call's other one."""
    quotas = {"day": {"calls": {"hard": 1_000}}, "month": {"cpu_ms": {"hard": 10**9}}}
    with gateway_front(shared.gateway) as front:
        clocked = Clocked(front, shared, {"tenant": {"quotas": quotas}, "install": {"quotas": quotas}})
        trips = []
        for _ in range(3):
            assert front.call(sub="person").status == 200
            trips.append(clocked.database.transactions)
    assert trips == [2, 3, 4]


def test_a_call_makes_exactly_two_requests_to_the_queue_and_one_to_the_runner(shared: Databases, aws: str) -> None:
    asked: Counter[str] = Counter()

    def acknowledge(request: Asked) -> Reply:
        asked[request.headers["x-amz-target"]] += 1
        return acknowledged(request)

    with answering(acknowledge) as queue, gateway_front(shared.gateway, AWS_ENDPOINT_URL_SQS=queue.url) as front:
        for _ in range(3):
            assert front.call(sub="two-requests").status == 200
        assert (dict(asked), len(front.door.server.asked)) == ({"AmazonSQS.SendMessage": 6}, 3)


def test_a_burst_goes_on_under_the_new_limit_when_the_install_is_read_again(shared: Databases, aws: str) -> None:
    """At one call in 1,000 s, nothing comes back while the test runs."""
    owner = Database(shared.owner)

    def limit(burst: int) -> None:
        document = json.dumps({"rate": {"burst": burst, "per_second": 0.001}})
        with owner.tenant("tenant-c") as tx:
            tx.execute("delete from app.extension_limit where install_id = :install_id", install_id=INSTALL)
            tx.execute(
                "insert into app.extension_limit (tenant_id, install_id, by_platform, changed_by) "
                "values ('tenant-c', :install_id, cast(:document as jsonb), 't')",
                install_id=INSTALL, document=document,
            )  # fmt: skip

    with gateway_front(shared.gateway) as front:
        clocked = Clocked(front, shared, {"install": {"rate": {"burst": 20, "per_second": 0.001}}})

        def statuses(calls: int) -> list[int]:
            return [front.call(tenant_id="tenant-c").status for _ in range(calls)]

        assert statuses(3) == [200] * 3
        limit(6)
        clocked.now_s += 1.9
        assert statuses(2) == [200] * 2, "under the limits as they were read"
        clocked.now_s += 0.2
        assert statuses(3) == [200, 429, 429]
        assert front.call(tenant_id="tenant-c").problem["violated-policies"] == ["install"]
        limit(8)
        clocked.now_s += 2.0
        assert statuses(4) == [200, 200, 429, 429]
        assert len(front.door.server.asked) == 8
    owner.close()


def test_one_user_id_in_two_tenants_is_two_users(shared: Databases, aws: str) -> None:
    with gateway_front(shared.gateway) as front:
        Clocked(front, shared, {"tenant": {"user": {"burst": 1, "per_second": 0.001}}})
        tenant_ids = ("tenant-a", "tenant-a", "tenant-b", "tenant-b")
        codes = [front.call(sub="moved", tenant_id=tenant_id).code for tenant_id in tenant_ids]
        assert codes == [None, "rate_limited"] * 2
