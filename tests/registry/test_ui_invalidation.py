"""Withdrawn pages leave CloudFront's caches: once, together, and not while they could come back."""

import dataclasses
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alga_ext.calls.messages import Reason
from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.aws import S3ObjectStore
from functions.registry import sweeping
from functions.registry.job_services import SweeperServices
from functions.registry.publishing import ui_invalidation
from functions.registry.settings import SweeperSettings
from tests.support.answering import Reply, answering
from tests.support.registry import RegistryWorld, manifest_of
from tests.support.registry_process import RegistryProcess


class Cdn:
    """A distribution in moto, in front of a registry's UI host."""

    def __init__(self, world: RegistryWorld) -> None:
        self._client = world.client("cloudfront")
        config = {
            "CallerReference": uuid.uuid4().hex,
            "Comment": "",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "o.example"}]},
            "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only"},
        }
        self.distribution_id = str(self._client.create_distribution(DistributionConfig=config)["Distribution"]["Id"])
        world.rewire(UI_DISTRIBUTION_ID=self.distribution_id)

    def invalidations(self) -> list[tuple[str, list[str]]]:
        """The reference and the paths of each invalidation so far."""
        known = self._client.list_invalidations(DistributionId=self.distribution_id)["InvalidationList"]
        ids = [item["Id"] for item in known.get("Items", [])]
        found = [self._client.get_invalidation(DistributionId=self.distribution_id, Id=each) for each in ids]
        batches = [answer["Invalidation"]["InvalidationBatch"] for answer in found]
        return [(batch["CallerReference"], batch["Paths"]["Items"]) for batch in batches]

    def paths(self) -> list[list[str]]:
        return [paths for _, paths in self.invalidations()]


@pytest.fixture
def cdn(world: RegistryWorld) -> Cdn:
    made = Cdn(world)
    world.register()
    return made


def withdrawn(world: RegistryWorld, *versions: str) -> list[str]:
    """Publish and withdraw versions; return the paths of their UIs."""
    paths = []
    for version in versions:
        made = world.publish(version=version)
        moved = world.call("POST", f"/versions/{made['version_id']}/withdraw", world.publisher, {"reason": "malware"})
        assert moved.status == 200
        paths.append(path_of(made))
    return sorted(paths)


def path_of(version: dict[str, Any]) -> str:
    return f"/ext-ui/{version['content_hash'].removeprefix('sha256:')}/*"


def later(world: RegistryWorld, seconds: float = 45) -> SweeperServices:
    """What a sweeper works with some time from now."""
    return dataclasses.replace(world.sweeper(), now=lambda: world.services.now() + timedelta(seconds=seconds))


def make_due(world: RegistryWorld) -> None:
    """Have the versions been found on the list a minute ago."""
    world.rows("update app.extension_version set ui_listed_at = now() - interval '1 minute' returning 1")


def noted(world: RegistryWorld, column: str) -> list[bool]:
    return [row["noted"] for row in world.rows(f"select {column} is not null as noted from app.extension_version")]


def test_a_withdrawal_is_invalidated_once_by_the_sweep_after_the_one_that_found_it_listed(
    world: RegistryWorld, cdn: Cdn
) -> None:
    paths = withdrawn(world, "1.0.0")

    first = sweeping.sweep(world.sweeper())
    assert (first["ui_invalidated"], cdn.paths()) == (0, [])
    assert ui_invalidation.invalidate(later(world)) == 1
    assert ui_invalidation.invalidate(later(world, 90)) == 0
    assert sweeping.sweep(world.sweeper())["ui_invalidated"] == 0

    assert cdn.paths() == [paths]


@pytest.mark.parametrize(("seconds", "sent"), [(44.0, 0), (45.1, 1)])
def test_nothing_is_invalidated_before_every_ui_host_has_read_the_list(
    world: RegistryWorld, cdn: Cdn, seconds: float, sent: int
) -> None:
    withdrawn(world, "1.0.0")
    noted_at = world.services.now()
    sweeper = dataclasses.replace(world.sweeper(), now=lambda: noted_at)
    ui_invalidation.note_listed(sweeper, ui_invalidation.unlisted(sweeper))

    at = noted_at + timedelta(seconds=seconds)
    assert ui_invalidation.invalidate(dataclasses.replace(sweeper, now=lambda: at)) == sent


def test_withdrawals_of_one_minute_are_one_invalidation(world: RegistryWorld, cdn: Cdn) -> None:
    paths = withdrawn(world, "1.0.0", "1.1.0", "1.2.0")
    sweeping.sweep(world.sweeper())

    assert ui_invalidation.invalidate(later(world)) == 3
    assert cdn.paths() == [paths]


@pytest.mark.parametrize(("limit", "everything"), [(3, False), (2, True)])
def test_more_withdrawals_than_cloudfront_takes_at_once_invalidate_every_page(
    world: RegistryWorld, cdn: Cdn, monkeypatch: pytest.MonkeyPatch, limit: int, everything: bool
) -> None:
    assert ui_invalidation.PATHS_LIMIT == 15
    monkeypatch.setattr(ui_invalidation, "PATHS_LIMIT", limit)
    paths = withdrawn(world, "1.0.0", "1.1.0", "1.2.0")
    sweeping.sweep(world.sweeper())

    assert ui_invalidation.invalidate(later(world)) == 3
    assert cdn.paths() == [["/ext-ui/*"] if everything else paths]


def test_a_rejected_version_with_a_ui_is_invalidated_and_one_without_is_not(world: RegistryWorld, cdn: Cdn) -> None:
    rejected = world.send(world.signed(manifest_of())).body
    server = manifest_of("com.acme.server", runtime="wasm-component@1", ui=None)
    world.send(world.signed(server, {"dist/main.wasm": b"\0asm"}))
    reasons = [Reason(code="component_invalid", detail="It is broken.")]
    assert world.prepare(ok=False, reasons=reasons) == ["rejected"] * 2
    sweeping.sweep(world.sweeper())

    assert ui_invalidation.invalidate(later(world)) == 1
    assert cdn.paths() == [[path_of(rejected)]]


def test_a_version_that_still_runs_is_not_invalidated(world: RegistryWorld, cdn: Cdn) -> None:
    version = world.publish()
    world.call("POST", f"/versions/{version['version_id']}/yank", world.publisher, {"reason": "a mistake"})
    sweeping.sweep(world.sweeper())

    assert ui_invalidation.invalidate(later(world)) == 0
    assert cdn.paths() == []


def test_without_a_distribution_nothing_is_noted(world: RegistryWorld) -> None:
    world.register()
    withdrawn(world, "1.0.0")

    assert sweeping.sweep(world.sweeper())["ui_invalidated"] == 0
    assert (noted(world, "ui_listed_at"), noted(world, "ui_invalidated_at")) == ([False], [False])


def test_a_distribution_that_comes_later_forgets_what_was_withdrawn_before(world: RegistryWorld) -> None:
    world.register()
    paths = withdrawn(world, "1.0.0")
    sweeping.sweep(world.sweeper())
    cdn = Cdn(world)
    sweeping.sweep(world.sweeper())

    assert ui_invalidation.invalidate(later(world)) == 1
    assert cdn.paths() == [paths]


class _Store:
    """An object store in which something happens before the list is written."""

    def __init__(self, inner: S3ObjectStore, before: Callable[[], None]) -> None:
        self._inner, self._before = inner, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def replace(self, *arguments: Any) -> None:
        self._before()
        self._inner.replace(*arguments)


def test_a_list_that_cannot_be_written_delays_the_invalidation(world: RegistryWorld, cdn: Cdn) -> None:
    def fail() -> None:
        raise PlatformError("object_store_unavailable", "The list cannot be written.")

    withdrawn(world, "1.0.0")
    with world.replaced(objects=_Store(world.objects, fail)), pytest.raises(PlatformError, match="object_store"):
        sweeping.sweep(world.sweeper())

    assert noted(world, "ui_listed_at") == [False]
    sweeping.sweep(world.sweeper())
    assert noted(world, "ui_listed_at") == [True]


def test_a_version_that_is_withdrawn_while_the_list_is_made_waits_for_the_next_list(
    world: RegistryWorld, cdn: Cdn
) -> None:
    late = world.publish()
    withdraw = "update app.extension_version set state = 'withdrawn' where version_id = cast(:version_id as uuid)"

    def withdraw_now() -> None:
        with world.services.database.system() as tx:
            tx.execute(withdraw, version_id=late["version_id"])

    with world.replaced(objects=_Store(world.objects, withdraw_now)):
        sweeping.sweep(world.sweeper())

    assert path_of(late).split("/")[2] not in world.withdrawn()
    assert noted(world, "ui_listed_at") == [False]


BUSY = b"""<?xml version="1.0"?>
<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error><Type>Sender</Type>
<Code>TooManyInvalidationsInProgress</Code><Message>Your request exceeds the limit.</Message></Error></ErrorResponse>"""


def test_too_many_invalidations_in_progress_are_waited_for(
    world: RegistryWorld, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = withdrawn(world, "1.0.0")
    sweeping.sweep(world.sweeper())
    with answering(lambda _: Reply(400, BUSY, {"content-type": "text/xml"})) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", server.url)
        assert ui_invalidation.invalidate(later(world)) == 0
        assert [asked.path for asked in server.asked] == [
            f"/2020-05-31/distribution/{cdn.distribution_id}/invalidation"
        ]
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDFRONT")

    assert noted(world, "ui_invalidated_at") == [False]
    assert ui_invalidation.invalidate(later(world)) == 1
    assert cdn.paths() == [paths]


@pytest.mark.parametrize(
    "reply",
    [Reply(403, BUSY.replace(b"TooManyInvalidationsInProgress", b"AccessDenied")), Reply(500), Reply(body=None)],
    ids=["denies", "fails", "hangs-up"],
)
def test_a_network_that_does_not_take_the_invalidation_fails_the_run_and_keeps_no_other_step_from_its_turn(
    world: RegistryWorld, cdn: Cdn, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    withdrawn(world, "1.0.0")
    sweeping.sweep(world.sweeper())
    world.publish(version="2.0.0")  # the log grows, so that its head is to be signed
    make_due(world)
    head = object_keys.log_head(len(world.rows("select 1 from app.transparency_leaf")))
    assert world.objects.size(head) is None
    with answering(lambda _: reply) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", server.url)
        with pytest.raises(PlatformError, match="cdn_unavailable"):
            sweeping.sweep(world.sweeper())

    assert world.objects.size(head) is not None
    assert noted(world, "ui_invalidated_at") == [False, False]


def test_a_sweeper_that_is_killed_between_any_two_steps_makes_cloudfront_forget_the_pages_once(
    world: RegistryWorld, cdn: Cdn
) -> None:
    paths = withdrawn(world, "1.0.0", "1.1.0")
    sweeping.sweep(world.sweeper())
    make_due(world)
    died = 0
    with RegistryProcess(world) as process:
        while process.answer({}, "sweeper", died + 1) is None:
            died += 1

    assert died > 10
    assert noted(world, "ui_invalidated_at") == [True, True]
    sent = cdn.invalidations()
    assert len(sent) >= 2, "it was killed after sending and before noting"
    assert {reference for reference, _ in sent} == {sent[0][0]}, "CloudFront takes them for one"
    assert all(sorted(each) == paths for _, each in sent)


def test_other_versions_are_another_invalidation(world: RegistryWorld, cdn: Cdn) -> None:
    for version in ("1.0.0", "1.1.0"):
        withdrawn(world, version)
        sweeping.sweep(world.sweeper())
        assert ui_invalidation.invalidate(later(world)) == 1

    first, second = cdn.invalidations()
    assert first[0] != second[0]


REQUIRED = {
    "DATABASE_URL": "postgresql://fn_registry@127.0.0.1/x",
    "BUNDLE_STORE_BASE": "s3://bucket",
    "PREPARE_QUEUE_URL": "https://sqs.example/q",
    "EVENTS_QUEUE_URL": "https://sqs.example/events",
    "SIGNING_TRUST_BUNDLE": "{}",
    "RELEASE_SIGNING_KEY": "kms:1",
    "LOG_SIGNING_KEY": "kms:2",
}


@pytest.mark.parametrize("distribution_id", ["e1abcdef2ghijk", "E1", "E1ABCDEF2GHIJK/", "https://d1.cloudfront.net"])
def test_what_is_no_distributions_id_stops_the_start(distribution_id: str) -> None:
    with pytest.raises(ValueError, match="UI_DISTRIBUTION_ID: it is not the id of a distribution; give the id of"):
        SweeperSettings.read({**REQUIRED, "UI_DISTRIBUTION_ID": distribution_id})


def test_a_distributions_id_is_read() -> None:
    settings = SweeperSettings.read({**REQUIRED, "UI_DISTRIBUTION_ID": "E1ABCDEF2GHIJK"})

    assert settings.ui_distribution_id == "E1ABCDEF2GHIJK"
