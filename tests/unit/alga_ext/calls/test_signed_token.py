"""A token between functions has exactly one form, and only its key signs it."""

import base64
import json
from collections.abc import Callable

import pytest

from alga_ext.calls.signed_token import TokenKeys, sign_token, signed_claims
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer
from tests.support.keys import P256Signer
from tests.support.refusals import code_of

CLAIMS = '{"a":"ü?>"}'.encode()
SIGNER = LocalSigner.generate()
KEY = PublicKey.from_pem(SIGNER.public_pem)
KEYS = TokenKeys([KEY])
NEXT = LocalSigner.generate()
BOTH = TokenKeys([PublicKey.from_pem(NEXT.public_pem), KEY])
WITHOUT_KEY = base64.urlsafe_b64encode(b'{"alg":"EdDSA","typ":"JWT"}').decode().rstrip("=")
P256 = P256Signer()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_with_header(header: str, claims: str = base64url(CLAIMS), signer: Signer = SIGNER) -> str:
    signed = f"{header}.{claims}"
    return f"{signed}.{base64url(signer.sign(signed.encode()))}"


@pytest.mark.parametrize("claims", [b"{}", CLAIMS, b'{"a":1}', b'{"a":12}', b'{"a":123}', b"ab1"])
def test_signed_claims_come_back_as_they_were(claims: bytes) -> None:
    assert signed_claims(KEYS, sign_token(SIGNER, claims)) == claims


def test_a_token_is_a_jwt_with_this_header_and_without_padding() -> None:
    header, claims, signature = sign_token(SIGNER, CLAIMS).split(".")

    assert json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))) == {
        "alg": "EdDSA",
        "kid": SIGNER.key_id,
        "typ": "JWT",
    }
    assert claims == base64url(CLAIMS)
    assert len(signature) == 86


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"EdDSA"}',
        '{"typ":"JWT","alg":"EdDSA"}',
        '{"alg":"none","typ":"JWT"}',
        '{"alg": "EdDSA","typ":"JWT"}',
        f'{{"alg":"none","kid":"{SIGNER.key_id}","typ":"JWT"}}',
        f'{{"kid":"{SIGNER.key_id}","alg":"EdDSA","typ":"JWT"}}',
        f'{{"alg":"EdDSA","kid":"{SIGNER.key_id}","typ":"JWT","jku":"https://x.test"}}',
        '{"alg":"EdDSA","kid":"","typ":"JWT"}',
    ],
)
def test_a_token_with_another_header_is_refused_although_its_signature_is_right(header: str) -> None:
    with pytest.raises(ValueError, match="none of the keys"):
        signed_claims(KEYS, signed_with_header(base64url(header.encode())))


@pytest.mark.parametrize("signer", [SIGNER, NEXT])
def test_a_verifier_with_two_keys_accepts_the_tokens_of_both(signer: LocalSigner) -> None:
    assert signed_claims(BOTH, sign_token(signer, CLAIMS)) == CLAIMS


def test_a_token_that_names_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the keys"):
        signed_claims(KEYS, sign_token(NEXT, CLAIMS))


def test_a_token_that_names_one_key_and_is_signed_by_the_other_is_refused() -> None:
    header = sign_token(NEXT, CLAIMS).split(".")[0]

    with pytest.raises(ValueError, match="none of the keys"):
        signed_claims(BOTH, signed_with_header(header))


@pytest.mark.parametrize("signer", [SIGNER, NEXT])
def test_a_token_from_before_key_ids_is_verified_with_each_key(signer: LocalSigner) -> None:
    assert signed_claims(BOTH, signed_with_header(WITHOUT_KEY, signer=signer)) == CLAIMS


def test_a_token_from_before_key_ids_by_another_key_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the keys"):
        signed_claims(KEYS, signed_with_header(WITHOUT_KEY, signer=NEXT))


def test_a_key_of_another_algorithm_verifies_no_token() -> None:
    assert code_of(lambda: TokenKeys([KEY, PublicKey.from_pem(P256.public_pem)])) == "key_invalid"


def test_no_key_verifies_no_token() -> None:
    for token in (sign_token(SIGNER, CLAIMS), signed_with_header(WITHOUT_KEY)):
        with pytest.raises(ValueError, match="none of the keys"):
            signed_claims(TokenKeys([]), token)


@pytest.mark.parametrize("change", ["pad", "bits", "newline", "star", "plain"])
@pytest.mark.parametrize("part", [1, 2])
def test_another_encoding_of_the_same_bytes_is_refused(change: str, part: int) -> None:
    header, claims, signature = sign_token(SIGNER, b'{"a":"??"}').split(".")
    changes: dict[str, Callable[[str], str]] = {
        "pad": lambda text: text + "=",
        "bits": lambda text: text[:-1] + chr(ord(text[-1]) + 1),
        "newline": lambda text: text + "\n",
        "star": lambda text: text + "*",
        "plain": lambda text: text.replace("_", "/").replace("-", "+") + "!",
    }
    changed = changes[change]
    if part == 1:  # signed as it is written
        token = signed_with_header(header, changed(claims))
    else:
        token = f"{header}.{claims}.{changed(signature)}"

    with pytest.raises(ValueError, match=r"canonical|padding|none of the keys|base64"):
        signed_claims(KEYS, token)
