"""``storage-v2``: pages, conditions, expiry, batches."""

from typing import Any

import pytest

from tests.conformance.guest import Guest
from tests.conformance.installs import Install, Installs
from tests.conformance.test_storage import Store, stored
from tests.conformance.values import Err, Ok

ALWAYS, ABSENT = {"tag": "always"}, {"tag": "absent"}
KIB = 1024


def revision(number: int) -> dict[str, Any]:
    return {"tag": "revision", "val": number}


def wanted(key: str, value: bytes = b"v", condition: dict[str, Any] = ALWAYS, ttl: int | None = None) -> dict[str, Any]:
    return {"namespace": "ns", "key": key, "value": value, "ttl-seconds": ttl, "condition": condition}


class NewStore(Store):
    """A store with the newer functions."""

    def put_with(
        self, key: str, value: bytes = b"v", condition: dict[str, Any] = ALWAYS, ttl: int | None = None
    ) -> Any:
        return self.call("storage-v2.put-with", wanted(key, value, condition, ttl))

    def put_many(self, *requests: dict[str, Any]) -> Any:
        return self.call("storage-v2.put-many", list(requests))

    def delete_if(self, key: str, number: int) -> Any:
        return self.call("storage-v2.delete-if", "ns", key, number)

    def page(
        self, prefix: str | None = None, cursor: str | None = None, limit: int = 25
    ) -> tuple[list[str], str | None]:
        page = self.call("storage-v2.list-page", "ns", prefix, cursor, limit).value
        return [entry["key"] for entry in page["entries"]], page["next-cursor"]

    def pages(self, prefix: str | None = None, limit: int = 25) -> list[list[str]]:
        found, cursor = self.page(prefix, None, limit)
        pages = [found]
        while cursor is not None:
            found, cursor = self.page(prefix, cursor, limit)
            pages.append(found)
        return pages


@pytest.fixture
def store(guest: Guest, install: Install) -> NewStore:
    return NewStore(guest, install)


def expire(installs: Installs, install: Install, key: str) -> None:
    """Let an entry's time be over, without waiting the minute that is the least."""
    past = "update app.extension_storage_entry set expires_at = now() - interval '1 second' "
    here = "where tenant_id = :tenant and install_id = cast(:install as uuid) and key = :key returning key"
    assert len(installs.rows(install, past + here, key=key)) == 1


# --- conditions ---


def test_a_put_without_a_condition_always_replaces(store: NewStore) -> None:
    assert store.put_with("k", b"one") == stored("k", b"one", 1)
    assert store.put_with("k", b"two") == stored("k", b"two", 2)
    assert store.get("k") == stored("k", b"two", 2)


def test_a_put_if_absent_puts_once(store: NewStore) -> None:
    assert store.put_with("k", b"one", ABSENT) == stored("k", b"one", 1)
    assert store.put_with("k", b"two", ABSENT) == Err("conflict")
    assert store.get("k") == stored("k", b"one", 1)
    store.delete("k")
    assert store.put_with("k", b"three", ABSENT) == stored("k", b"three", 1)


def test_a_put_with_a_revision_replaces_that_revision_only(store: NewStore) -> None:
    assert store.put_with("k", b"zero", revision(1)) == Err("conflict")
    store.put_with("k", b"one")
    assert store.put_with("k", b"two", revision(1)) == stored("k", b"two", 2)
    for number in (0, 1, 3, 2**53 - 1):
        assert store.put_with("k", b"lost", revision(number)) == Err("conflict")
    assert store.get("k") == stored("k", b"two", 2)


def test_a_delete_with_a_revision_deletes_that_revision_only(store: NewStore) -> None:
    assert store.delete_if("k", 1) == Err("missing")
    store.put("k", b"one")
    store.put("k", b"two")
    for number in (0, 1, 3, 2**53 - 1):
        assert store.delete_if("k", number) == Err("conflict")
    assert store.delete_if("k", 2) == Ok()
    assert store.delete_if("k", 2) == Err("missing")
    assert store.get("k") == Err("missing")


# --- expiry ---


@pytest.mark.parametrize("ttl", [60, 61, 86_400, 30 * 86_400])
def test_a_value_with_a_time_to_live_is_there_until_then(store: NewStore, ttl: int) -> None:
    assert store.put_with("k", b"v", ttl=ttl) == stored("k", b"v", 1)
    assert store.get("k") == stored("k", b"v", 1)


@pytest.mark.parametrize("ttl", [0, 1, 59, 30 * 86_400 + 1, 2**32 - 1])
def test_a_time_to_live_below_a_minute_or_above_thirty_days_is_denied(store: NewStore, ttl: int) -> None:
    assert store.put_with("k", b"v", ttl=ttl) == Err("denied")
    assert store.get("k") == Err("missing")


def test_the_stored_time_to_live_is_the_one_given(store: NewStore, installs: Installs, install: Install) -> None:
    store.put_with("k", b"v", ttl=3_600)
    left = "select extract(epoch from expires_at - now())::int as left_s from app.extension_storage_entry"
    (row,) = installs.rows(install, f"{left} where tenant_id = :tenant and install_id = cast(:install as uuid)")
    assert 3_500 < row["left_s"] <= 3_600


def test_what_has_expired_is_absent_to_every_function(store: NewStore, installs: Installs, install: Install) -> None:
    for key in ("a", "k", "z"):
        store.put_with(key, b"v", ttl=60)
    expire(installs, install, "k")
    assert store.get("k") == Err("missing")
    assert store.listed() == ["a", "z"]
    assert store.page() == (["a", "z"], None)
    assert store.put("k", b"lost", revision=1) == Err("conflict")
    assert store.put_with("k", b"lost", revision(1)) == Err("conflict")
    assert store.delete_if("k", 1) == Err("missing")


@pytest.mark.parametrize("condition", [ALWAYS, ABSENT])
def test_a_put_over_an_expired_value_starts_again(
    store: NewStore, installs: Installs, install: Install, condition: dict[str, Any]
) -> None:
    store.put_with("k", b"one", ttl=60)
    store.put_with("k", b"two", ttl=60)
    expire(installs, install, "k")
    assert store.put_with("k", b"three", condition) == stored("k", b"three", 1)
    assert store.get("k") == stored("k", b"three", 1)


def test_deleting_an_expired_value_finds_it_missing(store: NewStore, installs: Installs, install: Install) -> None:
    store.put_with("k", b"one", ttl=60)
    expire(installs, install, "k")
    assert store.delete("k") == Err("missing")


def test_a_put_without_a_time_to_live_lets_the_value_stay(
    store: NewStore, installs: Installs, install: Install
) -> None:
    store.put_with("k", b"one", ttl=60)
    store.put_with("k", b"two")
    here = "where tenant_id = :tenant and install_id = cast(:install as uuid)"
    (row,) = installs.rows(install, f"select expires_at from app.extension_storage_entry {here}")
    assert row["expires_at"] is None


# --- batches ---


def test_a_batch_answers_in_the_order_given(store: NewStore) -> None:
    store.put("b", b"old")
    outcome = store.put_many(wanted("c", b"3"), wanted("a", b"1", ABSENT), wanted("b", b"2", revision(1), 60))
    expected = [stored("c", b"3", 1), stored("a", b"1", 1), stored("b", b"2", 2)]
    assert outcome == Ok([entry.value for entry in expected])
    assert store.get("b") == stored("b", b"2", 2)


def test_a_batch_may_span_namespaces(store: NewStore) -> None:
    outcome = store.put_many(wanted("k", b"1"), {**wanted("k", b"2"), "namespace": "other"})
    assert [entry["namespace"] for entry in outcome.value] == ["ns", "other"]
    assert store.get("k", namespace="other") == stored("k", b"2", 1, "other")


@pytest.mark.parametrize("place", [0, 10, 19])
def test_a_batch_with_one_conflict_changes_nothing(store: NewStore, place: int) -> None:
    store.put("taken", b"old")
    requests = [wanted(f"k-{number}") for number in range(19)]
    requests.insert(place, wanted("taken", b"new", ABSENT))
    assert store.put_many(*requests) == Err("conflict")
    assert store.listed() == ["taken"]
    assert store.get("taken") == stored("taken", b"old", 1)


@pytest.mark.parametrize("wrong", [wanted(""), wanted("k", b"v" * (64 * KIB + 1)), wanted("k", ttl=1)])
def test_a_batch_with_one_request_that_cannot_be_changes_nothing(store: NewStore, wrong: dict[str, Any]) -> None:
    assert store.put_many(wanted("a"), wrong, wanted("b")) == Err("denied")
    assert store.listed() == []


def test_a_key_twice_in_a_batch_is_put_twice(store: NewStore) -> None:
    outcome = store.put_many(wanted("k", b"one"), wanted("k", b"two", revision(1)))
    assert [entry["revision"] for entry in outcome.value] == [1, 2]
    assert store.get("k") == stored("k", b"two", 2)


@pytest.mark.parametrize("count", [1, 20])
def test_a_batch_has_one_to_twenty_requests(store: NewStore, count: int) -> None:
    outcome = store.put_many(*[wanted(f"k-{number:02}") for number in range(count)])
    assert len(outcome.value) == count
    assert len(store.page(limit=100)[0]) == count


@pytest.mark.parametrize("count", [0, 21, 100])
def test_a_batch_of_none_or_more_than_twenty_is_denied(store: NewStore, count: int) -> None:
    assert store.put_many(*[wanted(f"k-{number}") for number in range(count)]) == Err("denied")
    assert store.listed() == []


@pytest.mark.parametrize("guest", ["wat", "cpython"], indirect=True)  # the JavaScript guest's JSON takes seconds
def test_a_batch_holds_512_kib_and_no_byte_more(store: NewStore) -> None:
    eight = [wanted(f"k-{number}", b"v" * 64 * KIB) for number in range(8)]
    assert len(store.put_many(*eight).value) == 8
    assert store.put_many(*eight, wanted("over", b"v")) == Err("denied")
    assert store.get("over") == Err("missing")


# --- pages ---


def filled(store: NewStore, keys: list[str]) -> None:
    for start in range(0, len(keys), 20):
        assert isinstance(store.put_many(*[wanted(key) for key in keys[start : start + 20]]), Ok)


@pytest.mark.parametrize(
    ("count", "limit", "sizes"), [(0, 10, [0]), (10, 10, [10]), (11, 10, [10, 1]), (45, 20, [20, 20, 5])]
)
def test_pages_follow_one_another_without_loss_or_repetition(
    store: NewStore, count: int, limit: int, sizes: list[int]
) -> None:
    keys = [f"key-{number:03}" for number in range(count)]
    filled(store, list(reversed(keys)))
    pages = store.pages(limit=limit)
    assert [len(page) for page in pages] == sizes
    assert [key for page in pages for key in page] == keys


def test_a_page_carries_values_and_revisions(store: NewStore) -> None:
    store.put("a", b"one")
    store.put("a", b"two")
    page = store.call("storage-v2.list-page", "ns", None, None, 10)
    assert page == Ok({"entries": [stored("a", b"two", 2).value], "next-cursor": None})


@pytest.mark.parametrize("limit", [1, 100])
def test_a_page_holds_one_to_a_hundred_entries(store: NewStore, limit: int) -> None:
    keys = [f"key-{number:03}" for number in range(101)]
    filled(store, keys)
    found, cursor = store.page(limit=limit)
    assert (found, cursor is None) == (keys[:limit], False)


@pytest.mark.parametrize("limit", [0, 101, 2**32 - 1])
def test_a_page_of_none_or_more_than_a_hundred_is_denied(store: NewStore, limit: int) -> None:
    assert store.call("storage-v2.list-page", "ns", None, None, limit) == Err("denied")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (None, 9), ("", 9), ("order/", 3), ("order/1", 2), ("order/10", 1), ("Order", 1), ("%", 1), ("_", 1),
        ("ünï", 1), ("🦊", 1), ("\\", 1), ("nothing", 0), ("order/10/more", 0),
    ],
)  # fmt: skip
def test_a_prefix_is_taken_literally(store: NewStore, prefix: str | None, expected: int) -> None:
    keys = ["order/1", "order/10", "order/2", "Order", "%x", "_x", "ünï/1", "🦊", "\\x"]
    filled(store, keys)
    found, _ = store.page(prefix, limit=100)
    assert found == sorted((key for key in keys if key.startswith(prefix or "")), key=str.encode)
    assert len(found) == expected


def test_pages_below_a_prefix_end_with_it(store: NewStore) -> None:
    filled(store, [f"{letter}-{number}" for letter in "abc" for number in range(7)])
    assert store.pages("b-", limit=3) == [["b-0", "b-1", "b-2"], ["b-3", "b-4", "b-5"], ["b-6"]]


def test_what_is_there_throughout_is_on_one_page_whatever_else_comes_and_goes(store: NewStore) -> None:
    kept = [f"key-{number:02}" for number in range(0, 40, 2)]
    filled(store, kept)
    found, cursor = store.page(limit=5)
    step = 0
    while cursor is not None:
        last = found[-1]
        store.put(f"{last}-after", b"new")
        store.put(f"key-{max(0, int(last[4:6]) - 3):02}-before", b"new")
        store.delete(f"{found[0]}-after")
        page, cursor = store.page(cursor=cursor, limit=5)
        found += page
        step += 1
    assert [key for key in found if key in kept] == kept
    assert len(found) == len(set(found))
    assert step > 3


def test_a_cursor_whose_entry_was_deleted_still_leads_on(store: NewStore) -> None:
    filled(store, ["a", "b", "c", "d"])
    found, cursor = store.page(limit=2)
    assert found == ["a", "b"]
    store.delete("b")
    assert store.page(cursor=cursor, limit=2)[0] == ["c", "d"]


@pytest.mark.parametrize("guest", ["wat", "cpython"], indirect=True)  # the JavaScript guest's JSON takes seconds
def test_pages_of_large_values_are_complete_too(store: NewStore) -> None:
    keys = [f"key-{number:02}" for number in range(40)]
    for start in range(0, 40, 8):
        assert isinstance(store.put_many(*[wanted(key, key.encode() * 10_000) for key in keys[start : start + 8]]), Ok)
    found, cursor = [], None
    while True:
        page = store.call("storage-v2.list-page", "ns", None, cursor, 100).value
        assert page["entries"]
        assert all(entry["value"] == entry["key"].encode() * 10_000 for entry in page["entries"])
        found += [entry["key"] for entry in page["entries"]]
        cursor = page["next-cursor"]
        if cursor is None:
            break
    assert found == keys
