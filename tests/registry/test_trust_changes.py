"""What the operator changes in the trust bundle counts from the registry's next request on."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.registry import Answer, RegistryWorld, manifest_of


class TrustFile:
    """The registry's trust bundle, as a file that the operator edits."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document
        self.write(document)

    def write(self, document: dict[str, Any]) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(document))
        new.rename(self.path)

    def revoke(self, key_id: str, since: datetime) -> None:
        self.write({**self.document, "revocations": [{"key_id": key_id, "from": since.isoformat()}]})

    def end(self, key_id: str, at: datetime) -> None:
        keys = [{**k, "valid_until": at.isoformat()} if k["key_id"] == key_id else k for k in self.document["keys"]]
        self.write({**self.document, "keys": keys})


@pytest.fixture
def trust(world: RegistryWorld, tmp_path: Path) -> TrustFile:
    made = TrustFile(tmp_path / "trust.json", json.loads(world.environment()["SIGNING_TRUST_BUNDLE"]))
    world.rewire(SIGNING_TRUST_BUNDLE=str(made.path))
    return made


@pytest.fixture
def published(world: RegistryWorld, trust: TrustFile) -> RegistryWorld:
    world.register()
    world.publish()
    return world


def install(world: RegistryWorld) -> Answer:
    return world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})


def test_a_release_key_revoked_after_the_publication_is_refused_at_install(
    published: RegistryWorld, trust: TrustFile
) -> None:
    trust.revoke(published.release.key_id, datetime.now(UTC))

    assert install(published).code == "release_integrity"


def test_a_release_key_that_ended_after_the_publication_is_refused_at_install(
    published: RegistryWorld, trust: TrustFile
) -> None:
    trust.end(published.release.key_id, datetime.now(UTC))

    assert install(published).code == "release_integrity"


def test_a_release_key_revoked_from_tomorrow_still_installs(published: RegistryWorld, trust: TrustFile) -> None:
    trust.revoke(published.release.key_id, datetime.now(UTC) + timedelta(days=1))

    assert install(published).status == 201


def test_a_release_key_revoked_after_the_publication_is_refused_at_update(
    published: RegistryWorld, trust: TrustFile
) -> None:
    made = install(published)
    published.publish(version="1.1.0")
    trust.revoke(published.release.key_id, datetime.now(UTC))
    path = f"/installs/{made.body['install_id']}/update"

    assert published.call("POST", path, published.tenant_admin(), {}).code == "release_integrity"


def test_a_release_key_revoked_after_the_publication_is_refused_at_roll_back(
    published: RegistryWorld, trust: TrustFile
) -> None:
    published.publish(version="1.1.0")
    made = install(published)
    trust.revoke(published.release.key_id, datetime.now(UTC))
    path = f"/installs/{made.body['install_id']}/rollback"
    body = {"version": "1.0.0", "reason": "worse"}

    assert published.call("POST", path, published.tenant_admin(), body).code == "release_integrity"


def test_a_publishers_key_the_operator_revokes_signs_nothing_new(published: RegistryWorld, trust: TrustFile) -> None:
    trust.revoke(published.publisher_key.key_id, datetime.now(UTC))

    sent = published.send(published.signed(manifest_of(version="1.1.0")))

    assert (sent.status, sent.code) == (403, "key_revoked")


def test_a_publishers_key_the_operator_revokes_from_before_the_publication_is_refused_at_install(
    published: RegistryWorld, trust: TrustFile
) -> None:
    trust.revoke(published.publisher_key.key_id, datetime(2020, 1, 1, tzinfo=UTC))

    assert install(published).code == "key_revoked"


def test_a_trust_bundle_that_cannot_be_read_any_more_installs_nothing(
    published: RegistryWorld, trust: TrustFile
) -> None:
    trust.path.write_text("{")

    refused = install(published)

    assert (refused.status, refused.code) == (503, "policy_unavailable")
