"""The list of withdrawn bundles in the store is what PostgreSQL says, whoever writes it, and however many at once."""

import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.aws import S3ObjectStore
from alga_ext.stores.database import Database, Tx
from alga_ext.trust.signing import LocalSigner
from alga_ext.trust.withdrawn_list import WithdrawnList, sign_list, verify_list
from functions.registry import sweeping
from functions.registry.publishing import withdrawn_list
from tests.support.refusals import code_of
from tests.support.registry import RegistryWorld, manifest_of

KEY = object_keys.withdrawn_list()
HOUR = timedelta(hours=1)
WITHDRAW = "update app.extension_version set state = 'withdrawn' where version_id = :version_id"
STRANGER = "ff" * 32


def withdraw(world: RegistryWorld, version: dict[str, Any]) -> str:
    """Withdraw a version that is ready, and return the hash of its bundle."""
    moved = world.call("POST", f"/versions/{version['version_id']}/withdraw", world.publisher, {"reason": "malware"})
    assert (moved.status, moved.body["state"]) == (200, "withdrawn")
    return digits_of(version)


def digits_of(version: dict[str, Any]) -> str:
    return str(version["content_hash"]).removeprefix("sha256:")


def stored(world: RegistryWorld) -> WithdrawnList:
    return verify_list(world.objects.get(KEY), world.services.trust.current(), world.services.now())


def test_a_withdrawal_is_on_the_list_before_it_is_answered(world: RegistryWorld) -> None:
    world.register()
    first, second = world.publish(), world.publish(version="1.1.0")

    digits = withdraw(world, first)
    assert world.withdrawn() == {digits}
    assert world.withdrawn() | {withdraw(world, second)} == world.withdrawn()
    assert stored(world).sequence == 2


def test_a_yank_and_a_publication_do_not_touch_the_list(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    world.call("POST", f"/versions/{version['version_id']}/yank", world.publisher, {"reason": "a bug"})

    assert world.objects.size(KEY) is None


def test_the_first_sweep_writes_an_empty_list(world: RegistryWorld) -> None:
    sweeping.sweep(world.sweeper())

    assert (world.withdrawn(), stored(world).lifetime) == (frozenset(), HOUR)


def test_each_sweep_signs_the_list_again_with_a_new_expiry_and_counts_what_it_added(world: RegistryWorld) -> None:
    world.register()
    withdraw(world, world.publish())
    before = stored(world)
    done = [sweeping.sweep(world.sweeper())["withdrawn_listed"] for _ in range(2)]

    assert done == [0, 0]
    assert stored(world).hashes == before.hashes
    assert stored(world).issued_at > before.issued_at


def test_the_lifetime_is_the_setting(world: RegistryWorld) -> None:
    world.rewire(WITHDRAWN_LIST_LIFETIME_S="300")
    sweeping.sweep(world.sweeper())

    assert stored(world).lifetime == timedelta(seconds=300)


@pytest.mark.parametrize("attack", ["deleted", "rolled-back", "forged", "garbage"])
def test_a_list_that_an_attacker_changed_is_whole_again_after_the_next_sweep(world: RegistryWorld, attack: str) -> None:
    world.register()
    versions = [world.publish(version=f"1.{minor}.0") for minor in range(2)]
    first = withdraw(world, versions[0])
    old = world.objects.get(KEY)
    second = withdraw(world, versions[1])
    match attack:
        case "deleted":
            world.objects.delete(KEY)
        case "rolled-back":
            world.overwrite(KEY, old)
        case "forged":
            world.overwrite(KEY, sign_list([], LocalSigner.generate(), world.services.now(), HOUR))
        case _:
            world.overwrite(KEY, b"\0" * 1_000)

    sweeping.sweep(world.sweeper())

    assert world.withdrawn() == {first, second}


def test_a_bundle_that_only_the_stored_list_names_stays_on_it(world: RegistryWorld) -> None:
    """As after the database was restored from a backup that is older than a withdrawal."""
    world.register()
    world.overwrite(KEY, sign_list([STRANGER], world.release, world.services.now(), HOUR))
    digits = withdraw(world, world.publish())

    assert world.withdrawn() == {STRANGER, digits}


class _Statements(Database):
    """A database that notes what it is asked."""

    asked: list[str]

    @contextmanager
    def system(self) -> Iterator[Tx]:
        with super().system() as tx:
            rows = tx.rows

            def noted(sql: str, **params: Any) -> list[dict[str, Any]]:
                self.asked.append(sql)
                return rows(sql, **params)

            tx.rows = noted  # type: ignore[method-assign]
            yield tx


def test_the_hashes_are_read_from_the_database_only_when_there_are_more(world: RegistryWorld) -> None:
    world.register()
    versions = [world.publish(version=f"1.{minor}.0") for minor in range(2)]
    for version in versions:
        withdraw(world, version)
    database = _Statements(world.databases.registry)
    database.asked = []
    with world.replaced(database=database):
        withdrawn_list.renew(world.sweeper())
        unchanged = list(database.asked)
        world.objects.delete(KEY)
        withdrawn_list.renew(world.sweeper())
    database.close()

    assert len(unchanged) == 1
    assert len(database.asked) == 3  # two digests, and the hashes once


class _Unwritable:
    """A store in which the list cannot be written."""

    def __init__(self, inner: S3ObjectStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def replace(self, key: str, *_: object) -> None:
        raise PlatformError("object_store_unavailable", f"{key} cannot be written.")


class _Overwriting:
    """A store in which an attacker overwrites the list just before each of the first writes."""

    def __init__(self, world: RegistryWorld, *writes: bytes) -> None:
        self._world, self._inner, self._writes = world, world.objects, list(writes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def replace(self, key: str, data: bytes, content_type: str, tag: str | None) -> None:
        if self._writes:
            self._world.overwrite(key, self._writes.pop(0))
        self._inner.replace(key, data, content_type, tag)


@pytest.mark.parametrize("ended", [0, 1])
def test_what_is_written_between_reading_and_writing_is_verified_like_the_list_that_was_read(
    world: RegistryWorld, ended: int
) -> None:
    world.register()
    digits = {withdraw(world, world.publish()) for _ in range(ended)}
    forged = sign_list([STRANGER], LocalSigner.generate(), world.services.now(), HOUR)
    with world.replaced(objects=_Overwriting(world, b"garbage", forged)):
        withdrawn_list.renew(world.sweeper())

    assert world.withdrawn() == digits


def test_a_list_that_is_overwritten_each_time_is_given_up(world: RegistryWorld) -> None:
    with world.replaced(objects=_Overwriting(world, *(b"%d" % number for number in range(10)))):
        assert code_of(lambda: withdrawn_list.renew(world.sweeper())) == "object_conflict"


def test_a_withdrawal_whose_list_cannot_be_written_is_answered_logged_and_listed_by_the_sweeper(
    world: RegistryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.register()
    version = world.publish()
    with world.replaced(objects=_Unwritable(world.objects)):
        digits = withdraw(world, version)
    assert "the list of withdrawn versions could not be written" in caplog.text
    assert world.withdrawn() == frozenset()

    assert sweeping.sweep(world.sweeper())["withdrawn_listed"] == 1
    assert world.withdrawn() == {digits}


@pytest.mark.parametrize(("hashes", "alarms"), [(180_000, 0), (190_000, 1)], ids=["below half", "above half"])
def test_a_list_that_is_larger_than_half_its_limit_raises_an_alarm(
    world: RegistryWorld, caplog: pytest.LogCaptureFixture, hashes: int, alarms: int
) -> None:
    names = (f"{number:064x}" for number in range(hashes))
    world.overwrite(KEY, sign_list(names, world.release, world.services.now(), HOUR))

    withdrawn_list.renew(world.sweeper())

    raised = [record for record in caplog.records if hasattr(record, "WithdrawnListLarge")]
    assert len(raised) == alarms
    assert all(record.__dict__["size_bytes"] * 2 > record.__dict__["limit_bytes"] for record in raised)


def test_without_the_database_nothing_is_signed(world: RegistryWorld) -> None:
    """Its list may lack what was withdrawn just before the database went; it must expire."""
    sweeping.sweep(world.sweeper())
    before = world.objects.get(KEY)
    gone = Database("postgresql://fn_registry:x@127.0.0.1:1/none")
    with world.replaced(database=gone):
        code = code_of(lambda: withdrawn_list.renew(world.sweeper()))

    assert code == "database_unavailable"
    assert world.objects.get(KEY) == before


def test_a_sweep_whose_list_cannot_be_written_does_the_rest_and_fails(world: RegistryWorld) -> None:
    world.register()
    with world.replaced(objects=_Unwritable(world.objects)):
        assert code_of(lambda: sweeping.sweep(world.sweeper())) == "object_store_unavailable"

    assert world.objects.size(object_keys.log_head(len(world.rows("select 1 from app.transparency_leaf")))) is not None


def test_withdrawals_and_sweeps_at_the_same_time_lose_no_bundle(world: RegistryWorld) -> None:
    """Each thread has its own connection, as a process has, and all of them write one object."""
    world.register()
    versions = [world.publish(version=f"1.{minor}.0") for minor in range(9)]
    barrier = threading.Barrier(4)

    def write(mine: list[dict[str, Any]]) -> list[int]:
        """Withdraw these versions one after the other, or sweep as often; return the sequences that were stored."""
        database = Database(world.databases.registry)
        services = dataclasses.replace(world.sweeper(), database=database)
        sequences = []
        barrier.wait()
        turns: list[dict[str, Any] | None] = [*mine] or [None] * 6
        for version in turns:
            if version is not None:
                with database.system() as tx:
                    tx.execute(WITHDRAW, version_id=version["version_id"])
            withdrawn_list.renew(services)
            listed = stored(world)
            assert version is None or digits_of(version) in listed.hashes
            sequences.append(listed.sequence)
        database.close()
        return sequences

    with ThreadPoolExecutor(4) as pool:
        sequences = list(pool.map(write, [versions[:3], versions[3:6], versions[6:], []]))

    assert world.withdrawn() == {digits_of(version) for version in versions}
    assert all(seen == sorted(seen) for seen in sequences)


def test_a_rejected_version_is_on_the_list(world: RegistryWorld) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))
    assert world.prepare(ok=False) == ["rejected"]

    assert world.withdrawn() == {digits_of(sent.body)}


def test_a_rejection_whose_list_cannot_be_written_is_delivered_again(world: RegistryWorld) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))
    (message,) = world.queued()
    with world.replaced(objects=_Unwritable(world.objects)):
        assert code_of(lambda: world.prepare(message, ok=False)) == "object_store_unavailable"

    assert world.prepare(message, ok=False) == ["rejected"]
    assert world.withdrawn() == {digits_of(sent.body)}
