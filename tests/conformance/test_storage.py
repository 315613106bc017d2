"""``storage``: get, put, delete and list, with revisions."""

from typing import Any

import pytest

from tests.conformance.conftest import EVERY_GUEST
from tests.conformance.envelopes import TENANT
from tests.conformance.guest import Guest
from tests.conformance.installs import Install, Installs
from tests.conformance.values import Err, Ok

KEYS = ["k", "a/b/c", "/leading", "trailing/", "ünï 🦊", "with space", "..", "a" * 256, "%2F", "'; drop table x; --"]


class Store:
    """The storage of one install, through one guest."""

    def __init__(self, guest: Guest, install: Install) -> None:
        self.guest = guest
        self._given: dict[str, Any] = {"tenant_id": install.tenant_id, "install_id": install.install_id}

    def call(self, function: str, *arguments: Any) -> Any:
        return self.guest.call(function, *arguments, **self._given)

    def put(self, key: str, value: bytes = b"v", revision: int | None = None, namespace: str = "ns") -> Any:
        entry = {"namespace": namespace, "key": key, "value": value, "revision": revision}
        return self.call("storage.put", entry)

    def get(self, key: str, namespace: str = "ns") -> Any:
        return self.call("storage.get", namespace, key)

    def delete(self, key: str, namespace: str = "ns") -> Any:
        return self.call("storage.delete", namespace, key)

    def listed(self, cursor: str | None = None, namespace: str = "ns") -> list[str]:
        return [entry["key"] for entry in self.call("storage.list-entries", namespace, cursor).value]


def stored(key: str, value: bytes, revision: int, namespace: str = "ns") -> Ok:
    return Ok({"namespace": namespace, "key": key, "value": value, "revision": revision})


@pytest.fixture
def store(guest: Guest, install: Install) -> Store:
    return Store(guest, install)


def test_what_is_put_is_got(store: Store) -> None:
    assert store.put("k", b"value") == stored("k", b"value", 1)
    assert store.get("k") == stored("k", b"value", 1)


def test_a_revision_starts_at_one_and_grows_by_one(store: Store) -> None:
    for revision in range(1, 6):
        value = f"value {revision}".encode()
        assert store.put("k", value) == stored("k", value, revision)
    assert store.get("k") == stored("k", b"value 5", 5)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_may_be_any_text(store: Store, key: str) -> None:
    assert store.put(key, b"v") == stored(key, b"v", 1)
    assert store.get(key) == stored(key, b"v", 1)
    assert store.listed() == [key]
    assert store.delete(key) == Ok()


@pytest.mark.parametrize("value", [b"", b"\0", bytes(range(256)), b"\xff\xfe", "ünï 🦊".encode(), b"v" * 65_536])
def test_a_value_may_be_any_bytes_up_to_64_kib(store: Store, value: bytes) -> None:
    assert store.put("k", value) == stored("k", value, 1)
    assert store.get("k") == stored("k", value, 1)


def test_a_put_with_the_stored_revision_replaces(store: Store) -> None:
    store.put("k", b"one")
    assert store.put("k", b"two", revision=1) == stored("k", b"two", 2)
    assert store.put("k", b"three", revision=2) == stored("k", b"three", 3)


@pytest.mark.parametrize("revision", [0, 1, 3, 2**32, 2**53 - 1])
def test_a_put_with_another_revision_is_a_conflict_and_changes_nothing(store: Store, revision: int) -> None:
    store.put("k", b"one")
    store.put("k", b"two")
    assert store.put("k", b"lost", revision=revision) == Err("conflict")
    assert store.get("k") == stored("k", b"two", 2)


@pytest.mark.parametrize("guest", ["wat", "cpython"], indirect=True)  # a number of JavaScript ends at 2^53
@pytest.mark.parametrize("revision", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_revision_that_no_entry_can_have_is_a_conflict(store: Store, revision: int) -> None:
    store.put("k", b"one")
    assert store.put("k", b"lost", revision=revision) == Err("conflict")


@pytest.mark.parametrize("revision", [0, 1])
def test_a_put_with_a_revision_where_nothing_is_stored_is_a_conflict(store: Store, revision: int) -> None:
    assert store.put("k", b"lost", revision=revision) == Err("conflict")
    assert store.get("k") == Err("missing")


def test_what_is_not_there_is_missing(store: Store) -> None:
    assert store.get("k") == Err("missing")
    assert store.delete("k") == Err("missing")
    assert store.listed() == []


def test_what_is_deleted_is_gone_and_starts_again(store: Store) -> None:
    store.put("k", b"one")
    store.put("k", b"two")
    assert store.delete("k") == Ok()
    assert store.get("k") == Err("missing")
    assert store.delete("k") == Err("missing")
    assert store.put("k", b"three") == stored("k", b"three", 1)


def test_namespaces_are_apart(store: Store) -> None:
    store.put("k", b"one", namespace="first")
    store.put("k", b"two", namespace="ünï/second")
    assert store.get("k", namespace="first") == stored("k", b"one", 1, "first")
    assert store.get("k", namespace="ünï/second") == stored("k", b"two", 1, "ünï/second")
    assert store.delete("k", namespace="first") == Ok()
    assert store.listed(namespace="first") == []
    assert store.listed(namespace="ünï/second") == ["k"]


@pytest.mark.parametrize("guest", EVERY_GUEST, indirect=True)
def test_installs_are_apart(guest: Guest, installs: Installs) -> None:
    ours, theirs = Store(guest, installs.make()), Store(guest, installs.make())
    ours.put("k", b"ours")
    assert theirs.get("k") == Err("missing")
    assert theirs.delete("k") == Err("missing")
    assert theirs.listed() == []
    assert theirs.put("k", b"theirs") == stored("k", b"theirs", 1)
    assert ours.get("k") == stored("k", b"ours", 1)


def test_another_tenant_reaches_nothing_under_the_same_install_id(guest: Guest, install: Install) -> None:
    Store(guest, install).put("k", b"ours")
    stranger = Store(guest, Install(f"{TENANT}-other", install.install_id))
    assert stranger.get("k") == Err("missing")
    assert stranger.listed() == []
    assert isinstance(stranger.put("k", b"theirs"), Err)
    assert Store(guest, install).get("k") == stored("k", b"ours", 1)


def test_entries_are_listed_by_key_with_values_and_revisions(store: Store) -> None:
    for key in ("b", "a", "c"):
        store.put(key, key.encode())
    store.put("b", b"again")
    entries = store.call("storage.list-entries", "ns", None).value
    assert [Ok(entry) for entry in entries] == [
        stored("a", b"a", 1), stored("b", b"again", 2), stored("c", b"c", 1),
    ]  # fmt: skip


def test_keys_are_in_the_order_of_their_code_points(store: Store) -> None:
    keys = ["B", "a", "A", "Z", "z", "ä", "é", "10", "9", "_", "~", "🦊", "\uffee"]
    for key in keys:
        store.put(key)
    assert store.listed() == sorted(keys, key=lambda key: key.encode())


def test_pages_of_25_follow_one_another_without_loss_or_repetition(store: Store) -> None:
    keys = [f"key-{number:03}" for number in range(60)]
    for start in range(0, 60, 20):
        requests = [
            {"namespace": "ns", "key": key, "value": b"v", "condition": {"tag": "always"}}
            for key in reversed(keys[start : start + 20])
        ]
        assert isinstance(store.call("storage-v2.put-many", requests), Ok)
    pages, cursor = [], None
    while page := store.listed(cursor):
        pages.append(page)
        cursor = page[-1]
    assert [len(page) for page in pages] == [25, 25, 10]
    assert [key for page in pages for key in page] == keys


@pytest.mark.parametrize("cursor", ["", "zzz", "key", "ünï", "no such key"])
def test_a_cursor_may_be_any_text(store: Store, cursor: str) -> None:
    for key in ("key-1", "key-2"):
        store.put(key)
    assert store.listed(cursor) == [key for key in ("key-1", "key-2") if key > cursor]


def test_several_calls_of_one_guest_call_build_on_each_other(guest: Guest, install: Install) -> None:
    entry = {"namespace": "ns", "key": "k", "value": b"v"}
    given = {"tenant_id": install.tenant_id, "install_id": install.install_id}
    assert guest.call("storage.put", entry, times=10, **given) == stored("k", b"v", 10)
    assert guest.ask("storage.get", "ns", "k", times=3, **given).usage.host_calls == {"storage.get": 3}
