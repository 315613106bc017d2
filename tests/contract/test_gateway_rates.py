"""Rates at the tenants' door: a real database, and callers of all kinds."""

import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.limits import parse_defaults
from alga_ext.stores.database import Database, Tx
from functions.gateway.gateway import Gateway
from functions.gateway.rates.buckets import PostgresBuckets
from functions.gateway.rates.calls import CallRates
from functions.gateway.rates.limiter import RateLimiter
from functions.gateway.resolution import Installs
from functions.gateway.services import Services
from tests.contract import test_gateway_handler
from tests.contract.test_gateway_handler import Door
from tests.support.counted_database import CountedDatabase

door = test_gateway_handler.door
BURST = 60
LIMITS = parse_defaults(json.dumps({"tenant": {"user": {"burst": BURST, "per_second": 0.001}}}))
"""With a rate at which nothing comes back while a test runs, however slow it is."""


class SlowDatabase(CountedDatabase):
    """A database whose every trip takes ``trip_s`` on the clocks of the gateway, without a wait."""

    trip_s = 0.0
    passed_s = 0.0

    @contextmanager
    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Iterator[Tx]:
        self.passed_s += self.trip_s
        with super().tenant(tenant_id, timeout_ms, durable=durable) as tx:
            yield tx


class Counted:
    """The door with a database that counts, and installs that stay cached."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.database = CountedDatabase(door.world.databases.gateway)
        self.services: Services = dataclasses.replace(
            door.services,
            database=self.database,
            installs=Installs(self.database, 60, LIMITS),
            rates=CallRates(RateLimiter(PostgresBuckets(self.database)), LIMITS),
        )
        door._gateway = Gateway(self.services)


@pytest.fixture
def counted(door: Door) -> Iterator[Counted]:
    made = Counted(door)
    yield made
    made.database.close()


def problem(answer: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def test_a_users_burst_is_answered_and_the_next_call_refused(counted: Counted) -> None:
    token = counted.door.token()
    answers = [counted.door.answer(token=token) for _ in range(BURST)]
    assert {answer["statusCode"] for answer in answers} == {200}
    assert answers[0]["headers"]["ratelimit-policy"] == (
        '"user";q=60;w=60000, "install";q=300;w=15, "tenant";q=1200;w=12'
    )
    assert answers[0]["headers"]["ratelimit"].startswith('"user";r=59;t=1000, "install";r=299;t=1')

    refused = counted.door.answer(token=token)
    assert (refused["statusCode"], problem(refused)["code"]) == (429, "rate_limited")
    assert problem(refused)["violated-policies"] == ["user"]
    assert 900 < int(refused["headers"]["retry-after"]) <= 1_000
    assert refused["headers"]["ratelimit"] == f'"user";r=0;t={refused["headers"]["retry-after"]}'
    assert len(counted.door.server.asked) == BURST


def test_a_refused_user_costs_no_trip_and_another_user_is_answered(counted: Counted) -> None:
    token = counted.door.token()
    while counted.door.call(token=token).status == 200:
        pass
    before = counted.database.transactions
    assert [counted.door.call(token=token).status for _ in range(5)] == [429] * 5
    assert counted.database.transactions == before
    other = counted.door.world.token(sub="ben", roles=["tenant_user"], tenant_id="tenant-a")
    assert counted.door.call(token=other).status == 200


def test_refusals_of_a_valid_token_count_toward_its_users_rate(counted: Counted) -> None:
    paths = ["no.such.extension/x", "acme.com.acme.notes/no-such-endpoint"]
    codes = [counted.door.call(paths[number % 2]).code for number in range(BURST + 10)]
    assert set(codes[:BURST]) == {"not_installed", "endpoint_not_found"}
    assert codes[BURST + 1 :] == ["rate_limited"] * 9
    before = counted.database.transactions
    assert counted.door.call(paths[0]).code == "rate_limited"
    assert counted.database.transactions == before, "the install is not looked for either"


def test_refusals_of_roles_and_named_tenants_count_too(counted: Counted) -> None:
    viewer = counted.door.token(roles=("tenant_viewer",))
    for number in range(BURST):
        headers = {"x_alga_tenant": "tenant-b"} if number % 2 else {}
        assert counted.door.call(method="POST", token=viewer, **headers).status == 403
    assert counted.door.call(token=viewer).code == "rate_limited"


def test_a_user_who_moves_to_another_tenant_has_a_rate_there(counted: Counted) -> None:
    while counted.door.call().status == 200:
        pass
    assert counted.door.call(token=counted.door.token("tenant-b")).code == "not_installed"


def test_an_address_that_sends_invalid_tokens_is_refused_and_known_tokens_from_it_are_not(counted: Counted) -> None:
    known = counted.door.token()
    assert counted.door.call(token=known).status == 200
    codes = [counted.door.call(token=f"a.b.{number}").code for number in range(101)]
    assert (set(codes[:100]), codes[100]) == ({"unauthenticated"}, "rate_limited")
    assert counted.door.call(token=known).status == 200


def test_a_call_whose_rates_cannot_be_read_is_refused_and_not_dispatched(counted: Counted) -> None:
    assert counted.door.call().status == 200
    asked = len(counted.door.server.asked)
    owner = Database(counted.door.world.databases.owner)
    with owner.system() as tx:
        tx.execute("revoke insert on app.call_rate from fn_gateway")
    owner.close()
    answer = counted.door.call()
    assert (answer.status, answer.code) == (503, "policy_unavailable")
    assert len(counted.door.server.asked) == asked


def test_slots_that_ended_while_the_install_was_looked_for_are_not_used(door: Door) -> None:
    limits = parse_defaults(json.dumps({"tenant": {"user": {"burst": 400, "per_second": 20}}}))
    database = SlowDatabase(door.world.databases.gateway)
    services: Services = dataclasses.replace(
        door.services,
        database=database,
        installs=Installs(database, 60, limits),
        rates=CallRates(RateLimiter(PostgresBuckets(database)), limits),
        now=lambda: datetime.now(UTC) + timedelta(seconds=database.passed_s),
        monotonic_s=lambda: time.monotonic() + database.passed_s,
    )
    door._gateway = Gateway(services)
    for _ in range(12):  # now the process holds slots of all three rates
        before = database.transactions
        assert door.call().status == 200
    assert database.transactions == before
    services.installs._known.clear()
    before, database.trip_s = database.transactions, 6.0
    assert door.call().status == 200
    assert database.transactions == before + 2, "one trip finds the install, one takes new slots"
    database.close()
