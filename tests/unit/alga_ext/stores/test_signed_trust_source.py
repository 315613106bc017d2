"""The trust bundle in the object store: read again every 30 seconds, never an older one, never past its expiry."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from alga_ext.settings import RootKeys, Settings, TrustBundleSetting
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.s3_reader import S3ObjectReader
from alga_ext.stores.signed_trust_source import REFRESH_S, RETRY_S, SignedTrustSource, open_trust_source
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signed_trust import SIGNED_TRUST_LIMIT_BYTES, sign_trust
from alga_ext.trust.signing import LocalSigner, PublicKey
from alga_ext.trust.trust_document import VersionedTrust
from alga_ext.trust.trust_source import CurrentTrust
from tests.support.answering import AnsweringServer, Asked, Reply
from tests.support.clock import Clock
from tests.support.keys import ACME, NOW, revoked, trust_in, trusted
from tests.support.refusals import code_of

ROOT, STRANGER = LocalSigner.generate(), LocalSigner.generate()
LIFETIME = timedelta(days=1)
TRUST = trust_in(trusted(ACME, "release"))
REVOKING = trust_in(trusted(ACME, "release"), revocations=[revoked(ACME, NOW)])


class Bucket:
    """A server that has one object, and counts the requests for it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.now = NOW
        self.data: bytes | None = None
        self._lifetime = LIFETIME
        self._server = AnsweringServer(self._answer)

    def close(self) -> None:
        self._server.close()

    def put(
        self,
        version: int,
        trust: TrustBundle = TRUST,
        signer: LocalSigner = ROOT,
        expires_at: datetime | None = None,
    ) -> None:
        self.data = sign_trust(VersionedTrust(version, expires_at or NOW + self._lifetime, trust), [signer])

    def expire_in(self, lifetime: timedelta) -> None:
        """Let bundles that are put from now on last for so long."""
        self._lifetime = lifetime

    def source(self, roots: Sequence[LocalSigner] = (ROOT,)) -> SignedTrustSource:
        """Return the source of a new process."""
        keys = [PublicKey.from_pem(root.public_pem) for root in roots]
        reader = S3ObjectReader("s3://trust", self.api)
        return SignedTrustSource(reader, "trust.json", keys, "uihost", lambda: self.now, self.clock)

    @property
    def api(self) -> AwsApi:
        environment = {"AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
        return AwsApi({**environment, "AWS_ENDPOINT_URL": self._server.url})

    @property
    def requests(self) -> int:
        return len(self._server.asked)

    def _answer(self, asked: Asked) -> Reply:
        assert asked.path == "/trust/trust.json"
        if self.data is None:
            return Reply(403, b"<Error><Code>AccessDenied</Code></Error>")
        tag = f'"{hashlib.md5(self.data).hexdigest()}"'
        if asked.headers.get("if-none-match") == tag:
            return Reply(304, b"", {"etag": tag})
        return Reply(200, self.data, {"etag": tag})

    def conditional(self) -> int:
        """How many requests asked for a changed object only."""
        return sum("if-none-match" in asked.headers for asked in self._server.asked)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    made = Bucket()
    yield made
    made.close()


def verdict(source: SignedTrustSource) -> str:
    """Whether the key of the releases is revoked, or why that is unknown."""
    refused = code_of(source.current)
    return refused or ("revoked" if source.current().is_revoked(ACME.key_id, NOW) else "trusted")


def test_the_bundle_is_read_once_in_thirty_seconds(bucket: Bucket) -> None:
    bucket.put(1)
    source = bucket.source()
    verdicts = [verdict(source) for _ in range(3)]
    bucket.clock.now_s += REFRESH_S - 0.001
    verdicts.append(verdict(source))

    assert (REFRESH_S, verdicts, bucket.requests) == (30, ["trusted"] * 4, 1)


def test_a_bundle_that_did_not_change_is_not_sent_again_and_stays_the_same_object(bucket: Bucket) -> None:
    bucket.put(1)
    source = bucket.source()
    first = source.current()
    bucket.clock.now_s += REFRESH_S

    assert source.current() is first
    assert (bucket.requests, bucket.conditional()) == (2, 1)


def test_a_revocation_counts_from_the_next_read_on(bucket: Bucket) -> None:
    bucket.put(1)
    source = bucket.source()
    before = verdict(source)
    bucket.put(2, REVOKING)
    unread = verdict(source)
    bucket.clock.now_s += REFRESH_S

    assert (before, unread, verdict(source)) == ("trusted", "trusted", "revoked")


def test_a_renewed_bundle_with_the_same_keys_stays_the_same_object(bucket: Bucket) -> None:
    bucket.put(1)
    source = bucket.source()
    first = source.current()
    bucket.put(2, expires_at=NOW + 3 * LIFETIME)
    bucket.clock.now_s += REFRESH_S
    bucket.now += 2 * LIFETIME

    assert source.current() is first


def test_a_lower_version_than_this_process_has_read_is_refused(bucket: Bucket) -> None:
    bucket.put(2, REVOKING)
    source = bucket.source()
    before = verdict(source)
    bucket.put(1)
    bucket.clock.now_s += REFRESH_S

    assert (before, verdict(source)) == ("revoked", "revoked")


def test_another_bundle_of_the_same_version_is_refused(bucket: Bucket) -> None:
    bucket.put(2, REVOKING)
    source = bucket.source()
    before = verdict(source)
    bucket.put(2)
    bucket.clock.now_s += REFRESH_S

    assert (before, verdict(source)) == ("revoked", "revoked")


def test_the_same_bundle_signed_again_is_accepted(bucket: Bucket) -> None:
    bucket.put(2)
    source = bucket.source([ROOT, STRANGER])
    source.current()
    bucket.put(2, signer=STRANGER)
    bucket.clock.now_s += REFRESH_S
    source.current()

    assert source.accepted is not None
    assert source.accepted.signed_by == (STRANGER.key_id,)


def test_a_new_process_does_not_know_the_versions_that_others_have_read(bucket: Bucket) -> None:
    bucket.put(2, REVOKING)
    bucket.source().current()
    bucket.put(1)

    assert verdict(bucket.source()) == "trusted"


@pytest.mark.parametrize("kind", ["unsigned", "by a stranger", "garbage", "absent", "too large"])
def test_what_cannot_be_used_leaves_the_accepted_bundle(bucket: Bucket, kind: str) -> None:
    bucket.put(2, REVOKING)
    source = bucket.source()
    before = verdict(source)
    spoil(bucket, kind)
    bucket.clock.now_s += REFRESH_S

    assert (before, verdict(source)) == ("revoked", "revoked")


@pytest.mark.parametrize("kind", ["unsigned", "by a stranger", "garbage", "absent", "too large"])
def test_a_process_without_a_bundle_refuses_what_cannot_be_used(bucket: Bucket, kind: str) -> None:
    spoil(bucket, kind)

    assert verdict(bucket.source()) == "policy_unavailable"


def spoil(bucket: Bucket, kind: str) -> None:
    match kind:
        case "unsigned":
            key = {"key_id": ACME.key_id, "public_key": ACME.public_pem, "use": "release"}
            bucket.data = json.dumps({"version": 1, "keys": [key]}).encode()
        case "by a stranger":
            bucket.put(3, signer=STRANGER)
        case "garbage":
            bucket.data = b"\xff{"
        case "absent":
            bucket.data = None
        case _:
            bucket.data = b" " * (SIGNED_TRUST_LIMIT_BYTES + 1)


def test_an_unreadable_bundle_is_used_until_its_expiry_and_no_longer(bucket: Bucket) -> None:
    bucket.put(1)
    source = bucket.source()
    source.current()
    bucket.data = None
    bucket.clock.now_s += LIFETIME.total_seconds()
    bucket.now += LIFETIME - timedelta(microseconds=1)
    before = verdict(source)
    bucket.now += timedelta(microseconds=1)

    assert (before, verdict(source)) == ("trusted", "policy_unavailable")


def test_an_expired_bundle_is_not_used_even_when_it_is_the_newest(bucket: Bucket) -> None:
    bucket.put(1, expires_at=NOW)

    assert verdict(bucket.source()) == "policy_unavailable"


def test_without_a_bundle_it_is_read_again_after_a_second(bucket: Bucket) -> None:
    source = bucket.source()
    before = verdict(source)
    bucket.put(1)
    at_once = verdict(source)
    bucket.clock.now_s += RETRY_S

    assert (before, at_once, verdict(source)) == ("policy_unavailable", "policy_unavailable", "trusted")


def test_a_failed_read_is_not_repeated_at_every_call_while_a_bundle_can_be_used(bucket: Bucket) -> None:
    bucket.put(1)
    source = bucket.source()
    source.current()
    bucket.data = None
    bucket.clock.now_s += REFRESH_S
    for _ in range(3):
        source.current()

    assert bucket.requests == 2


def test_an_unreadable_bundle_is_one_line_that_is_a_metric_and_names_what_is_used(
    bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.put(4)
    source = bucket.source()
    source.current()
    bucket.put(3)
    bucket.clock.now_s += REFRESH_S
    source.current()

    (told,) = (vars(record) for record in caplog.records)
    assert told["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "TrustBundleUnreadable", "Unit": "Count"}]
    assert (told["TrustBundleUnreadable"], told["code"], told["used_version"]) == (1, "trust_bundle_invalid", 4)
    assert told["used_until"] == datetime(2026, 6, 2, 12, tzinfo=UTC).isoformat()


# Services that are built anew in a process


class _Settings(Settings, frozen=True, kw_only=True):
    section = "Test"

    signing_trust_bundle: TrustBundleSetting
    trust_root_keys: RootKeys = ""


def opened(bucket: Bucket, earlier: CurrentTrust | None = None, **changed: str) -> CurrentTrust:
    given = {"SIGNING_TRUST_BUNDLE": "s3://trust/trust.json", "TRUST_ROOT_KEYS": ROOT.public_pem, **changed}
    return open_trust_source(_Settings.read(given), bucket.api, "uihost", bucket.clock, earlier)


def test_services_that_are_built_anew_still_refuse_what_is_older_than_the_process_has_read(bucket: Bucket) -> None:
    bucket.expire_in(timedelta(days=36_500))
    bucket.put(2, REVOKING)
    first = opened(bucket)
    assert first.current().is_revoked(ACME.key_id, NOW)
    bucket.put(1)
    bucket.clock.now_s += REFRESH_S

    assert opened(bucket, first).current().is_revoked(ACME.key_id, NOW)
    assert not opened(bucket).current().is_revoked(ACME.key_id, NOW), "a new process does not know"


@pytest.mark.parametrize(
    "changed",
    [
        {"SIGNING_TRUST_BUNDLE": "s3://other/trust.json"},
        {"SIGNING_TRUST_BUNDLE": "s3://trust/other.json"},
        {"TRUST_ROOT_KEYS": STRANGER.public_pem},
        {"TRUST_ROOT_KEYS": ROOT.public_pem + STRANGER.public_pem},
    ],
    ids=["bucket", "key", "root", "one more root"],
)
def test_a_source_for_other_settings_is_another_one(bucket: Bucket, changed: dict[str, str]) -> None:
    first = opened(bucket)

    assert opened(bucket, first) is first
    assert opened(bucket, first, **changed) is not first
