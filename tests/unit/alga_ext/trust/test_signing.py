"""Keys and DSSE envelopes: what is signed is bytes, and every byte of an envelope counts."""

import base64
import json
from collections.abc import Callable

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, utils, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.trust.signing import (
    ENVELOPE_LIMIT_BYTES,
    SIGNATURES_LIMIT,
    STATEMENT_PAYLOAD_TYPE,
    LocalSigner,
    PublicKey,
    Signer,
    parse_envelope,
    pre_authentication_encoding,
    sign_envelope,
    verify_envelope,
    with_signature,
)
from tests.support.keys import ACME, P256Signer
from tests.support.refusals import code_of

P256 = P256Signer()
SIGNERS: list[Signer] = [ACME, P256]
# Signed once: a P-256 signature is another one each time, of another length.
ENVELOPES = {signer.key_id: sign_envelope(signer, b'{"subject":"x"}') for signer in SIGNERS}
KEYS = {signer.key_id: PublicKey.from_pem(signer.public_pem) for signer in SIGNERS}


def accepted(data: bytes) -> bool:
    """Whether one of the known keys signed what an envelope says."""
    envelope = parse_envelope(data)
    return any(verify_envelope(envelope, key) for key in KEYS.values())


# Keys


@pytest.mark.parametrize("signer", SIGNERS, ids=["ed25519", "p256"])
def test_a_public_key_reads_back_from_its_pem(signer: Signer) -> None:
    key = PublicKey.from_pem(signer.public_pem)

    assert (key.key_id, key.pem) == (signer.key_id, signer.public_pem)


def test_a_private_key_reads_back_from_its_pem() -> None:
    assert LocalSigner.from_pem(ACME.private_pem).key_id == ACME.key_id


def test_the_key_id_is_the_hash_of_the_subject_public_key_info() -> None:
    import hashlib

    der = base64.b64decode("".join(ACME.public_pem.splitlines()[1:-1]))
    assert ACME.key_id == "sha256:" + hashlib.sha256(der).hexdigest()
    assert PublicKey.from_der(der).key_id == ACME.key_id


LIBRARY_KEYS: dict[str, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
    "p256": ec.generate_private_key(ec.SECP256R1()).public_key(),
}


@pytest.mark.parametrize("kind", LIBRARY_KEYS)
def test_a_key_has_the_form_and_the_id_that_the_library_writes(kind: str) -> None:
    import hashlib

    der, pem = (
        LIBRARY_KEYS[kind].public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        for encoding in (serialization.Encoding.DER, serialization.Encoding.PEM)
    )

    for key in (PublicKey.from_der(der), PublicKey.from_pem(pem.decode()), PublicKey(LIBRARY_KEYS[kind])):
        assert (key.pem, key.key_id) == (pem.decode(), "sha256:" + hashlib.sha256(der).hexdigest())


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: pem.rstrip("\n"), lambda pem: pem.replace("\n", "\r\n"), lambda pem: "# a comment\n" + pem,
        lambda pem: pem + "\n", lambda pem: "\n" + pem,
    ],
    ids=["no line end", "two characters at line ends", "text above", "line below", "line above"],
)  # fmt: skip
@pytest.mark.parametrize("signer", SIGNERS, ids=["ed25519", "p256"])
def test_another_form_of_the_same_key_is_the_same_key(signer: Signer, change: Callable[[str], str]) -> None:
    assert PublicKey.from_pem(change(signer.public_pem)).key_id == signer.key_id


def test_a_compressed_point_is_the_same_key() -> None:
    key = LIBRARY_KEYS["p256"]
    assert isinstance(key, ec.EllipticCurvePublicKey)
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point

    assert PublicKey.from_der(der).key_id == PublicKey(key).key_id


@pytest.mark.parametrize("changed", [b"\x02", b"\x05", b"\x00"])
def test_a_point_in_a_form_of_another_length_is_refused(changed: bytes) -> None:
    der = base64.b64decode("".join(P256.public_pem.splitlines()[1:-1]))

    assert code_of(lambda: PublicKey.from_der(der[:26] + changed + der[27:])) == "key_invalid"


def test_a_point_beside_the_curve_is_refused() -> None:
    der = base64.b64decode("".join(P256.public_pem.splitlines()[1:-1]))

    assert code_of(lambda: PublicKey.from_der(der[:-1] + bytes([der[-1] ^ 1]))) == "key_invalid"


@given(st.data())
def test_der_of_any_form_is_read_as_the_library_reads_it(data: st.DataObject) -> None:
    der = bytearray(base64.b64decode("".join(data.draw(st.sampled_from(SIGNERS)).public_pem.splitlines()[1:-1])))
    for _ in range(data.draw(st.integers(0, 2))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    der = der[: data.draw(st.sampled_from([len(der), len(der) - 1]))]
    try:
        theirs = serialization.load_der_public_key(bytes(der))
    except (ValueError, UnsupportedAlgorithm):
        theirs = None
    keys: list[PublicKey] = []

    code = code_of(lambda: keys.append(PublicKey.from_der(bytes(der))))

    if code is None:
        assert theirs is not None
        assert keys[0].pem == theirs.public_bytes(*_SPKI).decode()
    else:
        assert code == "key_invalid"


_SPKI = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "pem",
    [
        "", "x", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", ACME.private_pem, ACME.public_pem[:60],
        "\ud800", ACME.public_pem.replace("PUBLIC KEY", "CERTIFICATE"),
        rsa.generate_private_key(65537, 2048).public_key().public_bytes(*_SPKI).decode(),
        ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(*_SPKI).decode(),
        ed448.Ed448PrivateKey.generate().public_key().public_bytes(*_SPKI).decode(),
        x25519.X25519PrivateKey.generate().public_key().public_bytes(*_SPKI).decode(),
    ],
    ids=["empty", "letter", "no-body", "private", "cut", "surrogate", "certificate", "rsa", "p384", "ed448", "x25519"],
)  # fmt: skip
def test_any_other_public_key_is_refused(pem: str) -> None:
    assert code_of(lambda: PublicKey.from_pem(pem)) == "key_invalid"


# Weak Ed25519 keys: a point of small order verifies one signature over many messages.

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def add(one: Point, other: Point) -> Point:
    """Add two points of edwards25519 (RFC 8032 §5.1.4), in affine coordinates."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def points(y: int) -> list[Point]:
    """The points with this y: none, one or two."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    return [(x, y) for x in {root, -root % P}] if root * root % P == square else []


def torsion() -> set[Point]:
    """The eight points whose order divides 8: 1/8 of the curve's points give one of order 8 when multiplied by L."""
    order = 2**252 + 27742317777372353535851937790883648493
    found: set[Point] = {(0, 1)}
    for y in range(2, 40):
        for point in points(y):
            multiple: Point = (0, 1)
            for bit in f"{order:b}":
                multiple = add(multiple, multiple)
                multiple = add(multiple, point) if bit == "1" else multiple
            found.add(multiple)
    return found


def pem_of(encoded: bytes) -> str:
    """An Ed25519 SubjectPublicKeyInfo around any 32 bytes."""
    der = bytes.fromhex("302a300506032b6570032100") + encoded
    return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"


SMALL = torsion()
# Each y in both forms that fit into 255 bits, with both values of the sign bit.
WEAK = sorted({
    (form | sign << 255).to_bytes(32, "little")
    for _, y in SMALL
    for form in (y, y + P)
    if form < 2**255
    for sign in (0, 1)
})  # fmt: skip


def test_there_are_eight_points_of_small_order() -> None:
    assert len(SMALL) == 8


@pytest.mark.parametrize("encoded", WEAK, ids=[encoded.hex() for encoded in WEAK])
def test_a_weak_ed25519_key_is_refused(encoded: bytes) -> None:
    assert code_of(lambda: PublicKey.from_pem(pem_of(encoded))) == "key_invalid"


@pytest.mark.parametrize("y", range(P, 2**255))
def test_an_ed25519_key_in_a_form_that_is_not_canonical_is_refused(y: int) -> None:
    assert code_of(lambda: PublicKey.from_pem(pem_of(y.to_bytes(32, "little")))) == "key_invalid"


@given(st.integers(2, P - 2), st.booleans())
def test_an_ed25519_key_is_accepted_exactly_when_it_is_a_point_of_the_curve(y: int, sign: bool) -> None:
    accepted = code_of(lambda: PublicKey.from_pem(pem_of((y | sign << 255).to_bytes(32, "little")))) != "key_invalid"

    assert accepted == bool(points(y))


def _private_pem(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


@pytest.mark.parametrize(
    "pem",
    [
        "", "x", ACME.public_pem, _private_pem(ec.generate_private_key(ec.SECP256R1())),
        _private_pem(ec.generate_private_key(ec.SECP256R1()), b"password"),
    ],
    ids=["empty", "letter", "public", "p256", "encrypted"],
)  # fmt: skip
def test_any_other_private_key_is_refused(pem: str) -> None:
    assert code_of(lambda: LocalSigner.from_pem(pem)) == "key_invalid"


def test_a_refused_private_key_is_not_shown() -> None:
    broken = ACME.private_pem.replace("MC4C", "MC5C")
    with pytest.raises(PlatformError) as caught:
        LocalSigner.from_pem(broken)

    assert broken.splitlines()[1] not in str(caught.value) + repr(caught.value.context)


# Envelopes


@given(st.sampled_from(SIGNERS), st.binary(max_size=500))
def test_what_is_signed_verifies_and_comes_back_as_it_was(signer: Signer, payload: bytes) -> None:
    envelope = parse_envelope(sign_envelope(signer, payload))

    assert verify_envelope(envelope, KEYS[signer.key_id])
    assert (envelope.payload, envelope.payload_type) == (payload, STATEMENT_PAYLOAD_TYPE)


@given(st.binary(max_size=100))
def test_another_key_does_not_verify(payload: bytes) -> None:
    assert not verify_envelope(parse_envelope(sign_envelope(ACME, payload)), KEYS[P256.key_id])


def test_a_signature_under_another_keys_name_does_not_verify() -> None:
    document = json.loads(sign_envelope(ACME, b"payload"))
    document["signatures"][0]["keyid"] = P256.key_id

    assert not accepted(json.dumps(document, separators=(",", ":")).encode())


def test_the_encoding_that_is_signed_is_dsse_version_1() -> None:
    # Source: the test vector of the DSSE protocol's documentation.
    assert (
        pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_payload_and_type_cannot_be_shifted_into_each_other() -> None:
    assert pre_authentication_encoding("a", b"b c") != pre_authentication_encoding("a b", b"c")


@pytest.mark.parametrize("signer", SIGNERS, ids=["ed25519", "p256"])
@settings(max_examples=400)
@given(st.data())
def test_any_changed_byte_of_an_envelope_is_refused(signer: Signer, data: st.DataObject) -> None:
    envelope = bytearray(ENVELOPES[signer.key_id])
    position = data.draw(st.integers(0, len(envelope) - 1))
    envelope[position] ^= data.draw(st.integers(1, 255))

    assert _refused_or_not_accepted(bytes(envelope))


def test_every_single_bit_of_an_envelope_counts() -> None:
    envelope = ENVELOPES[ACME.key_id]
    for position in range(len(envelope)):
        for bit in range(8):
            changed = bytearray(envelope)
            changed[position] ^= 1 << bit
            assert _refused_or_not_accepted(bytes(changed)), (position, bit)


def _refused_or_not_accepted(data: bytes) -> bool:
    return code_of(lambda: parse_envelope(data)) == "signature_malformed" or not accepted(data)


@settings(max_examples=200)
@given(st.data())
def test_an_envelope_with_a_byte_more_or_less_is_refused(data: st.DataObject) -> None:
    envelope = ENVELOPES[ACME.key_id]
    at = data.draw(st.integers(0, len(envelope) - 1))
    longer = envelope[:at] + bytes([data.draw(st.integers(0, 255))]) + envelope[at:]
    shorter = envelope[:at] + envelope[at + 1 :]

    assert _refused_or_not_accepted(longer)
    assert _refused_or_not_accepted(shorter)


def test_one_line_break_at_the_end_is_allowed_and_nothing_else() -> None:
    envelope = sign_envelope(ACME, b"payload")

    assert accepted(envelope + b"\n")
    for end in (b" ", b"\n\n", b"\r\n", b"\t", b"\0", b"\x0b"):
        assert code_of(lambda end=end: parse_envelope(envelope + end)) == "signature_malformed"  # type: ignore[misc]
    assert code_of(lambda: parse_envelope(b" " + envelope)) == "signature_malformed"


_DOCUMENT = json.loads(sign_envelope(ACME, b"payload"))
_SIGNATURE = _DOCUMENT["signatures"][0]


@pytest.mark.parametrize(
    "document",
    [
        [], "x", None, {}, {**_DOCUMENT, "extra": 1}, {"payload": "", "signatures": []},
        {**_DOCUMENT, "signatures": []}, {**_DOCUMENT, "signatures": [_SIGNATURE] * 9}, {**_DOCUMENT, "signatures": {}},
        {**_DOCUMENT, "signatures": [None]}, {**_DOCUMENT, "signatures": [{"sig": _SIGNATURE["sig"]}]},
        {**_DOCUMENT, "signatures": [{**_SIGNATURE, "cert": "x"}]},
        {**_DOCUMENT, "signatures": [{**_SIGNATURE, "keyid": 1}]},
        {**_DOCUMENT, "signatures": [{**_SIGNATURE, "sig": None}]}, {**_DOCUMENT, "payload": 1},
        {**_DOCUMENT, "payload": "not base64"}, {**_DOCUMENT, "payload": "YQ"}, {**_DOCUMENT, "payload": "YR=="},
        {**_DOCUMENT, "payload": "YQ==\n"}, {**_DOCUMENT, "payload": "_-8="}, {**_DOCUMENT, "payload": "é"},
        {**_DOCUMENT, "payloadType": 1}, {**_DOCUMENT, "payloadType": None}, {**_DOCUMENT, "payloadType": "\ud800"},
        {**_DOCUMENT, "signatures": [{**_SIGNATURE, "keyid": "\udfff"}]},
    ],
)  # fmt: skip
def test_an_envelope_of_another_shape_is_refused(document: object) -> None:
    data = json.dumps(document, separators=(",", ":")).encode()
    assert code_of(lambda: parse_envelope(data)) == "signature_malformed"


def test_another_spelling_of_the_same_envelope_is_refused() -> None:
    spellings = [
        json.dumps(_DOCUMENT).encode(),
        json.dumps(dict(reversed(_DOCUMENT.items())), separators=(",", ":")).encode(),
        json.dumps(_DOCUMENT, separators=(",", ":")).encode("utf-16"),
        json.dumps(_DOCUMENT, separators=(",", ":")).replace('payload":', 'pay\\u006coad":').encode(),
    ]
    assert [code_of(lambda spelling=spelling: parse_envelope(spelling)) for spelling in spellings] == [  # type: ignore[misc]
        "signature_malformed"
    ] * 4


def test_an_envelope_over_its_size_is_refused_unread() -> None:
    assert code_of(lambda: parse_envelope(b"[" * (ENVELOPE_LIMIT_BYTES + 1))) == "signature_malformed"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_our_words(data: bytes) -> None:
    assert code_of(lambda: parse_envelope(data)) == "signature_malformed"


def test_of_several_signatures_the_one_that_names_the_key_counts() -> None:
    other = json.loads(sign_envelope(P256, b"payload"))
    document = {**_DOCUMENT, "signatures": [*_DOCUMENT["signatures"], *other["signatures"]]}
    envelope = parse_envelope(json.dumps(document, separators=(",", ":")).encode())

    assert verify_envelope(envelope, KEYS[ACME.key_id])
    assert verify_envelope(envelope, KEYS[P256.key_id])


def envelope_with(*signatures: dict[str, str]) -> bytes:
    """An envelope with these signatures, in its one accepted form."""
    return json.dumps({**_DOCUMENT, "signatures": signatures}, separators=(",", ":")).encode()


def junk(number: int, key_id_chars: int = 71, signature_bytes: int = 64) -> dict[str, str]:
    """A signature by nobody; ``number`` makes it unlike the others."""
    return {"keyid": f"{number}".zfill(key_id_chars), "sig": base64.b64encode(bytes(signature_bytes)).decode()}


def test_an_envelope_holds_at_most_eight_signatures() -> None:
    assert accepted(envelope_with(*(junk(number) for number in range(7)), _SIGNATURE))
    with pytest.raises(PlatformError, match="1 to 8 signatures"):
        parse_envelope(envelope_with(*(junk(number) for number in range(8)), _SIGNATURE))


def test_a_key_id_has_at_most_128_characters() -> None:
    assert accepted(envelope_with(junk(1, key_id_chars=128), _SIGNATURE))
    with pytest.raises(PlatformError, match="129 characters; at most 128"):
        parse_envelope(envelope_with(junk(1, key_id_chars=129), _SIGNATURE))


def test_a_signature_has_at_most_128_bytes() -> None:
    assert accepted(envelope_with(junk(1, signature_bytes=128), _SIGNATURE))
    with pytest.raises(PlatformError, match="129 bytes; at most 128"):
        parse_envelope(envelope_with(junk(1, signature_bytes=129), _SIGNATURE))


def test_a_key_that_signs_twice_in_an_envelope_is_refused() -> None:
    with pytest.raises(PlatformError, match="same keyid"):
        parse_envelope(envelope_with(_SIGNATURE, junk(1), _SIGNATURE))


def test_both_forms_of_a_p256_signature_verify_so_it_identifies_nothing() -> None:
    signature = P256.sign(b"message")
    r, s = utils.decode_dss_signature(signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = utils.encode_dss_signature(r, order - s)

    assert twin != signature
    assert [KEYS[P256.key_id].verify(form, b"message") for form in (signature, twin)] == [True, True]


@pytest.mark.parametrize("signature", [b"", b"x", bytes(64), bytes(63), bytes(1000)])
def test_a_signature_of_any_length_is_judged_and_not_an_error(signature: bytes) -> None:
    assert [key.verify(signature, b"message") for key in KEYS.values()] == [False, False]


def test_a_signature_that_is_added_comes_first_and_the_others_stay() -> None:
    first, second = LocalSigner.generate(), LocalSigner.generate()
    envelope = parse_envelope(sign_envelope(first, b"payload", "a/type"))
    again = parse_envelope(with_signature(envelope, second))

    assert (again.payload, again.payload_type) == (b"payload", "a/type")
    assert [key_id for key_id, _ in again.signatures] == [second.key_id, first.key_id]
    assert all(verify_envelope(again, PublicKey.from_pem(signer.public_pem)) for signer in (first, second))


def test_of_too_many_signatures_the_oldest_is_left_out() -> None:
    signers = [LocalSigner.generate() for _ in range(SIGNATURES_LIMIT + 1)]
    data = sign_envelope(signers[0], b"payload")
    for signer in signers[1:]:
        data = with_signature(parse_envelope(data), signer)

    assert [key_id for key_id, _ in parse_envelope(data).signatures] == [s.key_id for s in signers[:0:-1]]
