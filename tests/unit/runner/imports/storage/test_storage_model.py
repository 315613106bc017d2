"""Storage against a model: whatever a guest does, entries, revisions, pages and counters stay exact."""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.storage import rules as storage_rules
from functions.runner.imports.storage.storage import PutRequest, Storage
from tests.conftest import Databases
from tests.support.rows import fill_tenant
from tests.support.runner_fixture import EVERY_CAPABILITY, call

TENANT = "acme"
INSTALL = "00000000-0000-0000-0000-0000000000a1"
NAMESPACES = ("a", "b")
KEYS = tuple(f"k{n}" for n in range(6))


@pytest.fixture
def storage(databases: Databases) -> Iterator[Storage]:
    fill_tenant(databases, TENANT)
    database = Database(databases.runner)
    yield made(database)
    database.close()


def made(database: Database, install_id: str = INSTALL, tenant_id: str = TENANT) -> Storage:
    request = call("sha256:" + "0" * 64, tenant_id=tenant_id, install_id=install_id)
    deadline_ns = time.monotonic_ns() + 600_000_000_000
    return Storage(database, CallContext(request, frozenset(EVERY_CAPABILITY), deadline_ns, None, time.time))


class Model:
    """What storage should hold: (namespace, key) → value and revision."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], tuple[bytes, int]] = {}

    def put(self, place: tuple[str, str], value: bytes, condition: tuple[str, int | None]) -> Any:
        before = self.entries.get(place)
        case, revision = condition
        if (case == "absent" and before) or (case == "revision" and (before is None or before[1] != revision)):
            return (False, "conflict")
        self.entries[place] = (value, before[1] + 1 if before else 1)
        return (True, (*place, *self.entries[place]))

    def delete(self, place: tuple[str, str], revision: int | None) -> Any:
        before = self.entries.get(place)
        if before is None:
            return (False, "missing")
        if revision is not None and before[1] != revision:
            return (False, "conflict")
        del self.entries[place]
        return (True, None)

    def page(self, namespace: str, prefix: str, after: str, limit: int) -> list[tuple[str, str, bytes, int]]:
        keys = sorted(k for n, k in self.entries if n == namespace and k > after and k.startswith(prefix))
        return [(namespace, key, *self.entries[namespace, key]) for key in keys[:limit]]


def condition(dice: random.Random) -> tuple[str, int | None]:
    return dice.choice([("always", None), ("always", None), ("absent", None), ("revision", dice.randint(1, 3))])


def step(dice: random.Random, storage: Storage, model: Model, databases: Databases) -> None:
    place = (dice.choice(NAMESPACES), dice.choice(KEYS))
    value = dice.randbytes(dice.choice([0, 1, 10, 1_000]))
    match dice.randrange(8):
        case 0 | 1:
            wanted = condition(dice)
            ttl = dice.choice([None, None, 60])
            assert storage.put_with((*place, value, ttl, wanted)) == model.put(place, value, wanted)
        case 2:
            revision = dice.choice([None, dice.randint(0, 4)])
            wanted = ("always", None) if revision is None else ("revision", revision)
            assert storage.put((*place, value, revision)) == model.put(place, value, wanted)
        case 3:
            _put_many(dice, storage, model)
        case 4:
            assert storage.delete(*place) == model.delete(place, None)
        case 5:
            revision = dice.randint(1, 4)
            assert storage.delete_if(*place, revision) == model.delete(place, revision)
        case 6:
            found = model.entries.get(place)
            assert storage.get(*place) == ((True, (*place, *found)) if found else (False, "missing"))
        case _:
            _expire(dice, model, databases)


def _put_many(dice: random.Random, storage: Storage, model: Model) -> None:
    requests: list[PutRequest] = []
    for _ in range(dice.randint(1, 4)):
        place = (dice.choice(NAMESPACES), dice.choice(KEYS))
        requests.append((*place, dice.randbytes(5), None, condition(dice)))
    before = dict(model.entries)
    outcomes = [model.put((n, k), value, wanted) for n, k, value, _, wanted in requests]
    failed = next((outcome for outcome in outcomes if not outcome[0]), None)
    if failed is not None:
        model.entries = before
        assert storage.put_many(requests) == failed
    else:
        assert storage.put_many(requests) == (True, [entry for _, entry in outcomes])


def _expire(dice: random.Random, model: Model, databases: Databases) -> None:
    """Let one entry's time be over, as if the clock had gone on."""
    if not model.entries:
        return
    namespace, key = dice.choice(sorted(model.entries))
    del model.entries[namespace, key]
    database = Database(databases.owner)
    with database.tenant(TENANT) as tx:
        tx.execute(
            "update app.extension_storage_entry set expires_at = now() - interval '1 second' "
            "where tenant_id = :t and namespace = :n and key = :k",
            t=TENANT, n=namespace, k=key,
        )  # fmt: skip
    database.close()


def counted(databases: Databases) -> tuple[list[Any], list[Any]]:
    """The counters, and what they should be, both by namespace."""
    database = Database(databases.owner)
    with database.tenant(TENANT) as tx:
        counters = tx.rows(
            "select namespace, key_count as keys, byte_count as bytes from app.extension_storage_usage "
            "where key_count > 0 order by namespace"
        )
        truth = tx.rows(
            "select namespace, count(*) as keys, sum(octet_length(value) + octet_length(key))::bigint as bytes "
            "from app.extension_storage_entry group by namespace order by namespace"
        )
    database.close()
    return counters, truth


@pytest.mark.parametrize("seed", range(4))
def test_storage_does_what_the_model_does(storage: Storage, databases: Databases, seed: int) -> None:
    dice, model = random.Random(seed), Model()
    for _ in range(150):
        step(dice, storage, model, databases)
    for namespace in NAMESPACES:
        limit = dice.randint(1, 4)
        seen: list[Any] = []
        cursor = None
        while True:
            _, page = storage.list_page(namespace, None, cursor, limit)
            seen += page.entries
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == model.page(namespace, "", "", 1_000)
    counters, truth = counted(databases)
    assert counters == truth


def test_paging_neither_loses_nor_repeats_what_was_there_throughout(storage: Storage) -> None:
    dice = random.Random(7)
    kept = [f"kept-{n:03}" for n in range(60)]
    for start in range(0, 60, 20):
        assert storage.put_many([("p", key, b"v", None, ("always", None)) for key in kept[start : start + 20]])[0]
    seen: list[str] = []
    cursor = None
    while True:
        _, page = storage.list_page("p", "kept-", cursor, 7)
        seen += [entry[1] for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
        storage.put(("p", f"kept-{dice.randint(0, 59):03}x", b"new", None))
        storage.delete("p", f"kept-{dice.randint(0, 59):03}x")
        storage.put(("p", dice.choice(kept), b"changed", None))
    assert [key for key in seen if not key.endswith("x")] == kept


def test_an_expired_entry_is_new_when_it_is_put_again(storage: Storage, databases: Databases) -> None:
    storage.put_with(("a", "k", b"1", 60, ("always", None)))
    storage.put_with(("a", "k", b"2", 60, ("always", None)))
    model = Model()
    model.entries["a", "k"] = (b"2", 2)
    _expire(random.Random(0), model, databases)
    assert storage.put_with(("a", "k", b"3", None, ("absent", None))) == (True, ("a", "k", b"3", 1))


def test_a_plain_put_ends_an_entrys_lifetime(storage: Storage, databases: Databases) -> None:
    storage.put_with(("a", "k", b"1", 60, ("always", None)))
    storage.put(("a", "k", b"2", None))
    database = Database(databases.owner)
    with database.tenant(TENANT) as tx:
        row = tx.row("select expires_at from app.extension_storage_entry where namespace = 'a' and key = 'k'")
    database.close()
    assert row == {"expires_at": None}


def test_concurrent_puts_each_get_a_revision_of_their_own(databases: Databases) -> None:
    fill_tenant(databases, TENANT)
    revisions: list[int] = []

    def write() -> None:
        database = Database(databases.runner)
        try:
            for _ in range(10):
                is_ok, entry = made(database).put(("a", "k", b"v", None))
                if is_ok:
                    revisions.append(entry[3])
        finally:
            database.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(revisions) == list(range(1, 41))


def test_batches_that_cross_are_both_written(databases: Databases) -> None:
    """One takes the keys upwards, another downwards, and single writes and deletes come between."""
    fill_tenant(databases, TENANT)
    outcomes: list[tuple[bool, Any]] = []

    def write(keys: list[str]) -> None:
        database = Database(databases.runner)
        try:
            for _ in range(25):
                batch: list[PutRequest] = [("a", key, b"v" * 100, None, ("always", None)) for key in keys]
                outcomes.append(made(database).put_many(batch))
                outcomes.append((made(database).delete("a", keys[0])[1] != "internal", None))
        except PlatformError as error:
            outcomes.append((False, error.code))
        finally:
            database.close()

    upwards = [f"k{number}" for number in range(8)]
    threads = [threading.Thread(target=write, args=(keys,)) for keys in (upwards, upwards[::-1], upwards[3:5])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome for outcome in outcomes if not outcome[0]] == []
    assert len(outcomes) == 150


def test_only_one_of_two_concurrent_conditional_puts_wins(databases: Databases) -> None:
    fill_tenant(databases, TENANT)
    outcomes: list[bool] = []

    def write() -> None:
        database = Database(databases.runner)
        try:
            outcomes.append(made(database).put_with(("a", "once", b"v", None, ("absent", None)))[0])
        finally:
            database.close()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 5 + [True]


def test_one_key_too_many_is_denied_and_nothing_of_the_batch_stays(
    storage: Storage, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_rules, "KEYS_PER_NAMESPACE", 5)
    requests: list[PutRequest] = [("q", f"k{n}", b"v", None, ("always", None)) for n in range(6)]
    assert storage.put_many(requests) == (False, "denied")
    assert storage.list_entries("q", None) == (True, [])
    assert storage.put_many(requests[:5])[0]
    counters, truth = counted(databases)
    assert counters == truth


def test_the_database_holds_the_limits_itself(
    storage: Storage, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_rules, "NAMESPACES", 1_000)
    outcomes = [storage.put((f"n{number}", "k", b"v", None)) for number in range(33)]
    assert (outcomes[-1], sum(is_ok for is_ok, _ in outcomes)) == ((False, "denied"), 31)


def test_an_install_that_is_gone_is_denied(databases: Databases) -> None:
    database = Database(databases.runner)
    try:
        assert made(database, install_id=str(uuid.uuid4())).put(("a", "k", b"v", None)) == (False, "denied")
    finally:
        database.close()


def test_a_database_that_is_gone_is_no_answer_of_storage(databases: Databases) -> None:
    from alga_ext.errors import PlatformError

    database = Database("postgresql://fn_runner:x@127.0.0.1:1/gone")
    with pytest.raises(PlatformError, match="database_unavailable"):
        made(database).get("a", "k")


def test_another_tenants_session_sees_nothing(storage: Storage, databases: Databases) -> None:
    storage.put(("a", "k", b"secret", None))
    database = Database(databases.runner)
    try:
        assert made(database, tenant_id="globex").get("a", "k") == (False, "missing")
        assert made(database, install_id=str(uuid.uuid4())).get("a", "k") == (False, "missing")
    finally:
        database.close()
