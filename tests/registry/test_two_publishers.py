"""Two publishers with two keys each: what is done to one thing leaves the other three alone."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database, Tx
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import LocalSigner
from functions.registry.publishing import publishers
from functions.registry.records.audit import Actor
from tests.conftest import Databases, fresh_databases
from tests.support.keys import trust_in, trusted
from tests.support.refusals import code_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SOMEBODY = Actor("dev", "request")
KEYS = {
    "acme": (LocalSigner.generate(), LocalSigner.generate()),
    "globex": (LocalSigner.generate(), LocalSigner.generate()),
}
ONE, OTHER = (key.key_id for key in KEYS["acme"])
FOREIGN = KEYS["globex"][0].key_id


class _Undone(Exception):
    """Ends a test's transaction without a trace."""


@pytest.fixture(scope="module")
def database(postgres_server: str, template_database: str) -> Iterator[Database]:
    with fresh_databases(postgres_server, template_database) as databases:
        made = Database(databases.registry)
        yield made
        made.close()


@pytest.fixture
def tx(database: Database) -> Iterator[Tx]:
    with suppress(_Undone), database.system() as tx:
        for publisher, keys in KEYS.items():
            publishers.create_publisher(tx, publisher, publisher.title(), [f"com.{publisher}."], SOMEBODY, NOW)
            for key in keys:
                publishers.add_key(tx, publisher, key.public_pem, NOW, None, SOMEBODY, NOW)
        yield tx
        raise _Undone


def states(tx: Tx) -> dict[str, tuple[Any, Any]]:
    return {
        row["key_id"]: (row["valid_until"], row["revoked_from"])
        for publisher in KEYS
        for row in publishers.list_keys(tx, publisher, ("-infinity", ""), 10)
    }


def last_entry(tx: Tx) -> dict[str, Any]:
    """The newest entry of the transparency log."""
    entry: dict[str, Any] = json.loads(
        tx.one("select entry from app.transparency_leaf order by leaf_index desc limit 1")["entry"]
    )
    return entry


def test_each_publisher_has_its_own_prefixes(tx: Tx) -> None:
    listed = {row["publisher"]: row["name_prefixes"] for row in publishers.list_publishers(tx, "", 10)}

    assert listed == {"acme": ["com.acme."], "globex": ["com.globex."]}
    assert publishers.load_publisher(tx, "acme")["name_prefixes"] == ["com.acme."]


def test_a_page_begins_after_the_slug_that_is_given(tx: Tx) -> None:
    assert [row["publisher"] for row in publishers.list_publishers(tx, "acme", 10)] == ["globex"]
    assert [row["publisher"] for row in publishers.list_publishers(tx, "", 1)] == ["acme"]


def test_each_publisher_has_its_own_keys(tx: Tx) -> None:
    for publisher, keys in KEYS.items():
        listed = [row["key_id"] for row in publishers.list_keys(tx, publisher, ("-infinity", ""), 10)]
        assert sorted(listed) == sorted(key.key_id for key in keys)
        assert {row["publisher"] for row in publishers.list_keys(tx, publisher, ("-infinity", ""), 10)} == {publisher}


def test_a_page_of_keys_begins_after_the_key_that_is_given(tx: Tx) -> None:
    first, second = publishers.list_keys(tx, "acme", ("-infinity", ""), 10)
    begins = first["created_at"].isoformat()

    assert begins == second["created_at"].isoformat()  # one transaction, so only the ids tell them apart
    assert publishers.list_keys(tx, "acme", (begins, ""), 10) == [first, second]
    assert publishers.list_keys(tx, "acme", (begins, first["key_id"]), 10) == [second]
    assert publishers.list_keys(tx, "acme", (begins, second["key_id"]), 10) == []
    assert publishers.list_keys(tx, "acme", ("-infinity", ""), 1) == [first]


def test_each_key_is_shown_by_its_id_below_its_publisher_only(tx: Tx) -> None:
    for load in (publishers.load_key, publishers.lock_key):
        assert [load(tx, "acme", key_id)["key_id"] for key_id in (ONE, OTHER)] == [ONE, OTHER]
        assert code_of(lambda load=load: load(tx, "acme", FOREIGN)) == "key_unknown"  # type: ignore[misc]
        assert code_of(lambda load=load: load(tx, "acme", "sha256:0")) == "key_unknown"  # type: ignore[misc]


def test_retiring_a_key_leaves_the_others(tx: Tx) -> None:
    row = publishers.retire_key(tx, publishers.lock_key(tx, "acme", ONE), NOW + SECOND, SOMEBODY, NOW)

    ended = {ONE: (NOW + SECOND, None)}
    assert (row["key_id"], row["valid_until"]) == (ONE, NOW + SECOND)
    assert states(tx) == {key.key_id: (None, None) for keys in KEYS.values() for key in keys} | ended


def test_revoking_a_key_leaves_the_others(tx: Tx) -> None:
    publishers.revoke_key(tx, "acme", ONE, NOW, "lost", SOMEBODY, NOW)

    assert states(tx) == {key.key_id: (None, None) for keys in KEYS.values() for key in keys} | {ONE: (None, NOW)}


def test_each_change_is_logged_with_what_it_changed(tx: Tx) -> None:
    key = LocalSigner.generate()
    noon, later, latest = (f"2026-06-01T12:00:0{second}+00:00" for second in (0, 1, 2))

    def logged(kind: str, publisher: str, **details: str | None) -> bool:
        expected = {"kind": f"publisher.{kind}", "publisher": publisher, "actor": "dev", **details}
        return expected.items() <= last_entry(tx).items()

    publishers.create_publisher(tx, "initech", "Initech Ltd", [], SOMEBODY, NOW)
    assert logged("created", "initech", display_name="Initech Ltd")
    publishers.create_publisher(tx, "hooli", "Hooli", ["com.hooli."], SOMEBODY, NOW)
    assert logged("prefix_added", "hooli", prefix="com.hooli.")
    ending = LocalSigner.generate()
    publishers.add_key(tx, "acme", ending.public_pem, NOW + SECOND, NOW + 2 * SECOND, SOMEBODY, NOW)
    assert logged("key_added", "acme", key_id=ending.key_id, valid_from=later, valid_until=latest)
    publishers.add_key(tx, "acme", key.public_pem, None, None, SOMEBODY, NOW)
    assert logged("key_added", "acme", key_id=key.key_id, valid_from=noon, valid_until=None)
    for before, until in ((None, latest), (latest, later)):
        end = datetime.fromisoformat(until)
        publishers.retire_key(tx, publishers.lock_key(tx, "acme", key.key_id), end, SOMEBODY, NOW)
        assert logged("key_retired", "acme", key_id=key.key_id, **{"from": before}, valid_until=until)
    publishers.revoke_key(tx, "acme", key.key_id, NOW, "lost", SOMEBODY, NOW)
    assert logged("key_revoked", "acme", key_id=key.key_id, revoked_from=noon, reason="lost")


@pytest.mark.parametrize("lock", [publishers.hold_key, lambda tx, key_id: publishers.lock_key(tx, "acme", key_id)])
def test_a_key_that_is_held_is_not_revoked_meanwhile(databases: Databases, lock: Callable[[Tx, str], object]) -> None:
    holder, other = Database(databases.registry), Database(databases.registry)

    def revoke() -> None:
        with other.system() as tx:
            tx.execute("set local lock_timeout = 1")
            publishers.revoke_key(tx, "acme", ONE, NOW, "lost", SOMEBODY, NOW)

    with closing(holder), closing(other):
        with holder.system() as tx:
            publishers.create_publisher(tx, "acme", "Acme", [], SOMEBODY, NOW)
            publishers.add_key(tx, "acme", KEYS["acme"][0].public_pem, NOW, None, SOMEBODY, NOW)
        with holder.system() as tx:
            lock(tx, ONE)
            assert code_of(revoke) == "database_unavailable"
        assert code_of(revoke) is None


def test_a_revocation_is_moved_earlier_and_never_later(tx: Tx) -> None:
    found = [
        publishers.revoke_key(tx, "acme", ONE, NOW + seconds * SECOND, "lost", SOMEBODY, NOW)["revoked_from"]
        for seconds in (0, 5, -5)
    ]

    assert found == [NOW, NOW, NOW - 5 * SECOND]


@pytest.mark.parametrize("key_id", [FOREIGN, "sha256:0"], ids=["foreign", "unknown"])
def test_no_key_but_ones_own_is_revoked(tx: Tx, key_id: str) -> None:
    before = states(tx)

    assert code_of(lambda: publishers.revoke_key(tx, "acme", key_id, NOW, "x", SOMEBODY, NOW)) == "key_unknown"
    assert states(tx) == before


@pytest.mark.parametrize(
    ("until_s", "now_s", "refused"),
    [(1, 0, False), (1, 1, False), (0, 0, True), (-1, -5, True), (4, 5, True), (5, 5, False), (6, 5, False)],
)
def test_a_key_ends_after_it_begins_and_not_in_the_past(tx: Tx, until_s: int, now_s: int, refused: bool) -> None:
    key = publishers.lock_key(tx, "acme", ONE)

    code = code_of(lambda: publishers.retire_key(tx, key, NOW + until_s * SECOND, SOMEBODY, NOW + now_s * SECOND))

    assert code == ("invalid_request" if refused else None)


@pytest.mark.parametrize(("until_s", "refused"), [(9, False), (10, False), (11, True)])
def test_an_end_is_moved_to_the_same_instant_or_an_earlier_one(tx: Tx, until_s: int, refused: bool) -> None:
    publishers.retire_key(tx, publishers.lock_key(tx, "acme", ONE), NOW + 10 * SECOND, SOMEBODY, NOW)
    key = publishers.lock_key(tx, "acme", ONE)

    code = code_of(lambda: publishers.retire_key(tx, key, NOW + until_s * SECOND, SOMEBODY, NOW))

    assert code == ("invalid_request" if refused else None)


@pytest.mark.parametrize(
    ("from_s", "until_s", "refused"), [(0, 1, False), (0, 0, True), (0, -1, True), (None, 0, True)]
)
def test_a_new_key_ends_after_it_begins(tx: Tx, from_s: int | None, until_s: int, refused: bool) -> None:
    start = None if from_s is None else NOW + from_s * SECOND
    pem = LocalSigner.generate().public_pem

    code = code_of(lambda: publishers.add_key(tx, "acme", pem, start, NOW + until_s * SECOND, SOMEBODY, NOW))

    assert code == ("invalid_request" if refused else None)


@pytest.mark.parametrize("publisher", ["acme", "globex"])
def test_a_key_is_registered_once_and_for_one_publisher(tx: Tx, publisher: str) -> None:
    pem = KEYS["acme"][0].public_pem

    assert code_of(lambda: publishers.add_key(tx, publisher, pem, NOW, None, SOMEBODY, NOW)) == "key_exists"


def test_a_key_of_a_publisher_that_does_not_exist_is_not_registered(tx: Tx) -> None:
    pem = LocalSigner.generate().public_pem

    assert code_of(lambda: publishers.add_key(tx, "none", pem, NOW, None, SOMEBODY, NOW)) == "publisher_not_found"
    assert code_of(lambda: publishers.list_keys(tx, "none", ("-infinity", ""), 10)) == "publisher_not_found"


def test_a_publishers_trust_is_in_its_own_keys_and_their_revocations(tx: Tx) -> None:
    publishers.revoke_key(tx, "acme", OTHER, NOW, "lost", SOMEBODY, NOW)
    publishers.revoke_key(tx, "globex", FOREIGN, NOW, "lost", SOMEBODY, NOW)
    publishers.retire_key(tx, publishers.lock_key(tx, "acme", ONE), NOW + SECOND, SOMEBODY, NOW)

    keys, revocations = publishers.trusted_keys(tx, "acme")

    found = {key.key_id: (key.use, key.publishers, key.valid_from, key.valid_until) for key in keys}
    assert found == {
        ONE: ("publisher", ("acme",), NOW, NOW + SECOND),
        OTHER: ("publisher", ("acme",), NOW, None),
    }
    assert [(entry.key_id, entry.revoked_from, entry.reason) for entry in revocations] == [(OTHER, NOW, "lost")]


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("com.acme.notes", False), ("com.acmex.notes", True), ("org.acme.notes", True), ("com.globex.notes", True),
    ],
)  # fmt: skip
def test_a_name_begins_with_a_prefix_of_its_own_publisher(tx: Tx, name: str, refused: bool) -> None:
    code = code_of(lambda: publishers.check_name(tx, "acme", name))

    assert code == ("extension_name_not_allowed" if refused else None)


@pytest.mark.parametrize(
    ("name", "refused"), [("com.acme.notes", True), ("com.globex.x", True), ("com.acm", False), ("org.x", False)]
)
def test_a_publisher_without_prefixes_keeps_out_of_those_of_others(tx: Tx, name: str, refused: bool) -> None:
    publishers.create_publisher(tx, "initech", "Initech", [], SOMEBODY, NOW)

    code = code_of(lambda: publishers.check_name(tx, "initech", name))

    assert code == ("extension_name_not_allowed" if refused else None)


@pytest.mark.parametrize(
    ("prefixes", "refused"),
    [
        (["com.acme."], True), (["com.acme.notes."], True), (["com."], True), (["org.initech."], False),
        (["org.initech.", "com.globex.x."], True), (["org.initech.", "org.initech.x."], False),
        (["org.initech.", "org.initech."], True),
    ],
)  # fmt: skip
def test_a_prefix_overlaps_none_of_another_publisher(tx: Tx, prefixes: list[str], refused: bool) -> None:
    code = code_of(lambda: publishers.create_publisher(tx, "initech", "Initech", prefixes, SOMEBODY, NOW))

    assert code == ("prefix_taken" if refused else None)


def test_a_publisher_is_registered_once(tx: Tx) -> None:
    code = code_of(lambda: publishers.create_publisher(tx, "acme", "Again", [], SOMEBODY, NOW))

    assert code == "publisher_exists"


@pytest.mark.parametrize(
    ("trust", "refused"),
    [
        (trust_in(trusted(KEYS["acme"][0], publishers=["acme"])), False),
        (trust_in(trusted(KEYS["acme"][0])), False),
        (trust_in(trusted(KEYS["acme"][0], publishers=["globex", "acme"])), False),
        (trust_in(trusted(KEYS["acme"][1], publishers=["globex"])), False),
        (trust_in(trusted(KEYS["acme"][0], publishers=["globex"])), True),
        (trust_in(trusted(KEYS["acme"][0], use="release")), True),
        (trust_in(trusted(KEYS["acme"][1]), trusted(KEYS["acme"][0], use="log")), True),
    ],
    ids=[
        "own",
        "every publisher's",
        "shared",
        "another key",
        "another publisher's",
        "of the platform",
        "second of two",
    ],
)
def test_a_key_is_registered_unless_the_operator_gave_it_to_somebody_else(trust: TrustBundle, refused: bool) -> None:
    code = code_of(lambda: publishers.check_unclaimed(trust, "acme", KEYS["acme"][0].public_pem))

    assert code == ("key_exists" if refused else None)


def test_a_key_that_cannot_be_read_is_not_registered(tx: Tx) -> None:
    with pytest.raises(PlatformError) as refused:
        publishers.add_key(tx, "acme", "none", NOW, None, SOMEBODY, NOW)
    assert refused.value.code == "key_invalid"
