"""One connection serves one request after the other: what goes wrong in one must not be answered to the next."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from tests.conftest import Databases
from tests.support.registry import RegistryWorld
from tests.support.server_extension import publish_server, put_secret

BEFORE_YEAR_1 = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
AFTER_YEAR_9999 = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14)))
UNSENDABLE = [BEFORE_YEAR_1, AFTER_YEAR_9999, "\ud800"]


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    made = Database(databases.registry)
    yield made
    made.close()


def send(database: Database, value: Any) -> None:
    with database.tenant("tenant-a") as tx:
        tx.rows("select :value as value", value=value)


@pytest.mark.parametrize("value", UNSENDABLE, ids=repr)
def test_a_value_that_cannot_be_sent_is_the_callers_fault(database: Database, value: Any) -> None:
    with pytest.raises(PlatformError, match="invalid_request"):
        send(database, value)


@pytest.mark.parametrize("value", UNSENDABLE, ids=repr)
def test_after_a_value_that_cannot_be_sent_the_next_gets_its_own_answer(database: Database, value: Any) -> None:
    with database.system() as tx:
        tx.rows("select 1")
    with pytest.raises(PlatformError):
        send(database, value)

    with database.system() as tx:
        answers = [tx.rows("select cast(:n as int) as n, app.current_tenant() as tenant", n=n) for n in range(3)]

    assert answers == [[{"n": n, "tenant": None}] for n in range(3)]


def go_on_after_a_failure(database: Database) -> None:
    with database.tenant("tenant-a") as tx, suppress(PlatformError):
        tx.rows("select :value as value", value=BEFORE_YEAR_1)


def test_a_transaction_is_not_committed_after_a_value_that_could_not_be_sent(database: Database) -> None:
    with pytest.raises(RuntimeError, match="cannot be committed"):
        go_on_after_a_failure(database)

    with database.system() as tx:
        assert tx.rows("select 1 as n") == [{"n": 1}]


def fail(database: Database) -> None:
    with database.tenant("tenant-a") as tx:
        tx.rows("select 1 as n")
        raise ZeroDivisionError


def test_after_a_fault_of_ours_in_a_transaction_the_next_gets_its_own_answer(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        fail(database)

    with database.system() as tx:
        assert tx.rows("select app.current_tenant() as tenant") == [{"tenant": None}]


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_out_of_range_harms_no_other_request(world: RegistryWorld, instant: str) -> None:
    world.register()
    publish_server(world)
    install = world.install()
    theirs = world.install(tenant_id="tenant-b")

    refused = put_secret(world, install, "salt", value="x", expires_at=instant)

    seen = [world.call("GET", "/installs", world.tenant_admin(tenant)).body for tenant in ("tenant-a", "tenant-b") * 3]
    assert refused.status == 400, refused
    assert [[row["install_id"] for row in page["items"]] for page in seen] == [
        [install["install_id"]], [theirs["install_id"]]
    ] * 3  # fmt: skip


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("member", ["valid_from", "valid_until"])
def test_a_key_with_an_instant_out_of_range_is_refused(world: RegistryWorld, member: str, instant: str) -> None:
    world.register()
    body = {"public_key": LocalSigner.generate().public_pem, member: instant}

    refused = world.call("POST", "/publishers/acme/keys", world.publisher, body)

    assert (refused.status, refused.code) == (400, "invalid_request")


def test_one_returns_the_row_that_must_be_there(databases: Databases) -> None:
    database = Database(databases.registry)
    with database.system() as tx:
        assert tx.one("select 7 as n") == {"n": 7}
    database.close()


@pytest.mark.parametrize("count", [0, 2])
def test_one_raises_when_the_row_is_not_there_or_not_alone(databases: Databases, count: int) -> None:
    database = Database(databases.registry)
    with pytest.raises(LookupError, match=f"returned {count}"), database.system() as tx:
        tx.one("select * from generate_series(1, :count) as n", count=count)
    database.close()


def test_a_check_of_a_busy_connection_does_not_wait_for_it(databases: Databases) -> None:
    database = Database(databases.registry)
    with database.system() as tx:
        assert database.check() == {"connected": True}
        assert tx.one("select 7 as n") == {"n": 7}
    database.close()


def test_transactions_of_two_threads_wait_for_each_other(databases: Databases) -> None:
    database = Database(databases.registry)
    found: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            with database.system() as tx:
                found.append(tx.one("select cast(:number as integer) as n", number=number)["n"] == number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert found == [True] * 80
