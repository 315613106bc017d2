"""How the UI host uses the list of withdrawn bundles: how often it reads it, and how long it trusts it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.trust.signing import LocalSigner
from functions.uihost.withdrawn import WithdrawnBundles
from tests.support.keys import NOW, revoked, trust_in, trusted
from tests.support.memory_store import MemoryObjectStore
from tests.support.published_ui import LIST_LIFETIME, LISTING, list_withdrawn
from tests.support.refusals import code_of

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
TRUST = trust_in(trusted(LISTING, use="release"))


class _Store(MemoryObjectStore):
    """Counts reads, and can be gone."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.is_gone = False

    def get(self, key: str) -> bytes:
        self.reads += 1
        if self.is_gone:
            raise PlatformError("object_store_unavailable", "The store is gone.")
        return super().get(key)


class _Host:
    """A process of the UI host, whose time a test moves."""

    def __init__(self, store: _Store, started_at: datetime = NOW, lifetime: timedelta = LIST_LIFETIME) -> None:
        self.store, self.now, self.s, self.trust = store, started_at, 1_000.0, TRUST
        self.withdrawn = WithdrawnBundles(store, lambda: self.trust, lifetime, lambda: self.now, lambda: self.s)

    def pass_time(self, seconds: float) -> None:
        self.s += seconds
        self.now += timedelta(seconds=seconds)

    def named(self) -> set[str] | str | None:
        """What the current list names, or the code of the refusal."""
        refusal = code_of(self.withdrawn.current)
        return refusal if refusal is not None else set(self.withdrawn.current().hashes)


@pytest.fixture
def store() -> _Store:
    made = _Store()
    list_withdrawn(made, ONE)
    return made


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """Return the lines that were logged since the last call, as their fields."""

    def lines() -> list[dict[str, Any]]:
        found = [vars(record) for record in caplog.records]
        caplog.clear()
        return found

    return lines


def test_the_list_is_read_at_most_every_thirty_seconds(store: _Store) -> None:
    host = _Host(store)
    for _ in range(600):
        host.named()
        host.pass_time(0.1)

    assert store.reads == 2


def test_a_new_list_is_seen_after_thirty_seconds(store: _Store) -> None:
    host = _Host(store)
    assert host.named() == {ONE}
    list_withdrawn(store, ONE, TWO)
    host.pass_time(29.9)
    assert host.named() == {ONE}
    host.pass_time(0.1)

    assert host.named() == {ONE, TWO}


@pytest.mark.parametrize("fault", ["gone", "deleted", "another-key", "no-list"])
def test_without_a_readable_list_the_last_one_is_used_until_it_expires(store: _Store, fault: str) -> None:
    host = _Host(store)
    assert host.named() == {ONE}
    _break(store, fault)
    host.pass_time(3_599)
    assert host.named() == {ONE}
    host.pass_time(1)

    assert host.named() == "policy_unavailable"


@pytest.mark.parametrize("fault", ["gone", "deleted", "another-key", "no-list"])
def test_a_new_process_without_a_readable_list_shows_nothing_and_tries_again_each_second(
    store: _Store, fault: str
) -> None:
    intact = dict(store.objects)
    _break(store, fault)
    host = _Host(store)
    for _ in range(50):
        assert host.named() == "policy_unavailable"
        host.pass_time(0.1)
    reads = store.reads
    store.objects, store.is_gone = intact, False
    host.pass_time(1)

    assert reads == 5
    assert host.named() == {ONE}


def _break(store: _Store, fault: str) -> None:
    key = object_keys.withdrawn_list()
    match fault:
        case "gone":
            store.is_gone = True
        case "deleted":
            store.delete(key)
        case "another-key":
            list_withdrawn(store, signer=LocalSigner.generate())
        case _:
            store.objects[key] = b"{}"


def test_an_older_list_is_ignored_and_logged(store: _Store, logged: Callable[[], list[dict[str, Any]]]) -> None:
    old = store.objects[object_keys.withdrawn_list()]
    list_withdrawn(store, ONE, TWO, at=NOW + timedelta(seconds=5))
    host = _Host(store, NOW + timedelta(seconds=10))
    assert host.named() == {ONE, TWO}
    store.objects[object_keys.withdrawn_list()] = old
    logged()
    host.pass_time(30)

    assert host.named() == {ONE, TWO}
    (line,) = logged()
    assert (line["levelname"], line["stored_sequence"], line["accepted_sequence"]) == ("ERROR", "1", "2")


def test_an_older_list_with_as_many_bundles_does_not_shorten_the_time(store: _Store) -> None:
    old = store.objects[object_keys.withdrawn_list()]
    list_withdrawn(store, ONE, at=NOW + timedelta(minutes=10))
    host = _Host(store, NOW + timedelta(minutes=10))
    assert host.named() == {ONE}
    store.objects[object_keys.withdrawn_list()] = old
    host.pass_time(3_599)

    assert host.named() == {ONE}


def test_a_new_process_can_be_shown_an_older_list_until_that_expires_and_no_longer(store: _Store) -> None:
    """The bound of a rollback, as the threat model says it."""
    list_withdrawn(store, ONE, TWO, at=NOW + timedelta(seconds=5))
    rolled_back = _Store()
    list_withdrawn(rolled_back, ONE)
    host = _Host(rolled_back, NOW + timedelta(seconds=10))

    assert host.named() == {ONE}
    host.pass_time(3_590)
    assert host.named() == "policy_unavailable"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1_000)), min_size=1, max_size=8))
def test_what_a_process_has_seen_withdrawn_never_comes_back(versions: list[tuple[int, int]]) -> None:
    store = _Store()
    host = _Host(store, NOW + timedelta(seconds=1_000))
    seen = 0
    for count, issued_s in versions:
        list_withdrawn(store, *[ONE, TWO, THREE][:count], at=NOW + timedelta(seconds=issued_s))
        named = host.named()
        assert isinstance(named, set)
        assert len(named) >= seen
        seen = len(named)
        host.pass_time(30)


def test_a_list_is_used_for_no_longer_than_this_stage_allows(store: _Store) -> None:
    host = _Host(store, lifetime=timedelta(seconds=300))
    store.is_gone = False
    assert host.named() == {ONE}
    host.pass_time(299)
    assert host.named() == {ONE}
    host.pass_time(1)

    assert host.named() == "policy_unavailable"


def test_a_revoked_key_ends_its_list_at_once(store: _Store) -> None:
    host = _Host(store)
    assert host.named() == {ONE}
    host.trust = trust_in(trusted(LISTING, use="release"), revocations=[revoked(LISTING, NOW)])
    assert host.named() == "policy_unavailable"
    another = LocalSigner.generate()
    host.trust = trust_in(trusted(another, use="release"))
    list_withdrawn(store, TWO, signer=another)  # as few bundles as before: the revoked key's sequence does not count

    assert host.named() == {TWO}


def test_a_list_older_than_half_its_lifetime_raises_the_alarm_once_in_thirty_seconds(
    store: _Store, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    host = _Host(store)
    host.pass_time(1_770)
    host.named()
    assert logged() == []
    for _ in range(300):
        host.pass_time(0.1)
        host.named()
    assert logged() == []
    host.pass_time(30)
    host.named()
    host.named()

    (line,) = logged()
    (metric,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["levelname"], line["WithdrawnListStale"]) == ("ERROR", 1)
    assert (metric["Namespace"], metric["Metrics"][0]["Name"]) == ("AlgaExtensions/Platform", "WithdrawnListStale")
    assert line["expires_at"] == (NOW + LIST_LIFETIME).isoformat()


def test_a_list_that_is_renewed_raises_no_alarm(store: _Store, logged: Callable[[], list[dict[str, Any]]]) -> None:
    host = _Host(store)
    for minute in range(120):
        list_withdrawn(store, ONE, at=NOW + timedelta(minutes=minute))
        assert host.named() == {ONE}
        host.pass_time(60)

    assert logged() == []
