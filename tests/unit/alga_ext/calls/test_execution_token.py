"""The execution token: leave for one call, bound to everything that matters about it."""

import base64
import hashlib
import json
from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.envelope import ExecuteContext, ExecuteHttp, ExecuteRequest, encode
from alga_ext.calls.execution_token import (
    AUDIENCE,
    ISSUER,
    LIFETIME_S,
    RUNNABLE_STATES,
    Authorised,
    capabilities_digest,
    sign_execution_token,
    verify_execution_token,
)
from alga_ext.calls.signed_token import TokenKeys
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner, PublicKey
from tests.support.refusals import code_of

GATEWAY = LocalSigner.generate()
KEY = PublicKey.from_pem(GATEWAY.public_pem)
NOW_S = 1_800_000_000


def request(**context: Any) -> ExecuteRequest:
    fields = {"request_id": "r1", "tenant_id": "acme", "extension_id": "e1", "install_id": "i1", "version_id": "v1",
              "content_hash": "sha256:" + "ab" * 32}  # fmt: skip
    return ExecuteRequest(
        context=ExecuteContext(**{**fields, **context}),
        http=ExecuteHttp(method="GET", path="/notes"),
        providers=["cap:log.emit", "cap:storage.kv"],
    )


REQUEST = request()
BODY = encode(REQUEST)
TOKEN = sign_execution_token(GATEWAY, REQUEST, BODY, version_state="yanked", token_id="t1", now_s=NOW_S)
CLAIMS = jwt.decode(TOKEN, options={"verify_signature": False})


def verified(key: PublicKey, token: str, call: ExecuteRequest, body: bytes, now_s: int) -> Authorised:
    """Do what a runner does: verify the token for the bytes, then for the call in them."""
    authorised = verify_execution_token(TokenKeys([key]), token, body, now_s=now_s)
    authorised.require(call)
    return authorised


def code(token: str = TOKEN, call: ExecuteRequest = REQUEST, body: bytes = BODY, now_s: int = NOW_S) -> str | None:
    return code_of(lambda: verified(KEY, token, call, body, now_s))


def signed(**claims: Any) -> str:
    given = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(given, GATEWAY.raw, "EdDSA")


def test_a_token_allows_its_call_and_gives_its_id_and_the_versions_state() -> None:
    assert verified(KEY, TOKEN, REQUEST, BODY, NOW_S)[:2] == ("t1", "yanked")


def test_only_ready_and_yanked_versions_may_run() -> None:
    assert {"ready", "yanked"} == RUNNABLE_STATES


def test_a_token_lives_for_a_minute() -> None:
    assert (CLAIMS["exp"] - CLAIMS["iat"], LIFETIME_S) == (60, 60)


@pytest.mark.parametrize("state", [None, 1, True, ["ready"], {"state": "ready"}])
def test_a_token_without_the_versions_state_is_refused(state: object) -> None:
    assert code(signed(state=state)) == "unauthorized"


@pytest.mark.parametrize("name", ["tenant_id", "install_id", "version_id", "content_hash"])
def test_a_token_is_refused_for_another(name: str) -> None:
    assert code(call=request(**{name: "other"})) == "unauthorized"


@pytest.mark.parametrize(
    "providers",
    [[], ["cap:log.emit"], ["cap:log.emit", "cap:storage.kv", "cap:http.fetch"], ["cap:log.emit", "cap:secrets.get"]],
)
def test_a_token_is_refused_for_other_capabilities(providers: list[str]) -> None:
    assert code(call=msgspec.structs.replace(REQUEST, providers=providers)) == "unauthorized"


@given(st.data())
def test_a_token_is_refused_when_one_byte_of_the_body_differs(data: st.DataObject) -> None:
    body = bytearray(BODY)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))

    assert code(body=bytes(body)) == "unauthorized"


@given(st.data())
def test_a_token_with_one_changed_character_is_refused(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(TOKEN) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != TOKEN[position]))
    changed = TOKEN[:position] + other + TOKEN[position + 1 :]

    assert code(changed) == "unauthorized"


@pytest.mark.parametrize("name", ["tenant", "install", "version", "content", "caps", "body"])
@pytest.mark.parametrize("value", ["other", "", None, 1, ["acme"], True])
def test_every_bound_claim_must_be_there_and_equal(name: str, value: object) -> None:
    assert code(signed(**{name: value})) == "unauthorized"


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "exp", "jti"])
def test_every_standard_claim_must_be_there(name: str) -> None:
    assert code(signed(**{name: None})) == "unauthorized"


@pytest.mark.parametrize(
    "claims", [{"iss": "other"}, {"aud": "other"}, {"iat": "x"}, {"exp": "x"}, {"iat": 1.5}, {"exp": 1e300}, {"jti": 5}]
)
def test_a_standard_claim_with_another_value_is_refused(claims: dict[str, Any]) -> None:
    assert code(signed(**claims)) == "unauthorized"


def test_a_token_that_lives_longer_than_a_minute_is_refused() -> None:
    assert LIFETIME_S == 60
    assert code(signed(exp=NOW_S + 60)) is None
    with pytest.raises(PlatformError, match="a lifetime of 61 seconds; at most 60 are allowed") as refused:
        verify_execution_token(TokenKeys([KEY]), signed(exp=NOW_S + 61), BODY, now_s=NOW_S)
    assert refused.value.code == "unauthorized"


def test_a_token_says_who_issued_it_for_whom_and_until_when() -> None:
    assert (CLAIMS["iss"], CLAIMS["aud"]) == ("alga-gateway", "alga-runner")
    assert (CLAIMS["iat"], CLAIMS["exp"]) == (NOW_S, NOW_S + 60)


def test_the_digest_of_capabilities_is_that_of_their_sorted_lines() -> None:
    assert capabilities_digest(["b", "a", "b"]) == hashlib.sha256(b"a\nb").hexdigest()


def test_a_token_is_good_from_its_start_to_its_end_with_a_little_skew() -> None:
    ends = NOW_S + LIFETIME_S

    assert [code(now_s=at) for at in (NOW_S - 6, NOW_S - 5, NOW_S, ends + 4, ends + 5)] == [
        "unauthorized",
        None,
        None,
        None,
        "unauthorized",
    ]


def test_another_keys_token_is_refused() -> None:
    other = sign_execution_token(
        LocalSigner.generate(), REQUEST, BODY, version_state="ready", token_id="t1", now_s=NOW_S
    )

    assert code(other) == "unauthorized"


def test_a_callers_own_token_is_no_execution_token() -> None:
    token = jwt.encode(
        {"sub": "u", "iss": ISSUER, "aud": AUDIENCE, "iat": NOW_S, "exp": NOW_S + 60}, GATEWAY.raw, "EdDSA"
    )

    assert code(token) == "unauthorized"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "\ud800", "." * 100, "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert code(token) == "unauthorized"


def test_any_jwt_library_reads_a_token() -> None:
    claims = jwt.decode(
        TOKEN, KEY.raw, ["EdDSA"], audience=AUDIENCE, issuer=ISSUER, options={"verify_iat": False, "verify_exp": False}
    )

    assert (claims["jti"], claims["tenant"]) == ("t1", "acme")


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256"}, {"kid": "k"}, {"crit": ["exp"]}, {"typ": "JWE"}])
def test_a_token_with_another_header_is_refused(header: dict[str, Any]) -> None:
    parts = [json.dumps({"alg": "EdDSA", "typ": "JWT", **header}).encode(), json.dumps(CLAIMS).encode()]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(GATEWAY.sign(signed)).rstrip(b"=")

    assert code(f"{signed.decode()}.{signature.decode()}") == "unauthorized"


@pytest.mark.parametrize("end", ["=", "==", ".", "\n", " ", "AA"])
def test_a_token_with_something_after_it_is_refused(end: str) -> None:
    assert code(TOKEN + end) == "unauthorized"


def test_a_shared_secret_signature_is_refused() -> None:
    assert code(jwt.encode(CLAIMS, "x" * 32, "HS256")) == "unauthorized"


@given(st.lists(st.sampled_from(["a", "b", "c"])), st.randoms(use_true_random=False))
def test_capabilities_are_a_set(providers: list[str], random: Any) -> None:
    shuffled = [*providers, *providers]
    random.shuffle(shuffled)

    assert capabilities_digest(shuffled) == capabilities_digest(providers)
