"""One connection serves one request after the other: what goes wrong in one must not be answered to the next."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from alga_ext.telemetry import PARENT
from alga_ext.trust.signing import LocalSigner
from tests.conftest import Databases
from tests.support.registry import RegistryWorld
from tests.support.scripted_server import ScriptedServer
from tests.support.server_extension import publish_server, put_secret

BEFORE_YEAR_1 = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
AFTER_YEAR_9999 = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14)))
NAME = f"{PARENT.name}.database"
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


class Ended(NamedTuple):
    """A database whose kept connection the server has ended, and the SQLSTATE that it gave."""

    database: Database
    sqlstate: str


def end_when_idle(databases: Databases, database: Database) -> None:
    """Let the server end the connection of a database because it is idle."""
    with database.system() as tx:
        process_id = tx.one("select pg_backend_pid() as id")["id"]
        tx.rows("select set_config('idle_session_timeout', '20ms', false)")
    await_end(databases, process_id)


def terminate(databases: Databases, database: Database) -> None:
    """Let an operator end the connection of a database."""
    with database.system() as tx:
        process_id = tx.one("select pg_backend_pid() as id")["id"]
    owner = Database(databases.owner)
    with owner.system() as tx:
        tx.rows("select pg_terminate_backend(:id)", id=process_id)
    owner.close()
    await_end(databases, process_id)


def await_end(databases: Databases, process_id: int) -> None:
    owner = Database(databases.owner)
    for _ in range(500):
        with owner.system() as tx:
            if not tx.rows("select 1 from pg_stat_activity where pid = :id", id=process_id):
                break
        time.sleep(0.02)
    owner.close()


@pytest.fixture(params=[(end_when_idle, "57P05"), (terminate, "57P01")], ids=["idle", "terminated"])
def ended(request: pytest.FixtureRequest, databases: Databases, database: Database) -> Ended:
    end, sqlstate = request.param
    end(databases, database)
    return Ended(database, sqlstate)


def test_a_connection_that_the_server_ended_is_replaced_once(ended: Ended) -> None:
    with ended.database.system() as tx:
        assert tx.one("select 7 as n") == {"n": 7}


def test_a_replaced_connection_is_no_error_in_the_log(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=NAME)
    with ended.database.system() as tx:
        tx.rows("select 1")

    (record,) = (record for record in caplog.records if record.name == NAME)
    assert (record.levelno, vars(record)["reason"]) == (logging.INFO, ended.sqlstate)


def test_a_connection_that_was_idle_for_too_long_is_not_broken(databases: Databases, database: Database) -> None:
    end_when_idle(databases, database)

    assert [database.check(), database.check()] == [{"connected": False}] * 2


def test_a_connection_that_an_operator_ended_is_broken(databases: Databases, database: Database) -> None:
    terminate(databases, database)

    with pytest.raises(PlatformError, match="database_unavailable"):
        database.check()


def test_a_connection_that_the_server_did_not_end_is_kept(database: Database) -> None:
    found = []
    for _ in range(2):
        with database.system() as tx:
            found.append(tx.one("select pg_backend_pid() as id"))

    assert found[0] == found[1]


@pytest.mark.parametrize("place", ["127.0.0.1:1/d", "/d?host=/no/such/folder"], ids=["address", "folder"])
def test_a_database_that_cannot_be_reached_may_be_asked_again_when_it_can_have_resumed(place: str) -> None:
    with pytest.raises(PlatformError) as refused, Database(f"postgresql://r@{place}").system():
        pass

    assert (refused.value.code, refused.value.retry_after_s) == ("database_unavailable", 15)


def test_a_database_that_is_starting_may_be_asked_again_when_it_can_have_resumed() -> None:
    starting = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    with ScriptedServer(lambda _: b"E" + (len(starting) + 4).to_bytes(4) + starting, until=b"\0\0") as server:
        port = urlsplit(server.url).port
        with pytest.raises(PlatformError) as refused, Database(f"postgresql://r@127.0.0.1:{port}/d").system():
            pass

    assert (refused.value.code, refused.value.retry_after_s) == ("database_unavailable", 15)
    assert "57P03" in str(refused.value.context)


def test_a_busy_database_may_be_asked_again_soon(databases: Databases, database: Database) -> None:
    with database.system() as tx:
        tx.rows("select set_config('statement_timeout', '10', false)")
    with pytest.raises(PlatformError) as refused, database.system() as tx:
        tx.rows("select pg_sleep(60)")

    assert (refused.value.code, refused.value.retry_after_s) == ("database_unavailable", 1)


def test_the_registry_says_when_to_ask_a_database_again_that_may_be_paused(world: RegistryWorld) -> None:
    with world.replaced(database=Database("postgresql://nobody@127.0.0.1:1/none")):
        answer = world.call("GET", "/installs", world.tenant_admin())

    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "database_unavailable", "15")
