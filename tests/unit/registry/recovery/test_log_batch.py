"""The form of a batch of the log's copy: what is signed is read back, and nothing else."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.trust.policy import Revocation, TrustBundle, TrustedKey
from alga_ext.trust.signing import LOG_BATCH_PAYLOAD_TYPE, LOG_HEAD_PAYLOAD_TYPE, LocalSigner, sign_envelope
from functions.registry.recovery.log_batch import BATCH_LIMIT_BYTES, ENTRIES_LIMIT, Batch, read_batch, sign_batch

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LOG, OTHER = LocalSigner.generate(), LocalSigner.generate()
TRUST = TrustBundle([
    TrustedKey(key_id=LOG.key_id, public_key=LOG.public_pem, use="log", valid_until=NOW + timedelta(days=1)),
    TrustedKey(key_id=OTHER.key_id, public_key=OTHER.public_pem, use="release"),
])  # fmt: skip
BATCH = Batch(10, bytes(range(32)), ['{"kind":"a"}', '{"kind":"ä\\n"}'])
PAYLOAD: dict[str, Any] = {
    "origin": "alga.dev/extension-log",
    "first": 10,
    "root_hash": bytes(range(32)).hex(),
    "entries": ["{}"],
}


def refused(envelope: bytes, first: int = 10, trust: TrustBundle = TRUST, now: datetime = NOW) -> str:
    """Return the detail of the refusal."""
    with pytest.raises(PlatformError) as raised:
        read_batch(envelope, first, trust, now)
    assert (raised.value.code, raised.value.context["fault"]) == ("log_integrity", "log_copy")
    assert f"from entry {first} on" in raised.value.detail
    return raised.value.detail


def signed(payload: Any, kind: str = LOG_BATCH_PAYLOAD_TYPE, signer: LocalSigner = LOG) -> bytes:
    return sign_envelope(signer, json.dumps(payload, separators=(",", ":")).encode(), kind)


def test_a_signed_batch_is_read_back() -> None:
    assert read_batch(sign_batch(BATCH, LOG), 10, TRUST, NOW) == BATCH


def test_a_batch_ends_after_its_last_entry() -> None:
    assert BATCH.end == 12


def test_a_batch_as_large_as_it_may_be_is_within_the_limit_of_its_envelope() -> None:
    entry = "{" + '"' * (16 * 1024 - 2) + "}"  # JSON escapes each quotation mark
    envelope = sign_batch(Batch(10, bytes(32), [entry] * ENTRIES_LIMIT), LOG)
    assert len(envelope) <= BATCH_LIMIT_BYTES
    assert len(read_batch(envelope, 10, TRUST, NOW).entries) == ENTRIES_LIMIT


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload | {"entries": []},
        lambda payload: payload | {"entries": ["{}"] * (ENTRIES_LIMIT + 1)},
        lambda payload: payload | {"entries": [1]},
        lambda payload: payload | {"first": -1},
        lambda payload: payload | {"root_hash": "AB" * 32},
        lambda payload: payload | {"root_hash": "ab" * 31},
        lambda payload: payload | {"more": 1},
        lambda _: [],
    ],
)
def test_a_payload_that_is_not_a_batch_is_refused(change: Callable[[Any], Any]) -> None:
    assert "not a batch of leaves" in refused(signed(change(PAYLOAD)))


@pytest.mark.parametrize(("member", "value"), [("origin", "another/log"), ("first", 9)])
def test_a_batch_of_another_log_or_place_is_refused(member: str, value: Any) -> None:
    assert "another log or begins with another entry" in refused(signed(PAYLOAD | {member: value}))


def test_another_signed_payload_of_the_log_is_refused() -> None:
    assert LOG_BATCH_PAYLOAD_TYPE in refused(signed(PAYLOAD, LOG_HEAD_PAYLOAD_TYPE))


@pytest.mark.parametrize("signer", [OTHER, LocalSigner.generate()], ids=["for-releases", "unknown"])
def test_a_batch_signed_by_another_key_is_refused(signer: LocalSigner) -> None:
    refused(signed(PAYLOAD, signer=signer))


def test_a_log_key_must_be_valid_now() -> None:
    assert "is not valid at" in refused(signed(PAYLOAD), now=NOW + timedelta(days=1))


def test_a_batch_signed_by_a_revoked_key_is_refused() -> None:
    revoked = TRUST.extended([], [Revocation(key_id=LOG.key_id, revoked_from=NOW)])
    assert "has been revoked" in refused(signed(PAYLOAD), trust=revoked)


def test_what_is_no_envelope_is_refused() -> None:
    assert "cannot be read" in refused(b"\0")
