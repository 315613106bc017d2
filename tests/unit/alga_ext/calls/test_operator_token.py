"""The operator token: who may look after a runner."""

import pytest

from alga_ext.calls.operator_token import AUDIENCE, LIFETIME_S, sign_operator_token, verify_operator_token
from alga_ext.calls.signed_token import TokenKeys, sign_token
from alga_ext.trust.signing import LocalSigner, PublicKey
from tests.support.refusals import code_of

SIGNER = LocalSigner.generate()
KEY = PublicKey.from_pem(SIGNER.public_pem)
NOW_S = 1_800_000_000


def verified(token: str, now_s: int = NOW_S, key: PublicKey = KEY) -> str | None:
    return code_of(lambda: verify_operator_token(TokenKeys([key]), token, now_s=now_s))


def test_a_token_just_signed_is_valid() -> None:
    assert verified(sign_operator_token(SIGNER, now_s=NOW_S)) is None


@pytest.mark.parametrize(("passed_s", "code"), [(64, None), (65, "unauthorized"), (-5, None), (-6, "unauthorized")])
def test_a_token_is_valid_for_a_minute_and_five_seconds_of_skew(passed_s: int, code: str | None) -> None:
    assert LIFETIME_S == 60
    assert verified(sign_operator_token(SIGNER, now_s=NOW_S), NOW_S + passed_s) == code


def test_a_token_says_that_it_is_for_an_operator_of_a_runner() -> None:
    assert AUDIENCE == "alga-runner-operator"


def test_a_token_of_another_key_is_refused() -> None:
    assert verified(sign_operator_token(LocalSigner.generate(), now_s=NOW_S)) == "unauthorized"


@pytest.mark.parametrize(
    "claims",
    [
        f'{{"aud":"alga-runner","iat":{NOW_S},"exp":{NOW_S + 60}}}',
        f'{{"aud":"{AUDIENCE}","iat":{NOW_S},"exp":{NOW_S + 61}}}',
        f'{{"aud":"{AUDIENCE}","iat":{NOW_S}}}',
        f'{{"aud":"{AUDIENCE}","iat":"{NOW_S}","exp":{NOW_S + 60}}}',
        "[]",
        "",
    ],
    ids=["another audience", "a longer life", "no end", "text for a number", "a list", "nothing"],
)
def test_other_claims_are_refused(claims: str) -> None:
    assert verified(sign_token(SIGNER, claims.encode())) == "unauthorized"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é"])
def test_what_is_not_a_token_is_refused(token: str) -> None:
    assert verified(token) == "unauthorized"
