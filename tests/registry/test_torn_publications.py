"""Nothing is torn: concurrent publications, and a process killed between any two steps of finalize."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.messages import PreparedMessage, PrepareMessage
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.stores.aws import S3ObjectStore
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.registry.installing import installs
from functions.registry.installing.installs import CheckedConfig
from functions.registry.publishing import finishing, submission, versions, withdrawal, withdrawn_list
from functions.registry.records.audit import Actor
from tests.support.published_ui import compress
from tests.support.registry import Published, RegistryWorld, manifest_of, sqs_event
from tests.support.registry_process import RegistryProcess


def race(*contenders: Callable[[Database], Any], url: str) -> list[str]:
    """Run functions at once, each with a connection of its own; return what each came to: ``won`` or its error code."""
    outcomes: list[str] = ["?"] * len(contenders)
    barrier = threading.Barrier(len(contenders))

    def run(place: int, contender: Callable[[Database], Any]) -> None:
        database = Database(url)
        try:
            barrier.wait(10)
            contender(database)
            outcomes[place] = "won"
        except PlatformError as error:
            outcomes[place] = error.code
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=(place, each)) for place, each in enumerate(contenders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def publication(world: RegistryWorld, published: Published, tmp_path: Path, name: str) -> Callable[[Database], None]:
    """The whole of a finalize as a function of a connection."""
    archive = tmp_path / name
    archive.write_bytes(published.archive)
    signature = json.dumps(published.signature, separators=(",", ":")).encode()
    submitted = submission.Submission(
        archive, ContentHash(published.content_hash), len(published.archive), signature, None, None
    )

    def finalize(database: Database) -> None:
        given = world.services
        accepted = submission.accept(submitted, database, given.evaluator, given.trust.current(), given.now())
        submission.store(accepted, archive, world.objects)
        with database.system() as tx:
            submission.record(tx, accepted, None, Actor("someone", "r"), world.services.now(), max_versions=10)

    return finalize


def test_of_two_first_publications_of_one_name_one_wins(world: RegistryWorld, tmp_path: Path) -> None:
    other = LocalSigner.generate()
    world.register()
    world.register("globex", other)
    mine = publication(world, world.signed(manifest_of()), tmp_path, "a")
    theirs = publication(world, world.signed(manifest_of(publisher="globex"), key=other), tmp_path, "b")

    assert sorted(race(mine, theirs, url=world.databases.registry)) == ["extension_name_taken", "won"]
    assert len(world.rows("select 1 from app.extension_version")) == 1


def test_of_two_publications_of_one_version_one_wins(world: RegistryWorld, tmp_path: Path) -> None:
    world.register()
    contenders = [
        publication(world, world.signed(manifest_of(title=str(number))), tmp_path, str(number)) for number in range(4)
    ]

    outcomes = sorted(race(*contenders, url=world.databases.registry))

    assert outcomes == ["version_exists"] * 3 + ["won"]
    assert [row["kind"] for row in world.rows("select kind from app.transparency_leaf order by 1")].count(
        "version.published"
    ) == 1


def test_concurrent_publications_leave_a_log_without_gaps(world: RegistryWorld, tmp_path: Path) -> None:
    world.register()
    contenders = [
        publication(world, world.signed(manifest_of(f"com.acme.n{number}")), tmp_path, str(number))
        for number in range(8)
    ]

    assert race(*contenders, url=world.databases.registry) == ["won"] * 8
    indexes = [row["leaf_index"] for row in world.rows("select leaf_index from app.transparency_leaf order by 1")]
    assert indexes == list(range(10))


def test_publishing_during_a_withdrawal_tears_nothing(world: RegistryWorld, tmp_path: Path) -> None:
    world.register()
    version = world.publish()
    with world.services.database.system() as tx:
        row = versions.load_version(tx, version["version_id"])

    def withdraw(database: Database) -> None:
        with database.system() as tx:
            withdrawal.move(tx, row, "withdrawn", "malware", Actor("someone", "r"), world.services.now())

    newer = publication(world, world.signed(manifest_of(version="2.0.0")), tmp_path, "new")

    assert race(withdraw, newer, url=world.databases.registry) == ["won", "won"]
    states = {row["version"]: row["state"] for row in world.rows("select version, state from app.extension_version")}
    assert states == {"1.0.0": "withdrawn", "2.0.0": "pending"}


def test_the_log_is_written_while_another_holds_the_extension(world: RegistryWorld) -> None:
    """A publication locks the extension, then the log; a withdrawal has the log and refers to the extension."""
    world.register()
    version = world.publish()

    def withdraw(database: Database) -> None:
        with database.system() as tx:
            row = versions.load_version(tx, version["version_id"], lock=True)
            withdrawal.move(tx, row, "withdrawn", "malware", Actor("someone", "r"), world.services.now())

    with world.services.database.system() as tx:
        versions.load_extension(tx, version["name"], lock=True)
        assert race(withdraw, url=world.databases.registry) == ["won"]


def test_of_two_withdrawals_one_wins(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    with world.services.database.system() as tx:
        row = versions.load_version(tx, version["version_id"])

    def withdraw(database: Database) -> None:
        with database.system() as tx:
            withdrawal.move(tx, row, "withdrawn", "malware", Actor("someone", "r"), world.services.now())

    assert sorted(race(withdraw, withdraw, url=world.databases.registry)) == ["version_state", "won"]


def test_of_two_installs_one_wins(world: RegistryWorld) -> None:
    world.register()
    world.publish()

    assert sorted(race(*[_installation(world)] * 3, url=world.databases.registry)) == ["already_installed"] * 2 + [
        "won"
    ]


def test_installing_during_an_uninstall_leaves_one_whole_install_or_none(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    install = world.install()

    def uninstall(database: Database) -> None:
        with database.tenant("tenant-a") as tx:
            installs.uninstall(tx, "tenant-a", install["install_id"], Actor("a", "r"))

    outcomes = race(uninstall, _installation(world), url=world.databases.registry)

    assert outcomes in (["won", "won"], ["won", "already_installed"])
    active = world.rows("select 1 from app.tenant_extension_install where state = 'enabled'")
    assert len(active) == (1 if outcomes[1] == "won" else 0)


class _LateStore:
    """A store of which a release record was asked before another process wrote it."""

    def __init__(self, inner: S3ObjectStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_optional(self, key: str) -> bytes | None:
        return None if key.startswith("releases/") else self._inner.get_optional(key)


def test_of_two_deliveries_at_once_that_sign_differently_both_succeed(world: RegistryWorld) -> None:
    world.use_p256_keys()
    world.register()
    world.send(world.signed(manifest_of()))
    (message,) = world.queued()
    row = world.rows("select version_id from app.extension_version")[0]
    with world.services.database.system() as tx:
        version = versions.load_version(tx, str(row["version_id"]))
    index = finishing.write_ui(version, Manifest.model_validate(version["manifest"]), world.objects, compress)
    trust, now = world.services.trust.current(), world.services.now()
    finishing._write_release(version, index, world.objects, world.services.release_signer, trust, now)

    with world.replaced(objects=_LateStore(world.objects)):
        assert world.prepare(message) == ["ready"]


def _installation(world: RegistryWorld) -> Callable[[Database], None]:
    def install(database: Database) -> None:
        with database.tenant("tenant-a") as tx:
            extension = versions.load_extension(tx, "com.acme.notes")
            version = versions.load_installable(tx, str(extension["extension_id"]), None)
            since = world.services.now() - world.services.uninstall_grace
            checked = CheckedConfig(str(version["version_id"]), {})
            installs.install(tx, "tenant-a", version, {}, checked, Actor("a", "r"), since)

    assert world is not None
    return install


@pytest.mark.kills
@pytest.mark.parametrize("in_one_call", [False, True], ids=["an upload", "one call under an Idempotency-Key"])
def test_a_finalize_killed_between_any_two_steps_succeeds_when_repeated(
    world: RegistryWorld, in_one_call: bool
) -> None:
    world.register()
    bodies: dict[int, dict[str, Any]] = {}

    def keys(step: int) -> dict[str, str]:
        return {"idempotency-key": f"key {step}"} if in_one_call else {}

    def event(step: int) -> dict[str, Any]:
        """The finalize of a version of its own for each step."""
        published = world.signed(manifest_of(version=f"1.{step}.0"))
        archive = base64.b64encode(published.archive).decode()
        sent = {"bundle_b64": archive} if in_one_call else {"upload_id": world.upload(published)}
        bodies[step] = {**sent, "signature": published.signature}
        return world.event("POST", "/versions", world.publisher, bodies[step], headers=keys(step))

    killed = 0
    for step, answer in _dying(world, "http", event):
        assert answer is None or answer["statusCode"] == 202, answer
        killed += answer is None
        assert _versions_and_leaves(world) == (step - 1 + _recorded(world, step),) * 2
        again = world.call("POST", "/versions", world.publisher, bodies[step], headers=keys(step))

        assert again.status == 202, (step, again)
        found = world.rows(
            "select version_id from app.extension_version where version = :version", version=f"1.{step}.0"
        )
        assert [str(row["version_id"]) for row in found] == [again.body["version_id"]], step
        assert _versions_and_leaves(world) == (step, step)

    assert killed > 15
    with world.services.database.system() as tx:
        pending = versions.claim_unprepared(tx, world.services.now(), timedelta(0), 300)
    assert len(pending) == killed + 1  # each can be sent to prepare again, whether or not its message was


@pytest.mark.kills
def test_making_ready_killed_between_any_two_steps_succeeds_when_repeated(world: RegistryWorld) -> None:
    world.register()
    messages: dict[int, PrepareMessage] = {}

    def event(step: int) -> dict[str, Any]:
        """The prepared message of a version of its own for each step."""
        world.send(world.signed(manifest_of(version=f"1.{step}.0")))
        (messages[step],) = world.queued()
        prepared = PreparedMessage(
            version_id=messages[step].version_id, content_hash=messages[step].content_hash, ok=True
        )
        return sqs_event(prepared)

    killed = 0
    for step, answer in _dying(world, "assets", event):
        assert answer is None or answer == {"batchItemFailures": []}, answer
        killed += answer is None
        assert world.prepare(messages[step]) == ["ready"], step
        assert world.install(tenant_id=f"tenant-{step}", version=f"1.{step}.0")["version"] == f"1.{step}.0"

    assert killed > 15


def _versions_and_leaves(world: RegistryWorld) -> tuple[int, int]:
    (counted,) = world.rows(
        "select (select count(*) from app.extension_version) as versions,"
        " (select count(*) from app.transparency_leaf where kind = 'version.published') as leaves"
    )
    return counted["versions"], counted["leaves"]


def _recorded(world: RegistryWorld, step: int) -> int:
    return len(world.rows("select 1 from app.extension_version where version = :version", version=f"1.{step}.0"))


@pytest.mark.kills
def test_a_withdrawal_killed_between_any_two_steps_is_in_the_log_when_it_is_in_the_table(world: RegistryWorld) -> None:
    world.register()
    paths: dict[int, str] = {}

    def event(step: int) -> dict[str, Any]:
        """The withdrawal of a version of its own for each step."""
        paths[step] = f"/versions/{world.publish(version=f'1.{step}.0')['version_id']}/withdraw"
        return world.event("POST", paths[step], world.publisher, {"reason": "malware"})

    killed = 0
    for step, answer in _dying(world, "http", event):
        assert answer is None or answer["statusCode"] == 200, answer
        killed += answer is None
        again = world.call("POST", paths[step], world.publisher, {"reason": "malware"})
        assert (again.status, again.body.get("code")) in ((200, None), (409, "version_state"))
        withdrawn_list.renew(world.sweeper())  # what a killed process did not list, the sweeper does
        assert len(world.withdrawn()) == step
        (counted,) = world.rows(
            "select (select count(*) from app.extension_version where state = 'withdrawn') as versions,"
            " (select count(*) from app.transparency_leaf where kind = 'version.withdrawn') as leaves"
        )
        assert (counted["versions"], counted["leaves"]) == (step, step)

    assert killed > 5


def test_making_ready_during_a_withdrawal_ends_as_one_or_the_other(world: RegistryWorld) -> None:
    world.register()
    with RegistryProcess(world) as withdrawing, RegistryProcess(world) as making:
        for process in (withdrawing, making):
            process.answer(world.event("GET", "/extensions", world.admin))  # so that everything is imported
        for minor in range(4):
            sent = world.send(world.signed(manifest_of(version=f"1.{minor}.0"))).body
            (message,) = world.queued()
            prepared = PreparedMessage(version_id=message.version_id, content_hash=message.content_hash, ok=True)
            event = world.event("POST", f"/versions/{sent['version_id']}/withdraw", world.publisher, {"reason": "r"})
            with ThreadPoolExecutor(1) as threads:
                made = threads.submit(making.answer, sqs_event(prepared), "assets")
                answer = withdrawing.answer(event)
                assert answer is not None

            shown = world.call("GET", f"/versions/{sent['version_id']}", world.publisher).body
            is_listed = sent["content_hash"].removeprefix("sha256:") in world.withdrawn()
            assert made.result() == {"batchItemFailures": []}
            assert (answer["statusCode"], json.loads(answer["body"])["state"]) == (200, shown["state"])
            assert (shown["state"], is_listed) in (("rejected", True), ("withdrawn", True))


def _dying(
    world: RegistryWorld, handler: str, event: Callable[[int], dict[str, Any]]
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Handle events in processes that die at step 1, 2, … until one lives to the end; yield the step and its answer."""
    with RegistryProcess(world) as server:
        for step in range(1, 200):
            answer = server.answer(event(step), handler, step)
            yield step, answer
            if answer is not None:
                break
