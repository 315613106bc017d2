"""A signed trust bundle is verified by pinned root keys before anything in it is read."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signed_trust import SIGNED_TRUST_LIMIT_BYTES, sign_trust, verify_trust
from alga_ext.trust.signing import (
    STATEMENT_PAYLOAD_TYPE,
    TRUST_BUNDLE_PAYLOAD_TYPE,
    LocalSigner,
    PublicKey,
    Signer,
    sign_by_each,
    sign_envelope,
)
from alga_ext.trust.trust_document import (
    TRUST_BUNDLE_LIMIT_BYTES,
    VERSION_LIMIT,
    VersionedTrust,
    encode_versioned,
    parse_trust_bundle,
)
from tests.support.keys import ACME, NOW, P256Signer, revoked, trust_in, trusted
from tests.support.refusals import code_of

ROOT, NEXT_ROOT, STRANGER = LocalSigner.generate(), LocalSigner.generate(), LocalSigner.generate()
EXPIRES = datetime(2026, 7, 1, tzinfo=UTC)
TRUST = trust_in(
    trusted(ACME, "release", valid_until=datetime(2027, 1, 1, tzinfo=UTC)), revocations=[revoked(STRANGER, NOW)]
)
DOCUMENT = VersionedTrust(7, EXPIRES, TRUST)
MEMBERS: dict[str, Any] = {"version": 7, "expires": "2026-07-01T00:00:00Z", "keys": []}


def pinned(*signers: Signer) -> list[PublicKey]:
    return [PublicKey.from_pem(signer.public_pem) for signer in signers]


def refused(envelope: bytes, *roots: Signer) -> str | None:
    return code_of(lambda: verify_trust(envelope, pinned(*(roots or [ROOT]))))


def enveloped(payload: bytes, *signers: Signer, payload_type: str = TRUST_BUNDLE_PAYLOAD_TYPE) -> bytes:
    return sign_by_each(signers or [ROOT], payload, payload_type)


def test_what_a_root_key_signed_is_read() -> None:
    found = verify_trust(sign_trust(DOCUMENT, [ROOT]), pinned(ROOT))

    assert (found.version, found.expires_at, found.signed_by) == (7, EXPIRES, (ROOT.key_id,))
    assert (found.trust.keys, found.trust.revocations) == (TRUST.keys, TRUST.revocations)


def test_a_key_in_kms_may_be_a_root_key() -> None:
    root = P256Signer()

    assert verify_trust(sign_trust(DOCUMENT, [root]), pinned(root)).version == 7


@pytest.mark.parametrize("signers", [[ROOT], [NEXT_ROOT], [ROOT, NEXT_ROOT], [STRANGER, NEXT_ROOT]])
def test_one_of_two_pinned_root_keys_is_enough(signers: Sequence[LocalSigner]) -> None:
    found = verify_trust(sign_trust(DOCUMENT, signers), pinned(ROOT, NEXT_ROOT))

    assert set(found.signed_by) == {signer.key_id for signer in signers} - {STRANGER.key_id}


def test_a_bundle_by_another_key_is_refused() -> None:
    assert refused(sign_trust(DOCUMENT, [STRANGER])) == "key_unknown"


def test_no_pinned_key_accepts_nothing() -> None:
    assert code_of(lambda: verify_trust(sign_trust(DOCUMENT, [ROOT]), [])) == "key_unknown"


def test_a_signature_of_a_root_key_over_other_bytes_is_refused() -> None:
    envelope = json.loads(sign_trust(DOCUMENT, [ROOT]))
    envelope["payload"] = base64.b64encode(encode_versioned(DOCUMENT._replace(version=8))).decode()

    assert refused(json.dumps(envelope, separators=(",", ":")).encode()) == "signature_invalid"


def test_a_signature_of_a_stranger_in_the_root_keys_name_is_refused() -> None:
    envelope = json.loads(sign_trust(DOCUMENT, [STRANGER]))
    envelope["signatures"][0]["keyid"] = ROOT.key_id

    assert refused(json.dumps(envelope, separators=(",", ":")).encode()) == "signature_invalid"


def test_a_document_without_an_envelope_is_refused() -> None:
    assert refused(json.dumps({"version": 1, "keys": []}).encode()) == "signature_malformed"


def test_an_envelope_of_another_kind_is_refused() -> None:
    payload = encode_versioned(DOCUMENT)

    assert refused(enveloped(payload, payload_type=STATEMENT_PAYLOAD_TYPE)) == "signature_malformed"


def test_an_envelope_over_its_limit_is_not_parsed() -> None:
    assert refused(b" " * (SIGNED_TRUST_LIMIT_BYTES + 1)) == "signature_malformed"


def test_the_largest_document_fits_into_the_largest_envelope() -> None:
    reason = "x" * (TRUST_BUNDLE_LIMIT_BYTES - 200)
    document = {**MEMBERS, "revocations": [{"key_id": ACME.key_id, "from": "2026-06-01T00:00:00Z", "reason": reason}]}
    payload = json.dumps(document, separators=(",", ":")).encode()
    signers = [LocalSigner.generate() for _ in range(7)]

    assert TRUST_BUNDLE_LIMIT_BYTES - 100 < len(payload) <= TRUST_BUNDLE_LIMIT_BYTES
    assert refused(enveloped(payload, ROOT, *signers)) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"version": None},
        {"version": 0},
        {"version": -1},
        {"version": 1.0},
        {"version": "7"},
        {"version": True},
        {"version": VERSION_LIMIT + 1},
        {"expires": None},
        {"expires": ""},
        {"expires": "2026-07-01"},
        {"expires": "2026-07-01T00:00:00"},
        {"expires": 1_782_864_000},
        {"keys": None},
        {"expiry": "2026-07-01T00:00:00Z"},
    ],
    ids=str,
)
def test_a_signed_document_that_is_not_exactly_one_is_refused(changed: dict[str, Any]) -> None:
    document = {name: value for name, value in {**MEMBERS, **changed}.items() if value is not None}

    assert refused(enveloped(json.dumps(document).encode())) == "trust_bundle_invalid"


def test_the_members_that_the_refusals_change_are_accepted() -> None:
    assert refused(enveloped(json.dumps(MEMBERS).encode())) is None


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff", b'{"version":7,"version":8}', b"x" * (1 << 20)])
def test_a_signed_payload_that_is_no_document_is_refused(payload: bytes) -> None:
    assert refused(enveloped(payload)) == "trust_bundle_invalid"


def test_a_rule_of_the_unsigned_document_holds_in_the_signed_one() -> None:
    ends = trusted(ACME, "release", valid_from=NOW, valid_until=NOW)

    assert code_of(lambda: sign_trust(DOCUMENT._replace(trust=trust_in(ends)), [ROOT])) == "trust_bundle_invalid"


def test_a_signed_bundle_is_no_unsigned_one_and_the_other_way_round() -> None:
    signed, unsigned = sign_trust(DOCUMENT, [ROOT]).decode(), json.dumps({"version": 1, "keys": []})

    assert code_of(lambda: parse_trust_bundle(signed)) == "trust_bundle_invalid"
    assert refused(sign_envelope(ROOT, unsigned.encode(), TRUST_BUNDLE_PAYLOAD_TYPE)) == "trust_bundle_invalid"


def test_a_version_out_of_range_is_not_signed() -> None:
    with pytest.raises(PlatformError, match="trust_bundle_invalid"):
        sign_trust(VersionedTrust(0, EXPIRES, TrustBundle([])), [ROOT])
