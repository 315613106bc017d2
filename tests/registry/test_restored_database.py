"""A database that was restored to an earlier instant: what was withdrawn stays withdrawn, and the log does not fork."""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.aws import S3ObjectStore
from alga_ext.trust import merkle
from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, LocalSigner, parse_envelope, sign_envelope
from alga_ext.trust.statements import ReleaseRecord, statement
from functions.registry import sweeping
from functions.registry.recovery import log_copy
from functions.registry.recovery.catching_up import catch_up
from functions.registry.recovery.log_batch import Batch, sign_batch
from tests.support.answering import Reply, answering
from tests.support.registry import RegistryWorld, manifest_of
from tests.support.restoring import Backups
from tools.local.postgres import drop_database


@pytest.fixture
def backups(world: RegistryWorld, postgres_server: str) -> Iterator[Backups]:
    made = Backups(world, postgres_server)
    yield made
    world.close()
    for name in made.made:
        drop_database(postgres_server, name)


def change(world: RegistryWorld, version: dict[str, Any], what: str) -> None:
    moved = world.call("POST", f"/versions/{version['version_id']}/{what}", world.publisher, {"reason": "malware"})
    assert moved.status == 200, moved


def state_of(world: RegistryWorld, version: dict[str, Any]) -> str:
    return str(world.call("GET", f"/versions/{version['version_id']}", world.admin).body["state"])


def head_of(world: RegistryWorld) -> dict[str, Any]:
    head = world.call("GET", "/log/head", world.publisher)
    assert head.status == 200, head
    said: dict[str, Any] = json.loads(parse_envelope(json.dumps(head.body, separators=(",", ":")).encode()).payload)
    return said


def head_envelope(world: RegistryWorld, size: int, root: str) -> bytes:
    said = {
        "origin": "alga.dev/extension-log",
        "tree_size": size,
        "root_hash": root,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    return sign_envelope(world.log, json.dumps(said).encode(), LOG_HEAD_PAYLOAD_TYPE)


def kinds(world: RegistryWorld) -> list[str]:
    entries = world.call("GET", "/log/entries", world.publisher, query="page_size=100").body["items"]
    return [entry["kind"] for entry in entries]


def extends(world: RegistryWorld, old: dict[str, Any]) -> bool:
    """Tell whether the present log proves that it extends a head that somebody kept."""
    answer = world.call("GET", "/log/consistency", world.publisher, query=f"old_size={old['tree_size']}").body
    new = json.loads(parse_envelope(json.dumps(answer["head"], separators=(",", ":")).encode()).payload)
    path = [bytes.fromhex(node) for node in answer["proof"]]
    old_root, new_root = bytes.fromhex(old["root_hash"]), bytes.fromhex(new["root_hash"])
    return merkle.verify_consistency(old["tree_size"], old_root, new["tree_size"], new_root, path)


# Withdrawals


def test_a_version_withdrawn_after_the_restored_instant_is_withdrawn_again_by_the_first_sweep(
    world: RegistryWorld, backups: Backups
) -> None:
    world.register()
    version = world.publish()
    backup = backups.take_database()
    change(world, version, "withdraw")
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    assert state_of(world, version) == "ready"
    done = sweeping.sweep(world.sweeper())

    assert (state_of(world, version), done["log_restored"]) == ("withdrawn", 1)
    assert kinds(world).count("version.withdrawn") == 1


def test_a_withdrawal_that_only_the_signed_list_knows_is_repeated_with_an_entry_of_its_own(
    world: RegistryWorld, backups: Backups
) -> None:
    world.register()
    version = world.publish()
    backup = backups.take_database()
    change(world, version, "withdraw")  # and the disaster before the log was copied

    backups.restore_database(backup)
    done = catch_up(world.sweeper())

    assert (state_of(world, version), done["versions_ended_again"]) == ("withdrawn", 1)
    assert kinds(world)[-1] == "version.withdrawn"


def test_a_pending_version_that_the_list_names_is_rejected_again(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    version = world.send(world.signed(manifest_of())).body
    backup = backups.take_database()
    change(world, version, "withdraw")

    backups.restore_database(backup)
    catch_up(world.sweeper())

    assert state_of(world, version) == "rejected"


def test_a_listed_bundle_whose_publication_was_lost_cannot_be_published_again(
    world: RegistryWorld, backups: Backups
) -> None:
    world.register()
    backup = backups.take_database()
    published = world.signed(manifest_of())
    world.send(published)
    world.prepare(imports=[])
    change(
        world, {"version_id": world.rows("select version_id from app.extension_version")[0]["version_id"]}, "withdraw"
    )

    backups.restore_database(backup)
    world.send(published)

    assert world.prepare(imports=[]) == ["rejected"]


def test_a_publication_that_was_lost_can_be_repeated_with_the_same_bundle(
    world: RegistryWorld, backups: Backups
) -> None:
    world.register()
    backup = backups.take_database()
    published = world.signed(manifest_of())
    world.send(published)
    world.prepare(imports=[])
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())
    world.send(published)

    assert world.prepare(imports=[]) == ["ready"]
    assert world.install()["version"] == "1.0.0"


def test_a_stored_record_about_another_component_is_not_taken_for_an_earlier_one(
    world: RegistryWorld, backups: Backups
) -> None:
    world.register()
    published = world.signed(manifest_of())
    digits = published.content_hash.removeprefix("sha256:")
    record = ReleaseRecord(
        publisher="acme", name="com.acme.notes", version="1.0.0", key_id=world.publisher_key.key_id,
        published_at="2026-01-01T00:00:00+00:00", component_sha256="a" * 64,
    )  # fmt: skip
    envelope = sign_envelope(world.release, statement(record, "bundle.tar.zst", digits))
    world.overwrite(object_keys.release(digits), envelope)
    world.send(published)

    with pytest.raises(PlatformError, match="object_conflict"):
        world.prepare(imports=[])


# In a deployment


def ask(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch, kind: str) -> dict[str, Any]:
    """Ask the sweeper as CloudFormation does, and return its answer to CloudFormation."""
    monkeypatch.delitem(sys.modules, "functions.registry.sweeper", raising=False)
    for name, value in world.environment().items():
        monkeypatch.setitem(os.environ, name, value)
    module = importlib.import_module("functions.registry.sweeper")
    with answering(lambda _: Reply()) as server:
        names = ("StackId", "RequestId", "LogicalResourceId")
        event = {"RequestType": kind, "ResponseURL": f"{server.url}/answer", **dict.fromkeys(names, "x")}
        with contextlib.suppress(PlatformError):  # the answer says it
            module.handler(event, None)
        module._SERVICES.current().close()
        (asked,) = server.asked
    answer: dict[str, Any] = json.loads(asked.body)
    return answer


def test_a_deployment_with_a_restored_database_catches_up(
    world: RegistryWorld, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.register()
    version = world.publish()
    backup = backups.take_database()
    change(world, version, "withdraw")
    backups.restore_database(backup)

    answer = ask(world, monkeypatch, "Create")

    assert (answer["Status"], state_of(world, version)) == ("SUCCESS", "withdrawn")


def test_a_deployment_whose_log_has_forked_fails_and_says_why(
    world: RegistryWorld, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked(world, backups)

    answer = ask(world, monkeypatch, "Create")

    assert (answer["Status"], answer["Reason"][:14]) == ("FAILED", "log_integrity:")


def test_a_deleted_stack_changes_nothing(
    world: RegistryWorld, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked(world, backups)

    assert ask(world, monkeypatch, "Delete")["Status"] == "SUCCESS"


# Keys and publishers


def test_a_key_revoked_after_the_restored_instant_is_revoked_again(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    backup = backups.take_database()
    key = f"/publishers/acme/keys/{world.publisher_key.key_id}"
    world.call("POST", f"{key}/revoke", world.publisher, {"reason": "stolen"})
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())

    assert world.send(world.signed(manifest_of())).code == "key_revoked"


def test_a_key_retired_after_the_restored_instant_is_retired_again(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    backup = backups.take_database()
    world.call("POST", f"/publishers/acme/keys/{world.publisher_key.key_id}/retire", world.publisher, {})
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())

    assert world.send(world.signed(manifest_of())).code == "key_expired"


@pytest.mark.parametrize(("changes", "state"), [(["yank"], "yanked"), (["yank", "unyank"], "ready")])
def test_yanks_after_the_restored_instant_are_repeated_in_their_order(
    world: RegistryWorld, backups: Backups, changes: list[str], state: str
) -> None:
    world.register()
    version = world.publish()
    backup = backups.take_database()
    for what in changes:
        change(world, version, what)
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())

    assert state_of(world, version) == state


@pytest.mark.parametrize("exists", [True, False], ids=["kept", "lost"])
def test_a_transfer_is_repeated_also_to_a_publisher_that_was_lost(
    world: RegistryWorld, backups: Backups, exists: bool
) -> None:
    world.register()
    world.publish()
    if exists:
        world.register("globex", LocalSigner.generate())
    backup = backups.take_database()
    if not exists:
        world.register("globex", LocalSigner.generate())
    body = {"publisher": "globex"}
    assert world.call("POST", "/extensions/com.acme.notes/transfer", world.admin, body).status == 200
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())

    owner = world.call("GET", "/extensions/com.acme.notes", world.admin).body["publisher"]
    assert owner == "globex"


# The log


def test_a_restored_log_extends_every_head_that_was_published(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    backup = backups.take_database()
    world.publish()
    world.publish(version="1.1.0")
    kept = head_of(world)

    backups.restore_database(backup)
    catch_up(world.sweeper())
    world.publish(version="1.2.0")

    assert head_of(world)["tree_size"] == kept["tree_size"] + 1
    assert extends(world, kept)


def test_a_request_for_a_head_brings_the_log_up_to_date_as_well(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    backup = backups.take_database()
    world.publish()
    kept = head_of(world)

    backups.restore_database(backup)

    assert head_of(world) == kept


def lose_extension(world: RegistryWorld, backups: Backups) -> dict[str, Any]:
    """Publish the first version of an extension of a new publisher, lose both, and return what it was."""
    key = LocalSigner.generate()
    world.register("globex", key, name_prefixes=["com.globex."])
    world.publish(manifest_of("com.globex.notes", publisher="globex", title="Notes"), key)
    extension: dict[str, Any] = world.call("GET", "/extensions/com.globex.notes", world.admin).body
    return extension


def test_a_lost_extension_is_there_again_with_its_id_and_its_publisher_with_the_prefix(
    world: RegistryWorld, backups: Backups
) -> None:
    backup = backups.take_database()
    extension = lose_extension(world, backups)
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())

    kept = ("extension_id", "name", "publisher")
    found = world.call("GET", "/extensions/com.globex.notes", world.admin).body
    assert [found[name] for name in kept] == [extension[name] for name in kept]
    assert world.call("GET", "/publishers/globex", world.admin).body["name_prefixes"] == ["com.globex."]


def test_no_other_publisher_can_take_the_name_of_a_lost_extension(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    world.register("globex", LocalSigner.generate())
    backup = backups.take_database()
    world.publish()
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())
    key = LocalSigner.generate()
    world.add_key("globex", key)

    taken = world.send(world.signed(manifest_of(publisher="globex"), key=key), world.admin)
    assert taken.code == "extension_name_taken"


def test_a_lost_extension_has_its_title_again_with_its_next_publication(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    backup = backups.take_database()
    world.publish(title="Notes")
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())
    titles = [world.call("GET", "/extensions/com.acme.notes", world.admin).body["title"]]
    world.publish(version="1.1.0", title="Notes")
    titles.append(world.call("GET", "/extensions/com.acme.notes", world.admin).body["title"])

    assert titles == ["", "Notes"]


@pytest.mark.parametrize("methods", [["POST"], ["POST", "DELETE"]], ids=["deprecated", "undone"])
def test_a_deprecation_is_repeated(world: RegistryWorld, backups: Backups, methods: list[str]) -> None:
    world.register()
    world.publish()
    backup = backups.take_database()
    for method in methods:
        world.call(method, "/extensions/com.acme.notes/deprecate", world.publisher, {"reason": "old"})
    expected = world.call("GET", "/extensions/com.acme.notes", world.admin).body
    sweeping.sweep(world.sweeper())

    backups.restore_database(backup)
    catch_up(world.sweeper())

    assert world.call("GET", "/extensions/com.acme.notes", world.admin).body == expected


def forked(world: RegistryWorld, backups: Backups) -> dict[str, Any]:
    """Restore a database and change it before it has caught up; return a version that had been withdrawn."""
    world.register()
    version = world.publish()
    backup = backups.take_database()
    change(world, version, "withdraw")
    sweeping.sweep(world.sweeper())
    backups.restore_database(backup)
    world.add_key("acme", LocalSigner.generate())
    return version


def test_a_log_that_has_forked_is_refused_and_no_head_is_signed_for_it(world: RegistryWorld, backups: Backups) -> None:
    forked(world, backups)
    heads = [key for key in backups.take_bucket() if key.startswith("log/")]

    refused = world.call("GET", "/log/head", world.publisher)
    assert (refused.status, refused.code) == (502, "log_integrity")
    assert "Restore it again" in refused.body["detail"]
    with pytest.raises(PlatformError, match="log_integrity"):
        sweeping.sweep(world.sweeper())
    assert [key for key in backups.take_bucket() if key.startswith("log/")] == heads


def test_what_was_withdrawn_stays_withdrawn_when_the_log_has_forked(world: RegistryWorld, backups: Backups) -> None:
    version = forked(world, backups)

    with pytest.raises(PlatformError, match="log_integrity"):
        catch_up(world.sweeper())

    assert state_of(world, version) == "withdrawn"


def test_a_fork_before_the_first_entry_of_a_batch_is_found_by_its_root(world: RegistryWorld, backups: Backups) -> None:
    """The batch in between is lost from the bucket, so no entry can be compared."""
    world.register()
    head_of(world)
    backup = backups.take_database()
    world.publish()
    head_of(world)
    world.publish(version="1.1.0")
    head_of(world)
    backups.restore_database(backup)
    world.client("s3").delete_object(Bucket=world.bucket, Key=object_keys.log_batch(2))
    world.add_key("acme", LocalSigner.generate())

    assert world.call("GET", "/log/head", world.publisher).code == "log_integrity"


def test_a_stored_head_with_another_root_is_refused(world: RegistryWorld) -> None:
    world.register()
    other = head_envelope(world, size=2, root="ab" * 32)
    world.overwrite(object_keys.log_head(2), other)

    assert world.call("GET", "/log/head", world.publisher).code == "log_integrity"


# The copy


def test_every_entry_is_copied_before_a_head_covers_it(world: RegistryWorld) -> None:
    world.register()
    size = head_of(world)["tree_size"]

    assert world.rows("select tree_size, copied_size from app.transparency_size") == [
        {"tree_size": size, "copied_size": size}
    ]
    assert world.objects.size(object_keys.log_batch(0)) is not None


def test_a_long_log_is_copied_in_batches(world: RegistryWorld, backups: Backups) -> None:
    world.register(name_prefixes=[f"com.acme{number}." for number in range(20)])
    for number in range(5):
        prefixes = [f"com.p{number}x{index}." for index in range(20)]
        world.register(f"p{number}", LocalSigner.generate(), name_prefixes=prefixes)
    backup = backups.take_database()
    copied = log_copy.synchronise(world.services)
    kept = head_of(world)

    backups.restore_database(backup)

    assert (copied.size, copied.copied) == (132, 132)
    assert world.objects.size(object_keys.log_batch(100)) is not None
    assert (log_copy.synchronise(world.services).restored, head_of(world)) == (0, kept)


def test_a_copy_that_lost_its_last_batches_is_made_whole(world: RegistryWorld, backups: Backups) -> None:
    world.register()
    head_of(world)
    earlier = backups.take_bucket()
    backup = backups.take_database()
    for minor in range(2):
        world.publish(version=f"1.{minor}.0")
        kept = head_of(world)
    backups.restore_bucket(earlier)

    assert log_copy.synchronise(world.services).copied == 2
    backups.restore_database(backup)
    catch_up(world.sweeper())
    assert head_of(world)["root_hash"] == kept["root_hash"]


def test_a_copy_interrupted_before_it_was_noted_is_taken_as_it_is(world: RegistryWorld) -> None:
    world.register()
    head_of(world)
    world.rows("update app.transparency_size set copied_size = 0, last_batch_first = 0 returning 1")

    assert log_copy.synchronise(world.services) == (2, 0, 0)


class _Slower(S3ObjectStore):
    """A store whose user is overtaken: before its first batch, the log grows and another process copies it."""

    def __init__(self, world: RegistryWorld) -> None:
        super().__init__(f"s3://{world.bucket}")
        self._world = world
        self._before = world.services
        self._overtaken = False

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        if not self._overtaken:
            self._overtaken = True
            self._world.add_key("acme", LocalSigner.generate())
            log_copy.synchronise(self._before)
        return super().put_new(key, data, content_type)


def test_a_process_that_is_overtaken_takes_the_batch_of_the_other(world: RegistryWorld) -> None:
    world.register()
    with world.replaced(objects=_Slower(world)):
        assert log_copy.synchronise(world.services) == (3, 0, 0)


@pytest.mark.parametrize("attack", ["another-key", "another-type", "another-index", "garbage"])
def test_a_batch_that_does_not_verify_is_refused(world: RegistryWorld, attack: str) -> None:
    world.register()
    entries = ['{"at":"2026-01-01T00:00:00+00:00","kind":"x","publisher":"acme"}']
    root = merkle.root(0, lambda _level, _index: b"")
    match attack:
        case "another-key":
            envelope = sign_batch(Batch(0, root, entries), LocalSigner.generate())
        case "another-type":
            envelope = head_envelope(world, size=1, root="ab" * 32)
        case "another-index":
            envelope = sign_batch(Batch(1, root, entries), world.log)
        case _:
            envelope = b"\0"
    world.overwrite(object_keys.log_batch(0), envelope)

    with pytest.raises(PlatformError) as raised:
        log_copy.synchronise(world.services)
    assert (raised.value.code, raised.value.context["fault"]) == ("log_integrity", "log_copy")
