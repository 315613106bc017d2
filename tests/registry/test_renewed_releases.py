"""A version that is prepared again gets a signature by the present release key, so that the earlier key can end."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.calls.messages import PrepareMessage
from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.trust.signing import LocalSigner, Signer, parse_envelope, sign_envelope
from tests.support.registry import RegistryWorld


class Releases:
    """A registry with one published version, whose release key is then replaced."""

    def __init__(self, world: RegistryWorld) -> None:
        self.world = world
        world.register()
        self.version = world.publish()
        self.key = object_keys.release(self.version["content_hash"].removeprefix("sha256:"))
        self.old, self.new = world.release, LocalSigner.generate()

    def trust(self, *, ended: Signer | None = None) -> None:
        """Trust both release keys, of which one may have ended, and sign with the new one."""
        keys: list[dict[str, Any]] = [
            {"key_id": key.key_id, "public_key": key.public_pem, "use": use}
            for key, use in ((self.old, "release"), (self.new, "release"), (self.world.log, "log"))
        ]
        for key in keys:
            if ended is not None and key["key_id"] == ended.key_id:
                key["valid_until"] = datetime.now(UTC).isoformat()
        self.world.release = self.new
        self.world.rewire(SIGNING_TRUST_BUNDLE=json.dumps({"version": 1, "keys": keys}))

    def prepare_again(self) -> None:
        version = self.version
        message = PrepareMessage(
            version_id=version["version_id"], content_hash=version["content_hash"], component_sha256=None
        )
        self.world.prepare(message)

    @property
    def signed_by(self) -> list[str]:
        return [key_id for key_id, _ in parse_envelope(self.stored).signatures]

    @property
    def stored(self) -> bytes:
        return self.world.services.objects.get(self.key)

    def put(self, data: bytes) -> None:
        objects = self.world.services.objects
        tagged = objects.get_tagged(self.key)
        objects.replace(self.key, data, "application/json", tagged.tag if tagged else None)


@pytest.fixture
def releases(world: RegistryWorld) -> Releases:
    return Releases(world)


def test_the_record_is_signed_with_the_present_key_too(releases: Releases) -> None:
    before = parse_envelope(releases.stored)
    releases.trust()
    releases.prepare_again()
    after = parse_envelope(releases.stored)

    assert releases.signed_by == [releases.new.key_id, releases.old.key_id]
    assert (after.payload, after.signatures[1]) == (before.payload, before.signatures[0])


def test_the_version_installs_after_the_earlier_key_has_ended(releases: Releases) -> None:
    releases.trust()
    releases.prepare_again()
    releases.trust(ended=releases.old)

    assert releases.world.install()["state"] == "enabled"


def test_without_it_the_version_does_not_install(releases: Releases) -> None:
    releases.trust(ended=releases.old)
    world = releases.world
    refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})

    assert refused.code == "release_integrity"


def test_a_record_with_the_present_key_is_left_as_it_is(releases: Releases) -> None:
    releases.trust()
    releases.prepare_again()
    before = releases.stored
    releases.prepare_again()

    assert releases.stored == before


def test_a_withdrawn_version_gets_no_signature(releases: Releases) -> None:
    path = f"/versions/{releases.version['version_id']}/withdraw"
    releases.world.call("POST", path, releases.world.publisher, {"reason": "malware"})
    releases.trust()
    releases.prepare_again()

    assert releases.signed_by == [releases.old.key_id]


@pytest.mark.parametrize("kind", ["by a stranger", "garbage", "of another bundle", "absent"])
def test_a_record_that_does_not_verify_gets_no_signature(releases: Releases, kind: str) -> None:
    payload = parse_envelope(releases.stored).payload
    other = payload.replace(releases.version["content_hash"].removeprefix("sha256:").encode(), b"0" * 64)
    match kind:
        case "by a stranger":
            releases.put(sign_envelope(LocalSigner.generate(), payload))
        case "garbage":
            releases.put(b"{}")
        case "of another bundle":
            releases.put(sign_envelope(releases.old, other))
        case _:
            releases.world.services.objects.delete(releases.key)
    before = releases.world.services.objects.get_optional(releases.key)
    releases.trust()

    with pytest.raises(PlatformError, match="release_integrity"):
        releases.prepare_again()
    assert releases.world.services.objects.get_optional(releases.key) == before


def test_of_two_deliveries_at_the_same_time_one_writes(releases: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    releases.trust()
    objects = releases.world.services.objects
    replace = type(objects).replace
    raced: list[bool] = []

    def late(store: Any, *arguments: Any) -> None:
        if not raced:
            raced.append(True)
            releases.prepare_again()
        replace(store, *arguments)

    monkeypatch.setattr(type(objects), "replace", late)
    releases.prepare_again()

    assert releases.signed_by == [releases.new.key_id, releases.old.key_id]
