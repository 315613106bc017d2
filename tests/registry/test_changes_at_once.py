"""Many changes of one extension, its publisher and installs at once: each is answered, and none waits in a circle."""

import base64
import json
import random
import threading
from collections import Counter
from typing import Any

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.support.registry import RegistryWorld, manifest_of
from tests.support.registry_process import RegistryProcess

WORKERS, CHANGES = 4, 25


class Worker(threading.Thread):
    """A registry of its own that makes a random change after the other."""

    def __init__(self, world: RegistryWorld, seed: int, versions: list[dict[str, Any]]) -> None:
        super().__init__()
        self._world, self._random, self._seed, self._versions = world, random.Random(seed), seed, versions
        self.seen: Counter[tuple[str, int, str]] = Counter()

    def run(self) -> None:
        with RegistryProcess(self._world) as registry:
            for number in range(CHANGES):
                method, path, token, body = self._change(number)
                answer = registry.answer(self._world.event(method, path, token, body))
                assert answer is not None
                text = json.loads(answer["body"]) if answer.get("body") else {}
                kind = method + " " + path.split("/")[1] + "/" + path.rpartition("/")[2]
                self.seen[kind, answer["statusCode"], text.get("code", "")] += 1

    def _change(self, number: int) -> tuple[str, str, str, Any]:
        world, choice = self._world, self._random.choice
        version = choice(self._versions)
        tenant = choice(["tenant-a", "tenant-b"])
        admin = world.tenant_admin(tenant)
        installed = world.rows(
            "select install_id from app.tenant_extension_install where tenant_id = :tenant and state <> 'uninstalled'",
            tenant=tenant,
        )
        install = f"/installs/{installed[0]['install_id']}" if installed else None
        reason = {"reason": "r"}
        of_platform = [
            ("POST", f"/versions/{version['version_id']}/{choice(['yank', 'unyank'])}", world.admin, reason),
            ("POST", f"/versions/{version['version_id']}/withdraw", world.admin, reason),
            ("POST", "/extensions/com.acme.notes/deprecate", world.admin, reason),
            ("DELETE", "/extensions/com.acme.notes/deprecate", world.admin, None),
            ("POST", "/extensions/com.acme.notes/transfer", world.admin, {"publisher": choice(["acme", "globex"])}),
            self._publication(number),
            self._publication(number),
            self._new_key(),
            self._end_of_key(),
        ]
        if install is None:
            of_tenant: list[tuple[str, str, str, Any]] = [("POST", "/installs", admin, {"extension": "com.acme.notes"})]
        else:
            of_tenant = [
                ("POST", f"{install}/update", admin, {}),
                ("POST", f"{install}/update", admin, {"version": version["version"]}),
                ("POST", f"{install}/rollback", admin, {"version": version["version"], **reason}),
                ("POST", f"{install}/{choice(['enable', 'disable', 'pin', 'unpin'])}", admin, None),
                ("POST", f"{install}/request/{choice(['approve', 'decline'])}", admin, {}),
                ("PUT", f"{install}/grants", admin, {"capabilities": []}),
                ("PUT", f"{install}/config", admin, {"config": {}}),
                ("DELETE", install, admin, None),
            ]
        return choice([*of_platform, *of_tenant])

    def _publication(self, number: int) -> tuple[str, str, str, Any]:
        published = self._world.signed(manifest_of(version=f"2.{self._random.randrange(4)}.{number}"))
        body = {"bundle_b64": base64.b64encode(published.archive).decode(), "signature": published.signature}
        return "POST", "/versions", self._world.publisher, body

    def _new_key(self) -> tuple[str, str, str, Any]:
        return "POST", "/publishers/acme/keys", self._world.publisher, {"public_key": LocalSigner.generate().public_pem}

    def _end_of_key(self) -> tuple[str, str, str, Any]:
        keys = self._world.rows(
            "select key_id from app.publisher_key where key_id <> :used", used=self._world.publisher_key.key_id
        )
        used = self._world.publisher_key.key_id
        key_id = self._random.choice([*(row["key_id"] for row in keys), used])
        if key_id == used:
            later = {"valid_until": "2100-01-01T00:00:00Z"}
            return "POST", f"/publishers/acme/keys/{key_id}/retire", self._world.publisher, later
        return "POST", f"/publishers/acme/keys/{key_id}/revoke", self._world.publisher, {"reason": "r"}


def test_every_change_is_answered_however_many_are_made_at_once(world: RegistryWorld) -> None:
    world.register()
    world.register("globex", LocalSigner.generate())
    versions = [world.publish(version=f"1.{number}.0") for number in range(12)]
    workers = [Worker(world, seed, versions) for seed in range(WORKERS)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        world.prepare()
    for worker in workers:
        worker.join()

    world.prepare()

    seen = sum((worker.seen for worker in workers), Counter[tuple[str, int, str]]())
    assert [outcome for outcome in seen if outcome[1] >= 500] == [], seen
    (log,) = world.rows(
        "select count(*) as leaves, max(leaf_index) + 1 as next_index,"
        " (select tree_size from app.transparency_size) as size from app.transparency_leaf"
    )
    assert log["leaves"] == log["next_index"] == log["size"]
    assert world.rows("select 1 from app.extension_version where state = 'pending'") == []


@pytest.mark.parametrize("of", ["a bundle", "an upload", "an install", "a publisher", "a key"])
def test_of_one_creation_asked_for_three_times_at_once_each_gets_the_same_answer(world: RegistryWorld, of: str) -> None:
    world.register()
    world.publish()
    method, path, token, body = _creation(world, of)
    headers = {} if of == "an upload" else {"idempotency-key": "k"}
    event = world.event(method, path, token, body, headers=headers)
    answers: list[dict[str, Any] | None] = []
    ready = threading.Barrier(3)

    def ask() -> None:
        with RegistryProcess(world) as registry:
            registry.answer(world.event("GET", "/extensions", world.admin))  # so that everything is imported
            ready.wait(60)
            answers.append(registry.answer(event))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({(answer["statusCode"], answer["body"]) for answer in answers if answer}) == 1, answers
    assert answers[0] is not None
    assert answers[0]["statusCode"] in (201, 202)


def _creation(world: RegistryWorld, of: str) -> tuple[str, str, str, Any]:
    if of == "an install":
        return "POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"}
    if of == "a publisher":
        return "POST", "/publishers", world.admin, {"publisher": "globex", "display_name": "Globex"}
    if of == "a key":
        key = {"public_key": LocalSigner.generate().public_pem}
        return "POST", "/publishers/acme/keys", world.publisher, key
    published = world.signed(manifest_of(version="2.0.0"))
    if of == "an upload":
        upload_id = world.upload(published)
        return "POST", "/versions", world.publisher, {"upload_id": upload_id, "signature": published.signature}
    body = {"bundle_b64": base64.b64encode(published.archive).decode(), "signature": published.signature}
    return "POST", "/versions", world.publisher, body
