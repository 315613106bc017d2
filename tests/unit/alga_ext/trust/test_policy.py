"""Which key may sign what, for whom and when."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.trust.policy import TrustBundle, TrustedKey, Use
from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, LocalSigner, sign_envelope
from tests.support.keys import ACME, NOW, P256Signer, revoked, trust_in, trusted
from tests.support.refusals import code_of

OTHER = LocalSigner.generate()
ENVELOPE = sign_envelope(ACME, b'{"a":1}')
SECOND = timedelta(seconds=1)


def verdict(
    trust: TrustBundle, data: bytes = ENVELOPE, use: Use = "publisher", publisher: str = "acme", at: datetime = NOW
) -> str | None:
    return code_of(lambda: trust.verify(data, use=use, publisher=publisher, at=at))


def test_a_trusted_key_is_accepted_and_the_payload_is_what_was_signed() -> None:
    verified = trust_in(trusted(ACME)).verify(ENVELOPE, use="publisher", publisher="acme", at=NOW)

    assert verified.payload == b'{"a":1}'
    assert verified.key.key_id == ACME.key_id


def test_a_p256_key_is_accepted_too() -> None:
    signer = P256Signer()

    assert verdict(trust_in(trusted(signer)), sign_envelope(signer, b"{}")) is None


def test_an_unknown_key_is_refused() -> None:
    assert verdict(trust_in(trusted(OTHER))) == "key_unknown"
    assert verdict(trust_in()) == "key_unknown"


def test_a_key_of_another_publisher_is_refused() -> None:
    assert verdict(trust_in(trusted(ACME, publishers=["globex"]))) == "key_not_allowed"


def test_a_key_for_no_publisher_is_refused() -> None:
    assert verdict(trust_in(trusted(ACME, publishers=[]))) == "key_not_allowed"


@pytest.mark.parametrize("use", ["release", "artifact"])
def test_a_key_for_another_use_is_refused(use: Use) -> None:
    assert verdict(trust_in(trusted(ACME, use=use))) == "key_not_allowed"
    assert verdict(trust_in(trusted(ACME)), use=use) == "key_not_allowed"


def test_validity_begins_with_its_first_instant() -> None:
    trust = trust_in(trusted(ACME, valid_from=NOW))

    assert [verdict(trust, at=at) for at in (NOW - SECOND, NOW)] == ["key_expired", None]


def test_validity_ends_before_its_last_instant() -> None:
    trust = trust_in(trusted(ACME, valid_until=NOW))

    assert [verdict(trust, at=at) for at in (NOW - SECOND, NOW)] == [None, "key_expired"]


def test_a_revocation_counts_from_its_instant() -> None:
    trust = trust_in(trusted(ACME), revocations=[revoked(ACME, NOW)])

    assert [verdict(trust, at=at) for at in (NOW - SECOND, NOW, NOW + SECOND)] == [None, "key_revoked", "key_revoked"]


def test_of_two_revocations_the_earlier_counts() -> None:
    trust = trust_in(trusted(ACME), revocations=[revoked(ACME, NOW + SECOND), revoked(ACME, NOW - SECOND)])

    assert verdict(trust) == "key_revoked"


def test_a_revocation_counts_for_every_use_of_the_key() -> None:
    trust = trust_in(trusted(ACME), trusted(ACME, use="release"), revocations=[revoked(ACME, NOW)])

    assert verdict(trust, use="release") == "key_revoked"


def test_another_keys_revocation_does_not_count() -> None:
    assert verdict(trust_in(trusted(ACME), revocations=[revoked(OTHER, NOW)])) is None


def test_one_fitting_entry_of_a_key_is_enough() -> None:
    expired = trusted(ACME, valid_until=NOW - SECOND)

    assert verdict(trust_in(expired, trusted(ACME))) is None
    assert verdict(trust_in(expired, trusted(ACME, publishers=["globex"]))) == "key_expired"


def test_a_forged_signature_of_a_trusted_key_is_refused() -> None:
    document = json.loads(sign_envelope(OTHER, b'{"a":1}'))
    document["signatures"][0]["keyid"] = ACME.key_id

    assert verdict(trust_in(trusted(ACME)), json.dumps(document, separators=(",", ":")).encode()) == "signature_invalid"


def test_a_changed_payload_is_refused() -> None:
    document = json.loads(ENVELOPE)
    document["payload"] = json.loads(sign_envelope(OTHER, b'{"a":2}'))["payload"]

    assert verdict(trust_in(trusted(ACME)), json.dumps(document, separators=(",", ":")).encode()) == "signature_invalid"


def test_a_malformed_envelope_is_refused_as_such() -> None:
    assert verdict(trust_in(trusted(ACME)), b"{}") == "signature_malformed"


def test_a_signature_over_another_type_of_payload_is_refused() -> None:
    other = sign_envelope(ACME, b'{"a":1}', "application/json")

    assert verdict(trust_in(trusted(ACME)), other) == "signature_malformed"


def test_a_log_key_signs_heads_and_nothing_else() -> None:
    trust = trust_in(trusted(ACME, use="log"))

    assert verdict(trust, sign_envelope(ACME, b"{}", LOG_HEAD_PAYLOAD_TYPE), use="log") is None
    assert verdict(trust, ENVELOPE, use="log") == "signature_malformed"
    assert verdict(trust_in(trusted(ACME)), sign_envelope(ACME, b"{}", LOG_HEAD_PAYLOAD_TYPE)) == "signature_malformed"


def test_a_key_under_another_keys_id_is_refused() -> None:
    entry = msgspec.structs.replace(trusted(ACME), key_id=OTHER.key_id)

    assert code_of(lambda: trust_in(entry)) == "trust_bundle_invalid"


def test_extending_a_bundle_adds_keys_and_revocations_and_leaves_it_as_it_was() -> None:
    base = trust_in(trusted(OTHER))

    assert verdict(base.extended([trusted(ACME)])) is None
    assert verdict(base.extended([trusted(ACME)], [revoked(ACME, NOW)])) == "key_revoked"
    assert verdict(base) == "key_unknown"


@given(st.data())
def test_one_changed_byte_of_an_envelope_is_never_accepted(data: st.DataObject) -> None:
    envelope = bytearray(ENVELOPE)
    envelope[data.draw(st.integers(0, len(envelope) - 1))] ^= data.draw(st.integers(1, 255))

    assert verdict(trust_in(trusted(ACME)), bytes(envelope)) in (
        "signature_malformed",
        "signature_invalid",
        "key_unknown",
    )


# Several signatures, keys and platform keys


def signed_by(*signers: LocalSigner) -> bytes:
    """One envelope with a signature of each, in this order."""
    documents = [json.loads(sign_envelope(signer, b'{"a":1}')) for signer in signers]
    signatures = [document["signatures"][0] for document in documents]
    return json.dumps({**documents[0], "signatures": signatures}, separators=(",", ":")).encode()


def test_a_signature_by_an_unknown_key_does_not_hide_a_good_one_behind_it() -> None:
    verified = trust_in(trusted(ACME)).verify(signed_by(OTHER, ACME), use="publisher", publisher="acme", at=NOW)

    assert verified.key.key_id == ACME.key_id


def test_a_signature_by_a_key_that_may_not_sign_does_not_hide_a_good_one_behind_it() -> None:
    trust = trust_in(trusted(OTHER, publishers=["globex"]), trusted(ACME))

    verified = trust.verify(signed_by(OTHER, ACME), use="publisher", publisher="acme", at=NOW)

    assert verified.key.key_id == ACME.key_id


def test_the_last_refusal_is_the_one_that_is_told() -> None:
    trust = trust_in(trusted(OTHER, publishers=["globex"]), trusted(ACME, valid_until=NOW))

    assert verdict(trust, signed_by(OTHER, ACME)) == "key_expired"
    assert verdict(trust, signed_by(ACME, OTHER)) == "key_not_allowed"


def test_platform_keys_are_listed_with_valid_ones_first_and_the_newest_of_each_part_first() -> None:
    new, old, expired, withdrawn = (LocalSigner.generate() for _ in range(4))
    trust = trust_in(
        trusted(expired, use="release", valid_from=NOW - 2 * SECOND, valid_until=NOW),
        trusted(old, use="release", valid_from=NOW - 9 * SECOND),
        trusted(ACME),
        trusted(withdrawn, use="release", valid_from=NOW - SECOND),
        trusted(new, use="release", valid_from=NOW - 3 * SECOND),
        revocations=[revoked(withdrawn, NOW)],
    )

    assert trust.key_ids("release", NOW) == [key.key_id for key in (new, old, withdrawn, expired)]


def test_a_platform_key_with_two_validities_is_listed_once() -> None:
    trust = trust_in(trusted(ACME, use="log", valid_until=NOW), trusted(ACME, use="log", valid_from=NOW))

    assert trust.key_ids("log", NOW) == [ACME.key_id]


def test_a_key_that_is_missing_from_the_bundle_can_be_revoked_from_an_instant_on() -> None:
    trust = trust_in(revocations=[revoked(ACME, NOW)])

    assert [trust.is_revoked(ACME.key_id, at) for at in (NOW - SECOND, NOW, NOW + SECOND)] == [False, True, True]
    assert not trust.is_revoked(OTHER.key_id, NOW)


def test_a_key_without_other_words_is_every_publishers_from_1970_on() -> None:
    key = TrustedKey(key_id=ACME.key_id, public_key=ACME.public_pem)

    assert (key.use, key.publishers, key.valid_until) == ("publisher", ("*",), None)
    assert key.valid_from == datetime(1970, 1, 1, tzinfo=UTC)


def test_no_key_or_revocation_changes_after_it_was_read() -> None:
    for entry in (trusted(ACME), revoked(ACME, NOW)):
        with pytest.raises(AttributeError):
            setattr(entry, "key_id", OTHER.key_id)  # noqa: B010
