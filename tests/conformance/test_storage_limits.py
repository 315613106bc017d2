"""Storage at the edges of what may be kept."""

from typing import Any

import pytest

from tests.conformance.guest import Guest
from tests.conformance.installs import Install, Installs
from tests.conformance.test_storage import Store, stored
from tests.conformance.values import Err, Ok

KIB = 1024
BAD_NAMESPACES = ["", "n" * 129, "a\0b", "a\nb", "\x7f", "\x85"]
BAD_KEYS = ["", "k" * 257, "/", "//", "////", "a\0b", "a\nb", "\t", "\x7f", "\x9f"]

_FILL = """
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value)
select :tenant, cast(:install as uuid), :namespace, 'fill-' || n, cast(repeat('x', :size) as bytea)
from generate_series(1, :count) as n returning 1 as one
"""


@pytest.fixture
def store(guest: Guest, install: Install) -> Store:
    return Store(guest, install)


@pytest.fixture
def any_store(any_guest: Guest, install: Install) -> Store:
    return Store(any_guest, install)


@pytest.mark.parametrize("namespace", ["n", "n" * 128, "ü" * 128, "🦊" * 128, "a b/c", " "])
def test_a_namespace_has_1_to_128_characters(store: Store, namespace: str) -> None:
    assert store.put("k", b"v", namespace=namespace) == stored("k", b"v", 1, namespace)
    assert store.get("k", namespace=namespace) == stored("k", b"v", 1, namespace)


@pytest.mark.parametrize("key", ["k", "k" * 256, "ü" * 256, "🦊" * 256, " ", "/k/"])
def test_a_key_has_1_to_256_characters(store: Store, key: str) -> None:
    assert store.put(key) == stored(key, b"v", 1)
    assert store.get(key) == stored(key, b"v", 1)


def every_function(store: Store, namespace: str, key: str) -> dict[str, Any]:
    request = {"namespace": namespace, "key": key, "value": b"v", "condition": {"tag": "always"}}
    return {
        "get": store.get(key, namespace),
        "put": store.put(key, namespace=namespace),
        "delete": store.delete(key, namespace),
        "put-with": store.call("storage-v2.put-with", request),
        "put-many": store.call("storage-v2.put-many", [request]),
        "delete-if": store.call("storage-v2.delete-if", namespace, key, 1),
    }


@pytest.mark.parametrize("namespace", BAD_NAMESPACES)
def test_a_namespace_that_cannot_be_is_denied_everywhere(store: Store, namespace: str) -> None:
    assert set(every_function(store, namespace, "k").values()) == {Err("denied")}
    assert store.call("storage.list-entries", namespace, None) == Err("denied")
    assert store.call("storage-v2.list-page", namespace, None, None, 10) == Err("denied")


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_cannot_be_is_denied_everywhere(store: Store, key: str) -> None:
    assert set(every_function(store, "ns", key).values()) == {Err("denied")}


@pytest.mark.parametrize("text", ["a\0b", "\0"])
def test_a_cursor_or_prefix_that_no_key_can_follow_is_denied(store: Store, text: str) -> None:
    assert store.call("storage.list-entries", "ns", text) == Err("denied")
    assert store.call("storage-v2.list-page", "ns", text, None, 10) == Err("denied")
    assert store.call("storage-v2.list-page", "ns", None, text, 10) == Err("denied")


def test_a_value_of_64_kib_is_kept_and_one_byte_more_is_denied(store: Store) -> None:
    assert store.put("k", b"v" * 64 * KIB) == stored("k", b"v" * 64 * KIB, 1)
    assert store.put("k", b"v" * (64 * KIB + 1)) == Err("denied")
    assert store.put("other", b"v" * (64 * KIB + 1)) == Err("denied")
    assert store.get("k") == stored("k", b"v" * 64 * KIB, 1)
    assert store.get("other") == Err("missing")


def test_an_install_has_32_namespaces(any_store: Store) -> None:
    for number in range(32):
        assert any_store.put("k", namespace=f"ns-{number}") == stored("k", b"v", 1, f"ns-{number}")
    assert any_store.put("k", namespace="one-more") == Err("denied")
    assert any_store.get("k", namespace="one-more") == Err("missing")
    assert any_store.put("another", namespace="ns-0") == stored("another", b"v", 1, "ns-0")
    assert any_store.delete("k", namespace="ns-31") == Ok()
    assert any_store.put("k", namespace="one-more") == stored("k", b"v", 1, "one-more")


def test_a_namespace_has_5120_keys(any_store: Store, installs: Installs, install: Install) -> None:
    assert len(installs.rows(install, _FILL, namespace="ns", size=1, count=5_119)) == 5_119
    assert any_store.put("last") == stored("last", b"v", 1)
    assert any_store.put("one-more") == Err("denied")
    assert any_store.get("one-more") == Err("missing")
    assert any_store.put("last", b"again") == stored("last", b"again", 2)
    assert any_store.put("k", namespace="other") == stored("k", b"v", 1, "other")
    assert any_store.delete("last") == Ok()
    assert any_store.put("one-more") == stored("one-more", b"v", 1)


def test_an_install_keeps_256_mib(any_store: Store, installs: Installs, install: Install) -> None:
    # 4,094 values of 64 KiB and their keys leave room for one more value, and not for two.
    assert len(installs.rows(install, _FILL, namespace="ns", size=64 * KIB, count=4_094)) == 4_094
    assert isinstance(any_store.put("a", b"v" * 64 * KIB), Ok)
    assert any_store.put("b", b"v" * 64 * KIB) == Err("denied")
    assert any_store.get("b") == Err("missing")
    assert any_store.put("a", b"") == stored("a", b"", 2)
    assert isinstance(any_store.put("b", b"v" * 64 * KIB), Ok)


def test_a_batch_that_would_pass_a_limit_changes_nothing(
    any_store: Store, installs: Installs, install: Install
) -> None:
    assert len(installs.rows(install, _FILL, namespace="ns", size=1, count=5_110)) == 5_110
    requests = [
        {"namespace": "ns", "key": f"k-{number}", "value": b"v", "condition": {"tag": "always"}} for number in range(11)
    ]
    assert any_store.call("storage-v2.put-many", requests) == Err("denied")
    assert any_store.get("k-0") == Err("missing")
    assert isinstance(any_store.call("storage-v2.put-many", requests[:10]), Ok)
