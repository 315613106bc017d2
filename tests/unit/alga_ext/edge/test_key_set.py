"""Key sets: a key is used for its own algorithm only, and what cannot be used is ignored or refused in words."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from alga_ext.edge.key_set import parse_key_set
from tests.support.tokens import HostKey, base64url, key_set_of

ED25519, P256, RSA = HostKey.ed25519(), HostKey.p256(), HostKey.rsa()
KINDS = {"Ed25519": ED25519, "P-256": P256, "RSA": RSA}
ALGORITHMS = {"Ed25519": ("EdDSA", "Ed25519"), "P-256": ("ES256",), "RSA": ("RS256",)}


def algorithms(entry: Any) -> tuple[str, ...]:
    """The algorithms of the only key of a set."""
    found = parse_key_set(key_set_of(entry).encode()).find(None)
    assert found is not None
    return found.algorithms


def reason(*entries: Any) -> str:
    """Why a key set is refused."""
    with pytest.raises(ValueError, match=r"^it ") as caught:
        parse_key_set(key_set_of(*entries).encode())
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_alone_decides_the_algorithm(kind: str) -> None:
    assert algorithms(KINDS[kind].jwk(kid="k")) == ALGORITHMS[kind]


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        *((kind, {"alg": name}) for kind, names in ALGORITHMS.items() for name in names),
        *((kind, {"use": "sig"}) for kind in KINDS),
        *((kind, {"key_ops": ["verify"]}) for kind in KINDS),
        *((kind, {"key_ops": ["sign", "verify"], "use": "sig"}) for kind in KINDS),
        ("RSA", {"x5t": "a", "x5c": ["b"], "a member of the future": {}}),
    ],
)
def test_a_key_that_says_what_it_is_for_is_usable_for_that(kind: str, members: dict[str, Any]) -> None:
    assert algorithms(KINDS[kind].jwk(kid="k", **members)) == ALGORITHMS[kind]


OTHER_NAMES: tuple[Any, ...] = (
    "EdDSA",
    "Ed25519",
    "ES256",
    "RS256",
    "RS384",
    "PS256",
    "ES384",
    "HS256",
    "none",
    "Ed448",
    "",
    5,
    [],
    {},
)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [(kind, name) for kind, names in ALGORITHMS.items() for name in OTHER_NAMES if name not in names],
    ids=str,
)
def test_a_key_for_another_algorithm_is_not_usable(kind: str, algorithm: Any) -> None:
    assert "its alg is not" in reason(KINDS[kind].jwk(alg=algorithm))


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"use": "enc"}, "its use is not sig"),
        ({"use": ["sig"]}, "its use is not sig"),
        ({"key_ops": ["sign"]}, "its key_ops do not include verify"),
        ({"key_ops": []}, "its key_ops do not include verify"),
        ({"key_ops": "verify"}, "its key_ops do not include verify"),
        ({"kid": 5}, "its kid is not a string"),
        ({"d": "AAAA"}, "it is a private or symmetric key"),
        ({"k": "AAAA"}, "it is a private or symmetric key"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_not_for_verifying_is_not_usable(kind: str, members: dict[str, Any], why: str) -> None:
    assert why in reason(KINDS[kind].jwk(**members))


SMALL_ORDER = bytes([1, *[0] * 31])
NOT_A_POINT = bytes([2, *[0] * 31])


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (HostKey.p256(ec.SECP384R1()).jwk(), "it is not a key of RSA, of the curve P-256 or of the curve Ed25519"),
        (HostKey.p256(ec.SECP256K1()).jwk(), "it is not a key of RSA, of the curve P-256 or of the curve Ed25519"),
        ({"kty": "oct", "k": "AAAA"}, "it is a private or symmetric key"),
        ({"kty": "OKP", "crv": "Ed448", "x": base64url(bytes(57))}, "it is not a key of RSA"),
        ({"kty": "OKP", "crv": "X25519", "x": base64url(bytes(32))}, "it is not a key of RSA"),
        ({"kty": "a kind of the future"}, "it is not a key of RSA"),
        ({"kty": ["OKP"], "crv": "Ed25519"}, "it is not a key of RSA"),
        ({}, "it is not a key of RSA"),
        ("text", "it is not an object"),
        (None, "it is not an object"),
        (HostKey.rsa(1_024).jwk(), "its RSA key has 1024 bits, not 2048 to 8192"),
        (RSA.jwk(n=base64url(b"\1" + bytes(1_024))), "its RSA key has 8193 bits, not 2048 to 8192"),
        (RSA.jwk(e=base64url(b"\1")), "its n and e are not an RSA key"),
        (RSA.jwk(e=base64url(b"\2")), "its n and e are not an RSA key"),
        (RSA.jwk(e=None), "its e is not base64url"),
        (RSA.jwk(n="a b"), "its n is not base64url"),
        (RSA.jwk(n=""), "its n is not base64url"),
        (ED25519.jwk(x=base64url(SMALL_ORDER)), "it is not a point of its curve, or a weak one"),
        (ED25519.jwk(x=base64url(NOT_A_POINT)), "it is not a point of its curve, or a weak one"),
        (ED25519.jwk(x=base64url(bytes(31))), "its x has 31 bytes, not 32"),
        (ED25519.jwk(x=base64url(bytes(32)) + "="), "its x is not base64url"),
        (ED25519.jwk(x="A" * 41), "its x is not base64url"),
        (ED25519.jwk(x=7), "its x is not base64url"),
        (P256.jwk(y=None), "its y is not base64url"),
        (P256.jwk(y=base64url(bytes(33))), "its y has 33 bytes, not 32"),
        (P256.jwk(y=base64url(bytes(32))), "it is not a point of its curve"),
    ],
)
def test_an_unusable_key_is_refused_in_words(entry: Any, why: str) -> None:
    assert reason(entry).startswith(f"it has no usable key (keys.0: {why}")


def test_unusable_keys_beside_a_usable_one_are_ignored() -> None:
    others = [HostKey.rsa(1_024).jwk(kid="small"), {"kty": "oct", "kid": "secret", "k": "AAAA"}, 5, {"kty": "new"}]
    found = parse_key_set(key_set_of(*others, ED25519.jwk(kid="k")).encode())

    assert [found.find(key_id) is not None for key_id in ("k", "small", "secret")] == [True, False, False]


def test_keys_that_share_their_id_are_ignored() -> None:
    found = parse_key_set(key_set_of(ED25519.jwk(kid="a"), P256.jwk(kid="a"), RSA.jwk(kid="b")).encode())

    assert found.find("a") is None
    assert found.find("b") is not None


def test_an_unusable_key_does_not_make_an_id_ambiguous() -> None:
    found = parse_key_set(key_set_of(HostKey.rsa(1_024).jwk(kid="a"), ED25519.jwk(kid="a")).encode())

    key = found.find("a")
    assert key is not None
    assert key.algorithms == ALGORITHMS["Ed25519"]


@pytest.mark.parametrize(
    ("key_id", "why"), [("a", "another usable key has its kid"), (None, "another usable key has no kid either")]
)
def test_a_set_in_which_no_key_can_be_told_apart_is_refused(key_id: str | None, why: str) -> None:
    assert reason(ED25519.jwk(kid=key_id), P256.jwk(kid=key_id)) == (
        f"it has no usable key (keys.0: {why}; keys.1: {why})"
    )


@pytest.mark.parametrize("key_id", [None, "a"])
def test_without_a_key_id_only_the_only_key_is_meant(key_id: str | None) -> None:
    alone = parse_key_set(key_set_of(ED25519.jwk(kid=key_id)).encode())
    two = parse_key_set(key_set_of(ED25519.jwk(kid=key_id), P256.jwk(kid="b")).encode())

    assert alone.find(None) is not None
    assert two.find(None) is None


def test_a_key_without_an_id_is_not_found_by_another_id() -> None:
    assert parse_key_set(key_set_of(ED25519.jwk()).encode()).find("a") is None


def test_a_refusal_names_at_most_three_keys_and_no_value() -> None:
    refused = reason(*({"kty": f"value-{index}"} for index in range(9)))

    assert refused.count("keys.") == 3
    assert "value-" not in refused


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"\xff", b"[" * 9_000, b'{"keys":[],"keys":[]}'],
)
def test_what_is_not_a_key_set_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it is not a JSON Web Key Set: "):
        parse_key_set(data)


def test_a_key_set_without_keys_has_no_usable_key() -> None:
    assert reason() == "it has no usable key"


def test_a_member_that_comes_twice_is_refused() -> None:
    entry = json.dumps(ED25519.jwk(kid="a"))[:-1] + ', "kid": "b"}'

    with pytest.raises(ValueError, match="appears twice"):
        parse_key_set(f'{{"keys":[{entry}]}}'.encode())
