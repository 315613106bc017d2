"""The trust bundle as its operator writes it: JSON or PEM, and nothing that could be read in two ways."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.trust.policy import TrustBundle, TrustedKey
from alga_ext.trust.signing import LocalSigner, Signer, sign_envelope
from alga_ext.trust.trust_document import TRUST_BUNDLE_LIMIT_BYTES, parse_trust_bundle
from tests.support.keys import ACME, NOW, P256Signer
from tests.support.refusals import code_of

OTHER = LocalSigner.generate()
P256 = P256Signer()
BEGIN, END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


def verdict(trust: TrustBundle, signer: Signer = ACME, publisher: str = "acme", at: datetime = NOW) -> str | None:
    data = sign_envelope(signer, b"{}")
    return code_of(lambda: trust.verify(data, use="publisher", publisher=publisher, at=at))


def reason(text: str) -> str:
    """Return why a trust bundle is refused."""
    with pytest.raises(PlatformError) as refusal:
        parse_trust_bundle(text)
    assert refusal.value.code == "trust_bundle_invalid"
    return refusal.value.detail


# JSON


def document(**members: Any) -> dict[str, Any]:
    key = {"key_id": ACME.key_id, "public_key": ACME.public_pem, "use": "publisher", "publishers": ["acme"]}
    return {"version": 1, "keys": [key], "revocations": [], **members}


def with_key(**members: Any) -> str:
    return json.dumps(document(keys=[{**document()["keys"][0], **members}]))


def test_a_trust_bundle_is_read_from_json() -> None:
    revocation = {"key_id": ACME.key_id, "from": "2026-07-01T00:00:00Z", "reason": "lost laptop"}
    trust = parse_trust_bundle(json.dumps(document(revocations=[revocation])))

    assert verdict(trust) is None
    assert verdict(trust, at=datetime(2026, 7, 1, tzinfo=UTC)) == "key_revoked"


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "x", '{"version":2,"keys":[]}', '{"version":1}', '{"version":1,"keys":[],"keys":[]}',
        json.dumps(document(extra=1)), json.dumps(document(keys=[{}])),
        json.dumps(document(revocations=[{"key_id": ACME.key_id}])),
        json.dumps(document(revocations=[{"key_id": ACME.key_id.upper(), "from": "2026-01-01T00:00:00Z"}])),
        json.dumps(document(revocations=[{"key_id": ACME.key_id, "from": "2026-01-01T00:00:00"}])),
        json.dumps(document(revocations=[{"key_id": ACME.key_id, "from": "2026-01-01"}])),
        json.dumps(document(revocations=[{"key_id": ACME.key_id, "from": 20260101}])),
        with_key(use="root"), with_key(valid_from="2026-01-01T00:00:00"), with_key(key_id=OTHER.key_id),
        with_key(publishers=["Acme"]), with_key(publishers="acme"), with_key(use="release"),
        with_key(valid_from="2026-02-01T00:00:00Z", valid_until="2026-02-01T00:00:00Z"),
        "[" * 100_000, "\ud800",
    ],
    ids=map(str, range(24)),  # the keys are new in every process, and no part of a name
)  # fmt: skip
def test_json_in_any_other_form_is_refused(text: str) -> None:
    assert code_of(lambda: parse_trust_bundle(text)) == "trust_bundle_invalid"


def test_a_key_that_is_none_is_refused() -> None:
    assert code_of(lambda: parse_trust_bundle(with_key(public_key="x"))) == "key_invalid"


@given(st.data())
def test_one_changed_byte_of_a_trust_bundle_adds_no_key(data: st.DataObject) -> None:
    text = bytearray(json.dumps(document()).encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 127))
    trusts: list[TrustBundle] = []

    code = code_of(lambda: trusts.append(parse_trust_bundle(text.decode("latin-1"))))

    assert code in ("trust_bundle_invalid", "key_invalid") or {key.key_id for key in trusts[0].keys} == {ACME.key_id}


# What one entry may say


def with_revocation(**members: Any) -> str:
    return json.dumps(document(revocations=[{"key_id": ACME.key_id, "from": "2026-01-01T00:00:00Z", **members}]))


@pytest.mark.parametrize(
    "key_id",
    ["", ACME.key_id[7:], ACME.key_id + "0", ACME.key_id[:-1], "x" + ACME.key_id, ACME.key_id + "\n", " " + ACME.key_id,
     ACME.key_id.upper(), ACME.key_id[:-1] + "g"],
    ids=["empty", "no prefix", "longer", "shorter", "x before", "line feed", "space before", "upper case", "no hex"],
)  # fmt: skip
def test_a_key_id_is_a_hash_and_nothing_before_or_after_it(key_id: str) -> None:
    said = "key_id: it must be 'sha256:' and 64 lower-case hex digits"
    assert f"at keys.0.{said}" in reason(with_key(key_id=key_id))
    assert f"at revocations.0.{said}" in reason(with_revocation(key_id=key_id))


@pytest.mark.parametrize("name", ["", "a" * 64, "Acme", "*a", "a*", "**", "acme\n", " acme", "acme_", 1, None])
def test_a_publisher_of_a_key_is_a_slug_or_the_asterisk(name: object) -> None:
    assert "at keys.0.publishers.1: it must be a list of publishers' names" in reason(
        with_key(publishers=["acme", name])
    )


@pytest.mark.parametrize("name", ["a", "a" * 63, "*", "0-9"])
def test_every_slug_can_be_the_publisher_of_a_key(name: str) -> None:
    assert parse_trust_bundle(with_key(publishers=[name])).keys[0].publishers == (name,)


@pytest.mark.parametrize("member", ["valid_untl", "revoked_from", "from", "USE"])
def test_a_misspelt_member_of_a_key_is_refused(member: str) -> None:
    assert f"at keys.0: its member '{member}' is unknown" in reason(with_key(**{member: "2026-01-01T00:00:00Z"}))


@pytest.mark.parametrize("member", ["revoked_from", "until", "keyid"])
def test_a_misspelt_member_of_a_revocation_is_refused(member: str) -> None:
    said = reason(with_revocation(**{member: "2026-01-01T00:00:00Z"}))
    assert f"at revocations.0: its member '{member}' is unknown" in said


@pytest.mark.parametrize(
    "text",
    ["2026-06-01T12:00:00Z", "2026-06-01T12:00:00.0Z", "2026-06-01T12:00:00.000000Z", "2026-06-01T14:00:00+02:00"],
)
def test_an_instant_may_have_fractions_of_a_second_and_an_offset(text: str) -> None:
    assert parse_trust_bundle(with_key(valid_until=text)).keys[0].valid_until == NOW


@pytest.mark.parametrize(
    "value",
    ["2026-06-01T12:00:00.Z", "2026-06-01T12:00:00.0000000Z", "02026-06-01T12:00:00Z", "2026-06-01T12:00:00Zx",
     "x2026-06-01T12:00:00Z", "2026-06-01 12:00:00Z", "2026-06-01T12:00Z", "2026-06-01T12:00:00",
     "2026-06-01T12:00:00Z\n", "2026-06-01t12:00:00z", "2026-06-01T12:00:00+0200", "2026-06-01T12:00:00+24:00",
     "2026-13-01T12:00:00Z", "2026-06-01T24:00:00Z", "٢٠٢٦-06-01T12:00:00Z", 1780315200, None],
)  # fmt: skip
def test_a_value_that_is_no_full_instant_begins_no_validity(value: object) -> None:
    assert "at keys.0.valid_from: it must be an instant with time zone" in reason(with_key(valid_from=value))
    assert "at revocations.0.from: it must be an instant with time zone" in reason(with_revocation(**{"from": value}))


@pytest.mark.parametrize("use", ["root", "Release", "", None, ["log"]])
def test_another_use_of_a_key_is_refused_with_the_known_ones(use: object) -> None:
    assert "at keys.0.use: it must be 'publisher', 'release', 'artifact' or 'log'" in reason(with_key(use=use))


@pytest.mark.parametrize("member", ["key_id", "public_key"])
def test_a_key_without_its_id_or_itself_is_refused(member: str) -> None:
    key = document()["keys"][0]
    del key[member]

    assert f"at keys.0: it has no member '{member}'" in reason(json.dumps(document(keys=[key])))


@pytest.mark.parametrize("version", [0, 2, "1", True, None, 1.5])
def test_another_version_of_the_document_is_refused(version: object) -> None:
    assert "at version: it must be 1" in reason(json.dumps(document(version=version)))


# PEM


def pem(signer: Signer = ACME, **attributes: str) -> str:
    """One key with its id and other attribute lines above it; ``Valid_From`` stands for ``Valid-From``."""
    named = {"Key_Id": signer.key_id, **attributes}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\n".join((*lines, signer.public_pem))


WHOLE = "\n".join(
    (
        "# Who runs what here",
        pem(ACME, Use="publisher", Publishers="acme, globex", Valid_From="2026-01-01T00:00:00Z"),
        "# lost on the train",
        pem(
            OTHER,
            Use="publisher",
            Publishers="*",
            Revoked_From="2026-06-01T12:00:00+02:00",
            Revoked_Reason="lost laptop: on a train",
        ),
        pem(P256, Use="release", Valid_Until="2027-01-01T00:00:00Z"),
        pem(P256, Use="log"),
    )
)


def test_pem_says_the_same_as_json() -> None:
    keys = [
        {"key_id": ACME.key_id, "public_key": ACME.public_pem, "publishers": ["acme", "globex"],
         "valid_from": "2026-01-01T00:00:00Z"},
        {"key_id": OTHER.key_id, "public_key": OTHER.public_pem},
        {"key_id": P256.key_id, "public_key": P256.public_pem, "use": "release", "valid_until": "2027-01-01T00:00:00Z"},
        {"key_id": P256.key_id, "public_key": P256.public_pem, "use": "log"},
    ]  # fmt: skip
    revocations = [{"key_id": OTHER.key_id, "from": "2026-06-01T10:00:00Z", "reason": "lost laptop: on a train"}]
    from_json = parse_trust_bundle(json.dumps({"version": 1, "keys": keys, "revocations": revocations}))

    from_pem = parse_trust_bundle(WHOLE)

    assert from_pem.keys == from_json.keys
    assert from_pem.revocations == from_json.revocations


@pytest.mark.parametrize(
    "text", [f"\n\n{WHOLE}", WHOLE.replace("\n", "\r\n"), WHOLE.rstrip("\n"), f"# {BEGIN}\n{WHOLE}"]
)
def test_blank_lines_and_line_ends_make_no_difference(text: str) -> None:
    assert parse_trust_bundle(text).keys == parse_trust_bundle(WHOLE).keys


def test_a_key_of_one_publisher_is_not_anothers() -> None:
    trust = parse_trust_bundle(pem(Use="publisher", Publishers="acme"))

    assert [verdict(trust, publisher=name) for name in ("acme", "globex")] == [None, "key_not_allowed"]


def test_a_key_revoked_in_pem_is_revoked_from_its_instant() -> None:
    trust = parse_trust_bundle(pem(Use="publisher", Publishers="*", Revoked_From="2026-06-01T12:00:00Z"))

    assert [verdict(trust, at=at) for at in (NOW.replace(second=0, hour=11), NOW)] == [None, "key_revoked"]


def test_a_p256_key_in_pem_is_accepted() -> None:
    assert verdict(parse_trust_bundle(pem(P256, Use="publisher", Publishers="acme")), P256) is None


HONEST = {"Use": "publisher", "Publishers": "acme"}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({}, "the key that begins at line 2 has no Use; write 'Use: publisher', 'release', 'artifact' or 'log'"),
        ({"Publishers": "acme"}, "the key that begins at line 3 has no Use;"),
        ({"Use": "publisher"}, "the key that begins at line 3 has no Publishers;"),
        ({"Use": "root"}, "Use of the key that begins at line 3: it must be 'publisher', 'release'"),
        ({"Use": "Release"}, "Use of the key that begins at line 3"),
        ({"Use": "release, log"}, "Use of the key that begins at line 3"),
        ({"Use": ""}, "line 2 has no value for Use"),
        ({"Use": "release", "Publishers": "acme"}, "has the use release, which is for every publisher"),
        ({**HONEST, "Publishers": "Acme"}, "Publishers of the key that begins at line 4"),
        ({**HONEST, "Publishers": "acme,"}, "Publishers of the key that begins at line 4"),
        ({**HONEST, "Publishers": "acme globex"}, "Publishers of the key that begins at line 4"),
        ({**HONEST, "Key_Id": OTHER.key_id}, f"the key id {OTHER.key_id} for a key whose id is {ACME.key_id}"),
        ({**HONEST, "Key_Id": ACME.key_id.upper()}, "Key-Id of the key that begins at line 4"),
        ({**HONEST, "Key_Id": ACME.key_id[7:]}, "Key-Id of the key that begins at line 4"),
        ({**HONEST, "Valid_From": "2026-01-01"}, "Valid-From of the key that begins at line 5"),
        ({**HONEST, "Valid_From": "2026-01-01T00:00:00"}, "Valid-From of the key that begins at line 5"),
        ({**HONEST, "Valid_From": "2026-13-01T00:00:00Z"}, "Valid-From of the key that begins at line 5"),
        ({**HONEST, "Valid_Until": "never"}, "Valid-Until of the key that begins at line 5"),
        ({**HONEST, "Valid_Until": "1767225600"}, "Valid-Until of the key that begins at line 5"),
        (
            {**HONEST, "Valid_From": "2026-02-01T00:00:00Z", "Valid_Until": "2026-01-01T00:00:00Z"},
            "its valid_until must be after its valid_from",
        ),
        ({**HONEST, "Revoked_From": "yesterday"}, "Revoked-From of the key that begins at line 5"),
        ({**HONEST, "Revoked_Reason": "lost"}, "no Revoked-From; write the instant of the revocation"),
        ({**HONEST, "Revoked": "2026-01-01T00:00:00Z"}, "line 4 is not a known attribute; known are Key-Id, Use"),
        ({**HONEST, "use": "log"}, "line 4 is not a known attribute"),
    ],
    ids=map(str, range(24)),
)
def test_a_malformed_attribute_is_refused_with_its_line(attributes: dict[str, Any], said: str) -> None:
    assert said in reason(pem(**attributes))


KEY = pem(Use="publisher", Publishers="acme")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"Use: log\n{KEY}", "line 3 repeats Use for the same key"),
        (f"{KEY}Use: release\n", "no key follows the attributes at its end (Use)"),
        (f"{KEY}and more\n", "line 7 must be an attribute"),
        (f"{KEY}{END}\n", "line 7 must be an attribute"),
        (KEY.replace(f"{END}\n", ""), "line 6 of the key that begins at line 4 is neither base64 nor"),
        (
            KEY.replace(END, "-----END CERTIFICATE-----"),
            "line 6 of the key that begins at line 4 is neither base64 nor",
        ),
        (KEY.replace(END, BEGIN), "line 6 of the key that begins at line 4 is neither base64 nor"),
        (
            KEY.replace(f"{BEGIN}\n", f"{BEGIN}\nProc-Type: 4\n\n"),
            "line 5 of the key that begins at line 4 is neither base64 nor",
        ),
        (re.sub(r"\n[A-Za-z0-9+/=]{20,}\n", "\n", KEY), "the key that begins at line 4 cannot be read"),
        (re.sub(r"\n[A-Za-z0-9+/=]{20,}\n", "\nAAAA\n", KEY), "the key that begins at line 4 cannot be read"),
        (f" {KEY}", "line 1 must be an attribute"),
        (BEGIN, f"the key that begins at line 1 has no '{END}'"),
        (KEY + OTHER.private_pem, "line 7 must be an attribute"),
        (OTHER.private_pem, "it is neither a JSON object nor PEM keys"),
        (ACME.public_pem, f"has no Key-Id; if it is the right key, write 'Key-Id: {ACME.key_id}' above it"),
    ],
    ids=map(str, range(15)),
)
def test_a_malformed_line_is_refused_with_its_number(text: str, said: str) -> None:
    assert said in reason(text)


def test_a_key_of_another_kind_is_refused() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    text = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    assert "The key is neither Ed25519 nor ECDSA P-256" in reason(f"Use: log\n{text}")


def test_a_refusal_never_quotes_what_stands_in_the_document() -> None:
    secret = OTHER.private_pem.splitlines()[1]

    said = [reason(KEY + OTHER.private_pem), reason(f"Use: log\n{BEGIN}\n!{secret}\n"), reason(f"{secret}: x\n{KEY}")]

    assert not any(secret in text for text in said)


@given(st.data())
def test_one_changed_character_of_a_pem_bundle_widens_nothing(data: st.DataObject) -> None:
    text = WHOLE
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + data.draw(st.characters(max_codepoint=0x17F)) + text[at + 1 :]
    trusts: list[TrustBundle] = []

    code = code_of(lambda: trusts.append(parse_trust_bundle(text)))

    known = {key.key_id for key in parse_trust_bundle(WHOLE).keys}
    assert code == "trust_bundle_invalid" or {key.key_id for key in trusts[0].keys} <= known


# Either form


@given(st.text(max_size=200))
def test_any_text_is_refused_in_our_words(text: str) -> None:
    assert code_of(lambda: parse_trust_bundle(text)) == "trust_bundle_invalid"


@given(st.lists(st.sampled_from([*WHOLE.splitlines(), "", "Use:", ":", "Use: x", "# c", "\x00", "-----BEGIN X-----"])))
def test_any_lines_of_a_bundle_are_read_or_refused_in_our_words(lines: list[str]) -> None:
    assert code_of(lambda: parse_trust_bundle("\n".join(lines))) in (None, "trust_bundle_invalid")


LARGEST: dict[str, Callable[[], str]] = {
    "keys in PEM": lambda: pem(P256, Use="log") * (TRUST_BUNDLE_LIMIT_BYTES // len(pem(P256, Use="log"))),
    "one long line": lambda: BEGIN + "\n" + "A" * (TRUST_BUNDLE_LIMIT_BYTES - 100),
    "one long attribute": lambda: "Publishers: " + "a," * (TRUST_BUNDLE_LIMIT_BYTES // 2 - 100) + "\n" + BEGIN,
    "empty lines": lambda: BEGIN + "\n" * (TRUST_BUNDLE_LIMIT_BYTES - 100),
}


@pytest.mark.parametrize("form", LARGEST)
def test_the_largest_bundle_is_read_or_refused_in_bounded_time(form: str) -> None:
    text = LARGEST[form]()
    started = time.thread_time()

    code = code_of(lambda: parse_trust_bundle(text))

    assert code == (None if form == "keys in PEM" else "trust_bundle_invalid")
    assert time.thread_time() - started < 3


@pytest.mark.parametrize("sign", ["a", "ä"])
def test_a_bundle_of_one_mebibyte_is_read_and_one_byte_more_is_refused(sign: str) -> None:
    size = len(sign.encode())
    text = f"{KEY}#{sign * ((1_048_576 - len(KEY) - 1) // size)}"
    text += "#" * (1_048_576 - len(text.encode()))

    assert code_of(lambda: parse_trust_bundle(text)) is None
    assert "it is at least 1048577 bytes; at most 1048576 are allowed" in reason(text + "#")


@pytest.mark.parametrize("text", [json.dumps(document()), f" \n{json.dumps(document())}\n"])
def test_blanks_around_json_make_no_difference(text: str) -> None:
    assert verdict(parse_trust_bundle(text)) is None


def test_a_refusal_of_json_names_the_place_and_not_the_value() -> None:
    assert reason(with_key(valid_from="my secret")).startswith(
        "The trust bundle cannot be used: at keys.0.valid_from: it must be an instant with time zone"
    )
    assert "my secret" not in reason(with_key(valid_from="my secret"))
    assert reason("[]").startswith("The trust bundle cannot be used: at document: ")


def test_a_larger_one_is_refused_with_limit_and_actual() -> None:
    text = "#" * (TRUST_BUNDLE_LIMIT_BYTES + 1)

    assert (
        f"it is at least {TRUST_BUNDLE_LIMIT_BYTES + 1} bytes; at most {TRUST_BUNDLE_LIMIT_BYTES} are allowed"
        in reason(text)
    )


def test_a_key_of_the_registry_fits_the_same_rules() -> None:
    key = TrustedKey(key_id=ACME.key_id, public_key=ACME.public_pem, publishers=("acme",), valid_from=NOW)

    assert verdict(TrustBundle([key])) is None


@pytest.mark.parametrize("line", ["# a comment \udcf3", "Use: publ\udcf3", "Publishers: a\udcf3"])
def test_bytes_of_a_pem_bundle_that_are_not_utf8_are_refused(line: str) -> None:
    with pytest.raises(PlatformError, match="trust_bundle_invalid"):
        parse_trust_bundle(f"{line}\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
