"""Whether a release record says that a bundle may run."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alga_ext.errors import PlatformError
from alga_ext.trust import releases
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import accepted_release
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import Release, ReleaseRecord, statement
from tests.support.keys import ACME, NOW, SHA, revoked, trust_in, trusted

REGISTRY = LocalSigner.generate()
RECORD = ReleaseRecord(
    publisher="acme", name="com.acme.notes", version="1.0.0", key_id=ACME.key_id, published_at=NOW.isoformat()
)
TRUST = trust_in(trusted(REGISTRY, use="release"), trusted(ACME))


def record(**members: Any) -> bytes:
    return sign_envelope(REGISTRY, statement(msgspec.structs.replace(RECORD, **members), "bundle.tar.zst", SHA))


def refusal(data: bytes, trust: TrustBundle = TRUST, sha256: str = SHA) -> dict[str, Any]:
    with pytest.raises(PlatformError) as refused:
        accepted_release(data, sha256, trust, NOW)
    assert refused.value.code == "release_integrity"
    return refused.value.context


def test_a_record_by_a_release_key_is_accepted() -> None:
    assert accepted_release(record(), SHA, TRUST, NOW) == RECORD


def test_a_record_by_a_publishers_key_is_refused() -> None:
    signed = sign_envelope(ACME, statement(RECORD, "bundle.tar.zst", SHA))

    assert refusal(signed) | {"why": ""} == {"fault": "release_record", "cause": "key_not_allowed", "why": ""}


def test_a_record_about_another_bundle_is_refused() -> None:
    found = refusal(record(), sha256="cd" * 32)

    assert (found["fault"], found["cause"]) == ("release_record", "bundle_hash_mismatch")


def test_a_publishers_own_statement_is_no_record_although_a_release_key_signed_it() -> None:
    own = Release(publisher="acme", name="com.acme.notes", version="1.0.0")

    found = refusal(sign_envelope(REGISTRY, statement(own, "bundle.tar.zst", SHA)))

    assert (found["fault"], found["cause"]) == ("release_record", "signature_malformed")


def test_a_record_by_an_expired_release_key_is_refused() -> None:
    found = refusal(record(), trust_in(trusted(REGISTRY, use="release", valid_until=NOW)))

    assert (found["fault"], found["cause"]) == ("release_record", "key_expired")


@pytest.mark.parametrize(
    ("seconds", "refused"), [(-1, True), (0, True), (1, False)], ids=["before", "with", "after publication"]
)
def test_the_publishers_key_must_not_be_revoked_when_it_was_published(seconds: int, refused: bool) -> None:
    trust = TRUST.extended([], [revoked(ACME, NOW + timedelta(seconds=seconds))])

    if refused:
        assert refusal(record(), trust) == {"fault": "publisher_key"}
    else:
        assert accepted_release(record(), SHA, trust, NOW) == RECORD


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-06-01", "2026-06-01T00:00:00", "2026-06-01T25:00:00Z", "2026-02-30T00:00:00Z", "1780315200",
     "2026-06-01T00:00:00Z ", "2026-06-01T00:00:00Zx"],
)  # fmt: skip
def test_a_record_without_an_instant_of_publication_is_refused(text: str) -> None:
    assert refusal(record(published_at=text)) == {"fault": "release_record"}


@pytest.mark.parametrize("member", ["publisher", "name", "version", "key_id", "published_at"])
def test_a_record_without_one_of_its_members_is_refused(member: str) -> None:
    document = json.loads(statement(RECORD, "bundle.tar.zst", SHA))
    del document["predicate"][member]

    found = refusal(sign_envelope(REGISTRY, json.dumps(document).encode()))

    assert (found["fault"], found["cause"]) == ("release_record", "signature_malformed")


def test_a_verdict_holds_for_at_most_a_minute() -> None:
    assert releases.VERDICT_LIFETIME_S == 60.0
