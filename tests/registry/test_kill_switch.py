"""Withdraw, revoke and disable wait for no lock of a tenant's request, and for no session that is stuck."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from alga_ext.stores.database import Database, Tx
from functions.registry.installing import installs
from functions.registry.publishing import publishers, versions, withdrawal
from functions.registry.records import audit
from functions.registry.records.audit import Actor
from tests.support.impatient_database import ImpatientDatabase
from tests.support.refusals import code_of
from tests.support.registry import RegistryWorld
from tests.support.server_extension import publish_server, put_secret


class Holding(Database):
    """A database that does something else at the end of each tenant's transaction, while it still holds its locks."""

    def __init__(self, url: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(url)
        self._meanwhile = meanwhile

    @contextmanager
    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Iterator[Tx]:
        with super().tenant(tenant_id, timeout_ms, durable=durable) as tx:
            yield tx
            self._meanwhile()


@pytest.fixture
def operator(world: RegistryWorld) -> Iterator[Database]:
    """The connection of another process."""
    database = Database(world.databases.registry)
    yield database
    database.close()


@pytest.fixture
def installed(world: RegistryWorld) -> dict[str, Any]:
    world.register()
    publish_server(world, "1.0.0")
    publish_server(world, "1.1.0")
    publish_server(world, "1.2.0", egress=["*.example.com", "api.other.com"])
    return world.install("com.acme.notes", version="1.1.0")


def stop_everything(world: RegistryWorld, database: Database) -> None:
    """Do what withdraw, revoke and disable do in the database, waiting for no lock; keep nothing of it."""
    ids = [str(row["version_id"]) for row in world.rows("select version_id from app.extension_version")]
    key_id, now, who = world.publisher_key.key_id, world.services.now(), Actor("operator", "r")
    with suppress(_DoneError), database.system() as tx:
        tx.execute("select set_config('lock_timeout', '1', true)")
        publishers.lock_key(tx, "acme", key_id)
        publishers.revoke_key(tx, "acme", key_id, now, "r", who, now)
        versions.list_signed_since(tx, "acme", key_id, now)
        for version_id in ids:
            withdrawal.move(tx, versions.load_version(tx, version_id, lock=True), "withdrawn", "r", who, now)
        raise _DoneError
    with suppress(_DoneError), database.tenant("tenant-a") as tx:
        tx.execute("select set_config('lock_timeout', '1', true)")
        for install in installs.list_installs(tx, "tenant-a", "00000000-0000-0000-0000-000000000000", 10):
            installs.disable(tx, "tenant-a", str(install["install_id"]), who)
        raise _DoneError


class _DoneError(Exception):
    """Rolls back."""


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "update", {"version": "1.2.0"}),
    ("POST", "request/approve", {}),
    ("POST", "rollback", {"version": "1.0.0", "reason": "r"}),
    ("POST", "update", {"version": "1.2.0"}),
    ("POST", "request/decline", None),
    ("PUT", "config", {"config": {"colour": "red"}}),
    ("PUT", "grants", {"capabilities": []}),
    ("POST", "pin", None),
    ("POST", "unpin", None),
    ("POST", "disable", None),
    ("POST", "enable", None),
    ("DELETE", "", None),
]


def test_no_request_of_a_tenant_holds_a_lock_that_a_withdrawal_a_revocation_or_a_disabling_needs(
    world: RegistryWorld, installed: dict[str, Any], operator: Database
) -> None:
    asked: list[str] = []
    held: list[str] = []

    def meanwhile() -> None:
        stop_everything(world, operator)
        held.append(asked[-1])

    def call(method: str, path: str, body: Any) -> None:
        asked.append(path)
        answer = world.call(method, path, world.tenant_admin(), body)
        assert answer.status in (200, 201, 204), (path, answer)

    holding = Holding(world.databases.registry, meanwhile)
    with world.replaced(database=holding):
        for method, what, body in CHANGES:
            call(method, f"/installs/{installed['install_id']}/{what}".rstrip("/"), body)
        call("POST", "/installs", {"extension": "com.acme.notes"})
    holding.close()

    assert set(held) == set(asked)


@pytest.mark.parametrize("kill", ["withdraw", "revoke", "disable"])
def test_a_whole_request_that_stops_something_waits_for_no_open_transaction_of_a_tenant(
    world: RegistryWorld, installed: dict[str, Any], operator: Database, kill: str
) -> None:
    """The tenant's transaction has moved its install to the version that is withdrawn, and recorded it."""
    (version,) = world.rows("select version_id, content_hash from app.extension_version where version = '1.2.0'")
    key_path = f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke"
    path, token, body = {
        "withdraw": (f"/versions/{version['version_id']}/withdraw", world.admin, {"reason": "r"}),
        "revoke": (key_path, world.admin, {"reason": "r", "revoked_from": "2026-01-01T00:00:00Z"}),
        "disable": (f"/installs/{installed['install_id']}/disable", world.tenant_admin(), None),
    }[kill]
    impatient = ImpatientDatabase(world.databases.registry)
    move = "update app.tenant_extension_install set version_id = :version_id, content_hash = :content_hash"

    with operator.tenant("tenant-a") as tx, world.replaced(database=impatient):
        installs.load_install(tx, "tenant-a", installed["install_id"], lock=True)
        tx.execute(move, **version)
        audit.record(tx, "tenant-a", Actor("admin", "r"), "install.update", installed["install_id"])
        answer = world.call("POST", path, token, body)
    impatient.close()

    assert answer.status == 200, answer
    shown = world.call("GET", f"/installs/{installed['install_id']}", world.tenant_viewer()).body
    assert (shown["version_state"], shown["state"]) == {
        "withdraw": ("withdrawn", "enabled"),
        "revoke": ("withdrawn", "enabled"),
        "disable": ("ready", "disabled"),
    }[kill]


def test_a_secret_is_sealed_before_its_install_is_locked(
    world: RegistryWorld, installed: dict[str, Any], operator: Database
) -> None:
    """Sealing asks the key management service, which may take seconds."""
    sealing: list[bool] = []
    services = world.services

    class Watched:
        def generate(self, *arguments: Any, **named: Any) -> Any:
            sealing.append(services.database.in_transaction)
            return services.data_keys.generate(*arguments, **named)  # type: ignore[union-attr]

    with world.replaced(data_keys=Watched()):
        assert put_secret(world, installed, "salt", value="v").status == 200

    assert sealing == [False]


def test_a_schema_is_evaluated_and_signatures_are_read_outside_of_transactions(
    world: RegistryWorld, installed: dict[str, Any]
) -> None:
    services, reading = world.services, []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            if services.database.in_transaction:
                reading.append(name)
            return getattr(services.objects, name)

    with world.replaced(objects=Watched()):
        for method, what, body in [*CHANGES, ("POST", "", {"extension": "com.acme.notes"})]:
            path = f"/installs/{installed['install_id']}/{what}" if what or method == "DELETE" else "/installs"
            answer = world.call(method, path.rstrip("/"), world.tenant_admin(), body)
            assert answer.status in (200, 201, 204), (path, answer)

    assert reading == []


@pytest.mark.parametrize("kill", ["withdraw", "revoke", "uninstall"])
def test_a_stuck_session_that_holds_the_lock_is_ended_and_the_request_succeeds(
    world: RegistryWorld, installed: dict[str, Any], kill: str
) -> None:
    """As a function that is frozen inside a transaction."""
    version_id = world.rows("select version_id from app.extension_version where version = '1.1.0'")[0]["version_id"]
    key_id = world.publisher_key.key_id
    lock = {
        "withdraw": "select from app.extension_version where version_id = :id for update",
        "revoke": "select from app.publisher_key where key_id = :id for update",
        "uninstall": "select from app.tenant_extension_install where install_id = :id for no key update",
    }[kill]
    about = {"withdraw": str(version_id), "revoke": key_id, "uninstall": installed["install_id"]}[kill]
    method, path, token, body = {
        "withdraw": ("POST", f"/versions/{version_id}/withdraw", world.admin, {"reason": "r"}),
        "revoke": ("POST", f"/publishers/acme/keys/{key_id}/revoke", world.admin, {"reason": "r"}),
        "uninstall": ("DELETE", f"/installs/{installed['install_id']}", world.tenant_admin(), None),
    }[kill]
    stuck = Database(world.databases.owner)

    def stay_stuck() -> None:
        with stuck.tenant("tenant-a") as tx:
            tx.execute("set idle_in_transaction_session_timeout = 200")
            tx.rows(lock, id=about)
            assert world.call(method, path, token, body).status in (200, 204)

    assert code_of(stay_stuck) == "database_unavailable"
    stuck.close()


def test_the_waits_of_a_session_are_in_this_order(world: RegistryWorld) -> None:
    """A lock's holder that does nothing is ended before three waits for the lock are over."""
    with world.services.database.system() as tx:
        shown = {
            name: tx.one(f"show {name}")[name]
            for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        }

    assert shown == {
        "lock_timeout": "2500ms",
        "statement_timeout": "3s",
        "idle_in_transaction_session_timeout": "5s",
    }


def test_a_withdrawal_while_an_install_is_recorded_stops_it_all_the_same(
    world: RegistryWorld, installed: dict[str, Any]
) -> None:
    """The version's row is not locked by the install. Each call is decided by the version's state."""
    (row,) = world.rows("select version_id from app.extension_version where version = '1.2.0'")
    other = RegistryWorld.__new__(RegistryWorld)
    other.__dict__.update(world.__dict__, _services=None)
    withdrawn: list[int] = []

    def withdraw() -> None:
        if not withdrawn:
            withdrawn.append(0)
        elif withdrawn == [0]:
            answer = other.call("POST", f"/versions/{row['version_id']}/withdraw", other.admin, {"reason": "r"})
            withdrawn.append(answer.status)

    holding = Holding(world.databases.registry, withdraw)
    with world.replaced(database=holding):
        made = world.install("com.acme.notes", "tenant-b", version="1.2.0")
    holding.close()
    other.close()

    assert withdrawn == [0, 200]
    shown = world.call("GET", f"/installs/{made['install_id']}", world.tenant_viewer("tenant-b")).body
    assert shown["version_state"] == "withdrawn"


def test_an_open_transaction_is_known_to_its_own_thread_until_it_ends(world: RegistryWorld) -> None:
    """By this the evaluator refuses to work while the calling thread may hold locks."""
    database = world.services.database
    seen: list[bool] = []

    def look() -> None:
        seen.append(database.in_transaction)

    with suppress(_DoneError), database.tenant("tenant-a"):
        look()
        other = threading.Thread(target=look)
        other.start()
        other.join()
        raise _DoneError
    look()
    with database.system():
        look()
    look()

    assert seen == [True, False, False, True, False]
