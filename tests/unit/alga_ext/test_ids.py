"""Identifiers keep their form."""

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.ids import TENANT_ID, is_uuid, new_execution_id, new_id, parse_content_hash, sha256_hex

HEX = "0123456789abcdef" * 4


def test_new_ids_are_canonical_and_differ() -> None:
    ids = {new_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(is_uuid(one) for one in ids)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_an_execution_id_is_a_uuid_of_version_7_with_its_instant_in_milliseconds(now: datetime) -> None:
    made = uuid.UUID(new_execution_id(now))

    assert (made.version, made.variant, made.int >> 80) == (7, uuid.RFC_4122, int(now.timestamp() * 1_000))


def test_execution_ids_of_one_instant_differ() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)

    assert len({new_execution_id(now) for _ in range(100)}) == 100


@given(st.uuids())
def test_a_canonical_uuid_is_one(value: uuid.UUID) -> None:
    assert is_uuid(str(value))


@given(st.uuids())
def test_any_other_spelling_of_a_uuid_is_none(value: uuid.UUID) -> None:
    text = str(value)
    spellings = [value.hex, f"{{{text}}}", f"urn:uuid:{text}", text + "\n", " " + text, text.replace("-", "")]
    if text != text.upper():
        spellings.append(text.upper())

    assert not any(is_uuid(spelling) for spelling in spellings)


@given(st.text(max_size=40))
def test_any_text_is_judged_and_no_error(text: str) -> None:
    assert is_uuid(text) in (True, False)
    parse_content_hash(text)


def test_a_uuid_in_digits_of_another_script_is_none() -> None:
    assert not is_uuid("٠" * 8 + "-0000-4000-8000-" + "0" * 12)


@pytest.mark.parametrize("text", [HEX, f"sha256:{HEX}"])
def test_a_content_hash_is_read_with_and_without_its_prefix(text: str) -> None:
    content_hash = parse_content_hash(text)

    assert content_hash == f"sha256:{HEX}"
    assert sha256_hex(content_hash) == HEX


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX[:-1],
        HEX + "0",
        HEX.upper(),
        f"SHA256:{HEX}",
        f"sha256:{HEX}\n",
        f"sha256: {HEX}",
        f"sha512:{HEX}",
        "٣" * 64,
        f"sha256:sha256:{HEX}",
        "g" * 64,
    ],
)
def test_anything_else_is_no_content_hash(text: str) -> None:
    assert parse_content_hash(text) is None


@pytest.mark.parametrize(
    "tenant", ["acme", "a", "A1", "0b1c-2", "a.b_c", "a" * 64, "9b2d7a6e-0000-4000-8000-000000000000"]
)
def test_a_tenant_id_is_a_slug_or_uuid(tenant: str) -> None:
    assert TENANT_ID.match(tenant)


@pytest.mark.parametrize("tenant", ["", ".a", "-a", "_a", "a b", "a/b", "a'b", "a\n", "a\0", "a" * 65, "ä", "a;b", "*"])
def test_any_other_tenant_id_is_refused(tenant: str) -> None:
    assert not TENANT_ID.match(tenant)
