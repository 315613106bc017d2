"""Several public keys in one setting, each with the instant of its creation if the setting says so."""

from datetime import UTC, datetime

import pytest

from alga_ext.errors import PlatformError
from alga_ext.trust.dated_keys import KEYS_LIMIT, parse_public_keys, parse_signer
from alga_ext.trust.signing import LocalSigner
from tests.support.keys import ACME, P256Signer
from tests.support.refusals import code_of

OTHER = LocalSigner.generate()
CREATED = "Created: 2026-01-31T12:00:00Z\n"


def ids(text: str) -> list[str]:
    return [dated.key.key_id for dated in parse_public_keys(text)]


def test_every_key_is_read_in_its_order() -> None:
    p256 = P256Signer()

    assert ids(ACME.public_pem) == [ACME.key_id]
    assert ids(OTHER.public_pem + p256.public_pem + "\n" + ACME.public_pem) == [OTHER.key_id, p256.key_id, ACME.key_id]


def test_lines_may_end_as_they_do_elsewhere() -> None:
    text = CREATED + ACME.public_pem + OTHER.public_pem.strip()

    assert ids(text.replace("\n", "\r\n")) == [ACME.key_id, OTHER.key_id]


def test_the_line_above_a_key_says_when_it_was_created() -> None:
    text = f"# the next one\n{CREATED}{ACME.public_pem}\n# the present one\n{OTHER.public_pem}"

    assert [dated.created_at for dated in parse_public_keys(text)] == [datetime(2026, 1, 31, 12, tzinfo=UTC), None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "key.pem",
        ACME.private_pem,
        ACME.private_pem + ACME.public_pem,
        ACME.public_pem + ACME.private_pem,
        ACME.public_pem * 2,
        ACME.public_pem + "Created: 2026-01-31T12:00:00Z",
        "Craeted: 2026-01-31T12:00:00Z\n" + ACME.public_pem,
        "Created: yesterday\n" + ACME.public_pem,
        "Created: 2026-01-31T12:00:00\n" + ACME.public_pem,
        CREATED * 2 + ACME.public_pem,
        ACME.public_pem.replace("END", "BEGIN"),
        ACME.public_pem[:-10],
        ACME.public_pem.replace("M", "!", 1),
        "".join(LocalSigner.generate().public_pem for _ in range(KEYS_LIMIT + 1)),
    ],
    ids=range(15),
)
def test_text_that_is_not_exactly_keys_is_refused(text: str) -> None:
    assert code_of(lambda: parse_public_keys(text)) == "key_invalid"


def test_a_refusal_quotes_nothing_of_a_private_key() -> None:
    with pytest.raises(PlatformError) as refusal:
        parse_public_keys(ACME.public_pem + ACME.private_pem)

    assert ACME.private_pem.splitlines()[1] not in str(refusal.value)


def test_a_private_key_says_when_it_was_created() -> None:
    dated, undated = parse_signer(CREATED + ACME.private_pem), parse_signer(ACME.private_pem)

    assert (dated.signer.key_id, dated.created_at) == (ACME.key_id, datetime(2026, 1, 31, 12, tzinfo=UTC))
    assert (undated.signer.key_id, undated.created_at) == (ACME.key_id, None)


@pytest.mark.parametrize("above", ["Craeted: 2026-01-31T12:00:00Z\n", "Created: 2026\n", "MCowBQ==\n"])
def test_text_above_a_private_key_that_is_not_understood_is_refused(above: str) -> None:
    assert code_of(lambda: parse_signer(above + ACME.private_pem)) == "key_invalid"
