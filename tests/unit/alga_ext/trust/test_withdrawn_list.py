"""The list of withdrawn bundles: only what the registry signed, in one form, says that nothing else is withdrawn."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.trust import withdrawn_list
from alga_ext.trust.policy import TrustBundle, Use
from alga_ext.trust.releases import accepted_release
from alga_ext.trust.signing import (
    LOG_HEAD_PAYLOAD_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    WITHDRAWN_LIST_PAYLOAD_TYPE,
    LocalSigner,
    sign_envelope,
)
from alga_ext.trust.withdrawn_list import (
    LIST_LIMIT_BYTES,
    sign_list,
    verify_list,
)
from tests.support.keys import NOW, P256Signer, revoked, trust_in, trusted
from tests.support.refusals import code_of

KEY = LocalSigner.generate()
TRUST = trust_in(trusted(KEY, use="release"))
HOUR = timedelta(hours=1)
FIRST, SECOND = "0" * 64, "ab" * 32
DOCUMENT = {
    "sequence": 2,
    "issued_at": "2026-06-01T12:00:00Z",
    "expires_at": "2026-06-01T13:00:00Z",
    "hashes": [FIRST, SECOND],
}
hashes = st.frozensets(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=20)


def signed(document: Any, payload_type: str = WITHDRAWN_LIST_PAYLOAD_TYPE) -> bytes:
    payload = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    return sign_envelope(KEY, payload, payload_type)


def code(envelope: bytes, trust: TrustBundle = TRUST, at: datetime = NOW) -> str | None:
    return code_of(lambda: verify_list(envelope, trust, at))


def test_a_list_is_at_most_32_mib_and_alarms_at_half() -> None:
    assert (LIST_LIMIT_BYTES, withdrawn_list.ALARM_BYTES) == (33_554_432, 16_777_216)


def test_a_list_of_the_largest_size_is_written_and_read_and_one_byte_more_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    envelope = sign_list([FIRST, SECOND], KEY, NOW, HOUR)

    monkeypatch.setattr(withdrawn_list, "LIST_LIMIT_BYTES", len(envelope))
    assert sign_list([FIRST, SECOND], KEY, NOW, HOUR) == envelope
    assert code(envelope) is None
    monkeypatch.setattr(withdrawn_list, "LIST_LIMIT_BYTES", len(envelope) - 1)
    assert code_of(lambda: sign_list([FIRST, SECOND], KEY, NOW, HOUR)) == "policy_unavailable"
    assert code(envelope) == "signature_malformed"


@given(hashes)
def test_what_is_signed_is_read(given: frozenset[str]) -> None:
    found = verify_list(sign_list(given, KEY, NOW, HOUR), TRUST, NOW)

    assert (found.hashes, found.sequence) == (given, len(given))
    assert (found.issued_at, found.expires_at, found.lifetime) == (NOW, NOW + HOUR, HOUR)


@given(st.lists(st.sampled_from([FIRST, SECOND, "7" * 64])))
def test_order_and_repetition_do_not_matter_to_the_writer(given: list[str]) -> None:
    assert sign_list(given, KEY, NOW, HOUR) == sign_list(sorted(set(given)), KEY, NOW, HOUR)


def test_the_payload_is_plain_json() -> None:
    assert signed(DOCUMENT) == sign_list([SECOND, FIRST], KEY, NOW, HOUR)


def test_a_p256_key_may_sign_the_list() -> None:
    key = P256Signer()

    assert code(sign_list([FIRST], key, NOW, HOUR), trust_in(trusted(key, use="release"))) is None


def test_an_expired_list_still_verifies_because_the_registry_renews_it() -> None:
    assert code(sign_list([FIRST], KEY, NOW, HOUR), at=NOW + timedelta(days=30)) is None


@given(st.data())
def test_one_changed_byte_is_refused(data: st.DataObject) -> None:
    changed = bytearray(sign_list([FIRST, SECOND], KEY, NOW, HOUR))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))

    assert code(bytes(changed)) in {"signature_malformed", "signature_invalid", "key_unknown"}


@pytest.mark.parametrize("use", ["publisher", "artifact", "log"])
def test_a_key_for_another_use_signs_no_list(use: Use) -> None:
    assert code(signed(DOCUMENT), trust_in(trusted(KEY, use=use))) == "key_not_allowed"


@pytest.mark.parametrize(
    ("trust", "refusal"),
    [
        (trust_in(), "key_unknown"),
        (trust_in(trusted(KEY, use="release"), revocations=[revoked(KEY, NOW)]), "key_revoked"),
        (trust_in(trusted(KEY, use="release", valid_until=NOW)), "key_expired"),
        (trust_in(trusted(KEY, use="release", valid_from=NOW + timedelta(seconds=1))), "key_expired"),
    ],
    ids=["unknown", "revoked", "ended", "not-yet"],
)
def test_the_key_must_be_valid_now(trust: TrustBundle, refusal: str) -> None:
    assert code(signed(DOCUMENT), trust) == refusal


@pytest.mark.parametrize("payload_type", [STATEMENT_PAYLOAD_TYPE, LOG_HEAD_PAYLOAD_TYPE, "application/json", ""])
def test_a_signature_over_another_type_is_no_list(payload_type: str) -> None:
    assert code(signed(DOCUMENT, payload_type)) == "signature_malformed"


def test_a_list_is_no_release_record() -> None:
    assert code_of(lambda: accepted_release(signed(DOCUMENT), FIRST, TRUST, NOW)) == "release_integrity"


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 1}, {"sequence": 3}, {"sequence": "2"}, {"sequence": 2.0}, {"sequence": None}, {"sequence": True},
        {"hashes": [SECOND, FIRST]}, {"hashes": [FIRST, FIRST]}, {"hashes": [FIRST, SECOND.upper()]},
        {"hashes": [FIRST, SECOND[:-1]]}, {"hashes": [FIRST, f"{SECOND}\n"]}, {"hashes": [FIRST, f"sha256:{SECOND}"]},
        {"hashes": [FIRST, 5]}, {"hashes": FIRST}, {"hashes": {FIRST: 1, SECOND: 2}}, {"hashes": None},
        {"issued_at": "2026-06-01T13:00:00Z"}, {"issued_at": "2026-06-01T14:00:00Z"}, {"issued_at": 5},
        {"issued_at": "2026-06-01T12:00:00"}, {"expires_at": "2026-06-01"}, {"expires_at": ""}, {"expires_at": None},
        {"issued_at": "2026-06-01T12:00:00.000000Z"},
        {"valid_until": "2027-01-01T00:00:00Z"}, {"not_withdrawn": []},
    ],
)  # fmt: skip
def test_a_member_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    assert code(signed({**DOCUMENT, **changes})) == "signature_malformed"


@pytest.mark.parametrize("name", ["extra", "expires", "Hashes", ""])
def test_an_unknown_member_is_refused(name: str) -> None:
    assert code(signed({**DOCUMENT, name: 1})) == code(signed({**DOCUMENT, "sequence": 1}))
    assert code(signed({**DOCUMENT, name: 1})) is not None


@pytest.mark.parametrize("name", sorted(DOCUMENT))
def test_every_member_must_be_there(name: str) -> None:
    assert code(signed({key: value for key, value in DOCUMENT.items() if key != name})) == "signature_malformed"


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"[]", b"null", b"\xff", json.dumps(DOCUMENT).encode(),
        json.dumps(dict(reversed(DOCUMENT.items())), separators=(",", ":")).encode(),
        json.dumps(DOCUMENT, separators=(",", ":")).encode() + b"\n",
        json.dumps(DOCUMENT, separators=(",", ":")).replace('"sequence":2', '"sequence":2,"sequence":2').encode(),
    ],
)  # fmt: skip
def test_a_payload_of_another_form_is_refused(payload: bytes) -> None:
    assert code(signed(payload)) == "signature_malformed"


def test_a_hundred_thousand_hashes_fit() -> None:
    given = [f"{number:064x}" for number in range(100_000)]
    envelope = sign_list(given, KEY, NOW, HOUR)

    assert 8_900_000 < len(envelope) < 9_000_000
    assert verify_list(envelope, TRUST, NOW).sequence == 100_000


def test_a_list_over_the_limit_is_neither_written_nor_read() -> None:
    given = [f"{number:064x}" for number in range(380_000)]
    oversize = sign_envelope(KEY, b"x" * LIST_LIMIT_BYTES, WITHDRAWN_LIST_PAYLOAD_TYPE)

    assert code_of(lambda: sign_list(given, KEY, NOW, HOUR)) == "policy_unavailable"
    assert code(oversize) == "signature_malformed"
