"""Bearer tokens: who a request speaks for is what a good token says, and nothing else."""

import base64
import hmac
import json
import string
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from alga_ext.edge.fetched_key_set import CURRENT_S, FetchedKeySet
from alga_ext.edge.http import bearer_token
from alga_ext.edge.tokens import TokenVerifier
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner
from tests.support.answering import AnsweringServer, Reply, answering
from tests.support.refusals import code_of
from tests.support.tokens import HostKey, base64url, key_set_of, part
from tools.local.tokens import key_set, mint_token

HOST = LocalSigner.generate()
STRANGER = LocalSigner.generate()
KEY_SET = key_set({"host-1": HOST.raw.public_key()})
CLAIMS = {"sub": "user-1", "iss": "https://host", "aud": "extensions", "tenant_id": "acme"}


def verifier(**arguments: Any) -> TokenVerifier:
    given = {"jwks": KEY_SET, "jwks_url": "", "issuer": "https://host", "audience": "extensions", **arguments}
    return TokenVerifier(**given)


def bearer(key: LocalSigner = HOST, key_id: str = "host-1", lifetime_s: int = 60, **claims: Any) -> str:
    """An authorization header; a claim that is None is left out."""
    absent = {name for name, value in claims.items() if value is None}
    given = {name: value for name, value in {**CLAIMS, **claims}.items() if name not in absent}
    token = mint_token(key.raw, key_id, given, lifetime_s=lifetime_s)
    if not absent & {"iat", "exp"}:
        return f"Bearer {token}"
    minted = jwt.decode(token, options={"verify_signature": False})
    kept = {name: value for name, value in minted.items() if name not in absent}
    return "Bearer " + jwt.encode(kept, key.raw, "EdDSA", headers={"kid": key_id})


def code(authorization: str | None, given: TokenVerifier | None = None) -> str | None:
    return code_of(lambda: (given or verifier()).verify(authorization))


def test_a_good_token_says_who_calls() -> None:
    principal = verifier().verify(
        bearer(
            roles=["tenant_admin"],
            publishers=["acme"],
            user_type="client",
            client_id="c1",
            client_name="Client",
            email="a@b.example",
            name="Ann",
        )
    )

    assert principal._asdict() == {
        "subject": "user-1",
        "tenant_id": "acme",
        "roles": frozenset({"tenant_admin"}),
        "publishers": frozenset({"acme"}),
        "user_type": "client",
        "client_id": "c1",
        "client_name": "Client",
        "email": "a@b.example",
        "name": "Ann",
    }


def test_absent_claims_give_nothing_away() -> None:
    principal = verifier().verify(bearer(tenant_id=None))

    assert (principal.tenant_id, principal.roles, principal.publishers) == (None, frozenset(), frozenset())
    assert principal.user_type == "internal"


@pytest.mark.parametrize(
    ("claims", "user_type"),
    [
        ({"user_type": "internal"}, "internal"),
        ({"user_type": "internal", "client_id": "c1"}, "client"),
        ({"client_id": "c1"}, "client"),
        ({"client_id": ""}, "client"),
        ({"client_id": 7}, "client"),
        ({"client_id": []}, "client"),
        ({"user_type": "client"}, "client"),
        ({"user_type": "contact"}, "contact"),
        ({"user_type": "Internal"}, "Internal"),
        ({"user_type": "internal "}, "internal "),
        ({"user_type": ""}, "client"),
        ({"user_type": 0}, "client"),
        ({"user_type": ["internal"]}, "client"),
        ({"user_type": True}, "client"),
    ],
)
def test_only_a_token_that_says_nothing_else_is_an_internal_users(claims: dict[str, Any], user_type: str) -> None:
    principal = verifier().verify(bearer(**claims))

    assert principal.user_type == user_type
    assert principal.is_client_user is (user_type != "internal")


def typed(token_type: Any) -> str:
    """A token that is good but for its ``typ``; without one when it is None."""
    claims = {**CLAIMS, "iat": int(time.time()), "exp": int(time.time()) + 60}
    return "Bearer " + jwt.encode(claims, HOST.raw, "EdDSA", headers={"kid": "host-1", "typ": token_type})


@pytest.mark.parametrize("token_type", [None, "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_access_token_is_accepted(token_type: Any) -> None:
    assert code(typed(token_type)) is None


@pytest.mark.parametrize(
    "token_type", ["logout+jwt", "secevent+jwt", "dpop+jwt", "kb+jwt", "at+jwt ", "application/application/jwt", "x"]
)
def test_a_token_of_another_purpose_is_refused(token_type: str) -> None:
    assert code(typed(token_type)) == "unauthenticated"


@pytest.mark.parametrize("token_type", ["", 5, False, [], ["JWT"], {}])
def test_a_typ_that_is_no_type_is_refused(token_type: Any) -> None:
    assert code(unsigned({"alg": "EdDSA", "kid": "host-1", "typ": token_type}, "AAAA")) == "unauthenticated"


def test_claims_of_another_type_give_nothing_away() -> None:
    principal = verifier().verify(
        bearer(tenant_id=["acme"], roles="tenant_admin", publishers=[1, None, "acme"], email=5)
    )

    assert (principal.tenant_id, principal.roles, principal.publishers, principal.email) == (
        None,
        frozenset(),
        frozenset({"acme"}),
        "",
    )


def test_claims_may_have_the_hosts_names() -> None:
    given = verifier(claim_names={"tenant_id": "org", "roles": "groups"})

    principal = given.verify(bearer(org="globex", groups=["admin"], roles=["not-these"]))

    assert (principal.tenant_id, principal.roles) == ("globex", frozenset({"admin"}))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "x",
        "Bearer a b c",
        "Bearer a.b.c",
        "Bearer é.é.é",
        "Bearer \ud800.b.c",
        "Bearer " + "a" * 9000,
        "Bearer ..",
        "Bearer \0",
    ],
)
def test_what_is_no_token_is_refused(authorization: str | None) -> None:
    assert code(authorization) == "unauthenticated"


def test_the_scheme_is_read_without_regard_to_letter_case() -> None:
    assert code(bearer().replace("Bearer", "bearer")) is None


def test_a_token_is_the_same_however_its_header_is_written() -> None:
    header = bearer()
    written = [header, header.upper()[:6] + header[6:], header.replace(" ", "   "), header + " \t"]

    assert {bearer_token(one) for one in written} == {header.removeprefix("Bearer ")}


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic eA==", "Bearertoken"])
def test_a_header_without_a_bearer_token_has_an_empty_one(authorization: str | None) -> None:
    assert bearer_token(authorization) == ""


@pytest.mark.parametrize("added", ["=", "==", "====", "!!!!", "    A"])
def test_a_token_in_another_spelling_is_refused(added: str) -> None:
    assert code(bearer() + added) == "unauthenticated"


def test_a_signature_has_one_spelling() -> None:
    """Its last character has four bits that belong to no byte."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    header = bearer()
    accepted = [last for last in alphabet if code(header[:-1] + last) is None]

    assert accepted == [header[-1]]


def test_expired_token_is_refused() -> None:
    assert code(bearer(lifetime_s=-31)) == "unauthenticated"


def test_a_token_is_good_for_the_clocks_skew_after_its_end() -> None:
    assert code(bearer(lifetime_s=-20)) is None


def test_a_token_from_the_future_is_refused() -> None:
    assert code(bearer(iat=time.time() + 120)) == "unauthenticated"
    assert code(bearer(nbf=time.time() + 120)) == "unauthenticated"


@pytest.mark.parametrize("claim", ["exp", "iat", "sub", "iss", "aud"])
def test_a_token_without_a_needed_claim_is_refused(claim: str) -> None:
    absent: dict[str, Any] = {claim: None}
    assert code(bearer(**absent)) == "unauthenticated"


@pytest.mark.parametrize(
    "claims", [{"iss": "https://other"}, {"aud": "other"}, {"aud": ["other"]}, {"aud": {"extensions": 1}}]
)
def test_a_token_for_somebody_else_is_refused(claims: dict[str, Any]) -> None:
    assert code(bearer(**claims)) == "unauthenticated"


def test_a_token_for_several_audiences_is_accepted_when_ours_is_one() -> None:
    assert code(bearer(aud=["other", "extensions"])) is None


def test_a_token_of_a_strangers_key_is_refused() -> None:
    assert code(bearer(STRANGER)) == "unauthenticated"
    assert code(bearer(STRANGER, "host-2")) == "unauthenticated"


@pytest.mark.parametrize("tenant", ["acme\n", "../acme", "a b", "", "a" * 65, ".acme", "a\0", "ä"])
def test_a_tenant_that_is_not_well_formed_is_refused_or_none(tenant: str) -> None:
    assert code(bearer(tenant_id=tenant)) == "unauthenticated" if tenant else code(bearer(tenant_id=tenant)) is None


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    def part(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    claims = {**CLAIMS, "iat": int(time.time()), "exp": int(time.time()) + 60}
    return f"Bearer {part(header)}.{part(claims)}.{signature}"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "ES256", "", "eddsa"])
def test_any_other_algorithm_is_refused(algorithm: str) -> None:
    assert code(unsigned({"alg": algorithm, "kid": "host-1"})) == "unauthenticated"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "EdDSA"},
        {"alg": "EdDSA", "kid": {}},
        {"alg": "EdDSA", "kid": None},
        {"kid": "host-1"},
        {"alg": "EdDSA", "kid": "host-1", "crit": ["x"], "x": 1},
        {"alg": ["EdDSA"], "kid": "host-1"},
    ],
)
def test_a_header_of_another_shape_is_refused(header: dict[str, Any]) -> None:
    assert code(unsigned(header, "AAAA")) == "unauthenticated"


@pytest.mark.parametrize("payload", [b"[]", b"null", b"[" * 4000, b"\xff", b'{"exp": 1e999}', b"9" * 5000])
def test_a_signed_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    token = jwt.api_jws.encode(payload, HOST.raw, "EdDSA", headers={"kid": "host-1"})

    assert code(f"Bearer {token}") == "unauthenticated"


# Algorithms: the key has one, and the token must name it.

KEYS = {"ed25519": HostKey.ed25519(), "p256": HostKey.p256(), "rsa": HostKey.rsa()}
NAMES = {"ed25519": {"EdDSA", "Ed25519"}, "p256": {"ES256"}, "rsa": {"RS256"}}
ALL_NAMES = [*sorted(jwt.PyJWS().get_algorithms()), "Ed25519", "Ed448", "ESP256", "eddsa", "es256", "NONE", ""]
THREE = verifier(jwks=key_set_of(*(key.jwk(kid=name) for name, key in KEYS.items())))


def claims(**changes: Any) -> dict[str, Any]:
    now_s = int(time.time())
    return {**CLAIMS, "iat": now_s, "exp": now_s + 60, **changes}


@pytest.mark.parametrize("algorithm", ALL_NAMES)
@pytest.mark.parametrize("key_id", KEYS)
@pytest.mark.parametrize("signer", KEYS)
def test_a_token_is_accepted_for_its_own_key_and_an_algorithm_of_that_key_only(
    signer: str, key_id: str, algorithm: str
) -> None:
    token = KEYS[signer].token({"alg": algorithm, "kid": key_id}, claims())
    is_right = signer == key_id and algorithm in NAMES[signer]

    assert code(f"Bearer {token}", THREE) == (None if is_right else "unauthenticated")


def test_the_algorithms_that_are_tried_are_all_that_the_library_has() -> None:
    assert {"HS256", "none", "RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"} <= set(ALL_NAMES)


@pytest.mark.parametrize("stated", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("named", ["EdDSA", "Ed25519"])
def test_both_names_of_ed25519_mean_the_same_algorithm(stated: str, named: str) -> None:
    key = KEYS["ed25519"]
    given = verifier(jwks=key_set_of(key.jwk(kid="k", alg=stated)))

    assert code("Bearer " + key.token({"alg": named, "kid": "k"}, claims()), given) is None


@pytest.mark.parametrize("hashed", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("key_id", KEYS)
def test_a_public_key_does_not_pass_for_a_shared_secret(key_id: str, hashed: str) -> None:
    entry = KEYS[key_id].jwk(kid=key_id)
    public = KEYS[key_id].private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{part({'alg': hashed.replace('sha', 'HS'), 'kid': key_id})}.{part(claims())}"
    secrets = [pem, pem.strip(), der, json.dumps(entry).encode(), str(entry.get("n") or entry["x"]).encode(), b""]

    for secret in secrets:
        signature = hmac.digest(secret, signing_input.encode(), hashed)
        assert code(f"Bearer {signing_input}.{base64url(signature)}", THREE) == "unauthenticated"


def test_a_p256_signature_in_der_is_refused() -> None:
    signing_input = f"{part({'alg': 'ES256', 'kid': 'p256'})}.{part(claims())}"
    der = KEYS["p256"].private.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256()))

    assert code(f"Bearer {signing_input}.{base64url(der)}", THREE) == "unauthenticated"


@pytest.mark.parametrize(("key_id", "algorithm"), [("ed25519", "EdDSA"), ("p256", "ES256"), ("rsa", "RS256")])
@pytest.mark.parametrize(
    "changed",
    [
        lambda signature: signature[:0],
        lambda signature: bytes(len(signature)),
        lambda signature: b"\xff" * len(signature),
        lambda signature: signature[:-1],
        lambda signature: signature + b"\0",
        lambda signature: signature[: len(signature) // 2] * 2,
        lambda signature: bytes([signature[0] ^ 1]) + signature[1:],
        lambda signature: signature[:-1] + bytes([signature[-1] ^ 128]),
    ],
)
def test_a_changed_signature_is_refused(key_id: str, algorithm: str, changed: Callable[[bytes], bytes]) -> None:
    token = KEYS[key_id].token({"alg": algorithm, "kid": key_id}, claims())
    signing_input, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))

    assert code(f"Bearer {signing_input}.{base64url(changed(raw))}", THREE) == "unauthenticated"


@pytest.mark.parametrize("key_id", KEYS)
def test_a_token_of_another_key_of_the_same_kind_is_refused(key_id: str) -> None:
    other = {"ed25519": HostKey.ed25519, "p256": HostKey.p256, "rsa": HostKey.rsa}[key_id]()
    (algorithm, *_) = NAMES[key_id]

    assert code("Bearer " + other.token({"alg": algorithm, "kid": key_id}, claims()), THREE) == "unauthenticated"


def test_a_key_in_the_tokens_own_header_is_ignored() -> None:
    stranger = HostKey.ed25519()
    for member in ({"jwk": stranger.jwk()}, {"jku": "https://stranger.example"}, {"x5u": "https://stranger.example"}):
        token = stranger.token({"alg": "EdDSA", "kid": "ed25519", **member}, claims())
        assert code(f"Bearer {token}", THREE) == "unauthenticated"


def test_a_token_without_a_key_id_means_the_only_key_of_the_set() -> None:
    token = KEYS["p256"].token({"alg": "ES256"}, claims())

    assert code(f"Bearer {token}", verifier(jwks=key_set_of(KEYS["p256"].jwk(kid="k")))) is None
    assert code(f"Bearer {token}", verifier(jwks=key_set_of(KEYS["p256"].jwk()))) is None
    assert code(f"Bearer {token}", THREE) == "unauthenticated"


@pytest.mark.parametrize(
    "member",
    [
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
        {"b64": False},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": None},
    ],
)
def test_a_token_with_extensions_is_refused(member: dict[str, Any]) -> None:
    token = KEYS["ed25519"].token({"alg": "EdDSA", "kid": "ed25519", **member}, claims())

    assert code(f"Bearer {token}", THREE) == "unauthenticated"


# Claims that are kept: in records, in the database, in messages


def signed(**changes: Any) -> str:
    return "Bearer " + KEYS["ed25519"].token({"alg": "EdDSA", "kid": "ed25519"}, claims(**changes))


BAD_TEXTS = ["a\0", "\n", "a\x1fb", "a\x7f", "\x80", "\x9b[0m", "\ud800", "a\udfffb", "\udc00\ud800"]


@pytest.mark.parametrize("claim", ["sub", "client_id", "user_type"])
@pytest.mark.parametrize("text", [*BAD_TEXTS, "a" * 256, "\U0001f600" * 256], ids=ascii)
def test_a_claim_that_identifies_and_cannot_be_recorded_is_refused_in_words(claim: str, text: str) -> None:
    with pytest.raises(PlatformError, match=f"The token's {claim} is not valid: it needs 1 to 255 char") as caught:
        THREE.verify(signed(**{claim: text}))
    assert caught.value.code == "unauthenticated"


@pytest.mark.parametrize("sub", ["", 5, 1.5, True, [], ["user-1"], {}, None])
def test_a_sub_that_is_no_text_is_refused(sub: Any) -> None:
    assert code(signed(sub=sub), THREE) == "unauthenticated"


@pytest.mark.parametrize("sub", ["system:event", "system:schedule"])
def test_no_caller_has_the_name_of_a_deliverys_caller(sub: str) -> None:
    with pytest.raises(PlatformError, match=f"The token's sub is {sub}") as caught:
        THREE.verify(signed(sub=sub))
    assert caught.value.code == "unauthenticated"


@pytest.mark.parametrize("sub", ["a", "a" * 255, "\U0001f600" * 255, "\ufffe\uffff", "ä ö|ü:/?#", "\u202e"], ids=ascii)
def test_any_other_sub_is_kept_as_it_is(sub: str) -> None:
    assert THREE.verify(signed(sub=sub)).subject == sub


@pytest.mark.parametrize("claim", ["client_name", "email", "name"])
@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_a_claim_that_describes_has_replacement_characters(claim: str, text: str) -> None:
    shown = getattr(THREE.verify(signed(**{claim: text})), claim)

    assert "\ufffd" in shown
    assert len(shown) == len(text)
    assert shown.encode().decode() == shown


def test_the_refusal_names_the_hosts_claim() -> None:
    key = KEYS["ed25519"]
    given = verifier(jwks=key_set_of(key.jwk(kid="ed25519")), claim_names={"client_id": "azp"})

    with pytest.raises(PlatformError, match="The token's azp is not valid"):
        given.verify(signed(azp="\0"))


def test_a_key_set_is_needed() -> None:
    with pytest.raises(ValueError, match="a key set is needed"):
        verifier(jwks="")


def test_a_published_key_set_holds_no_private_part() -> None:
    assert "d" not in json.loads(KEY_SET)["keys"][0]


def test_a_refusal_does_not_repeat_the_token() -> None:
    token = bearer(STRANGER)
    with pytest.raises(PlatformError) as caught:
        verifier().verify(token)

    assert token.split(".")[1] not in caught.value.detail


# A key set that is fetched


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering(lambda _: Reply(200, KEY_SET.encode())) as server:
        yield server


def test_a_fetched_key_set_is_kept(server: AnsweringServer) -> None:
    given = verifier(jwks="", jwks_url=server.url)

    assert [code(bearer(), given) for _ in range(3)] == [None] * 3
    assert len(server.asked) == 1


def test_a_key_set_that_cannot_be_read_is_no_fault_of_the_caller(server: AnsweringServer) -> None:
    server.answer = lambda _: Reply(500)

    assert code(bearer(), verifier(jwks="", jwks_url=server.url)) == "policy_unavailable"


def test_an_unknown_key_id_of_a_fetched_key_set_is_refused(server: AnsweringServer) -> None:
    given = verifier(jwks="", jwks_url=server.url)

    assert [code(bearer(key_id=f"k{number}"), given) for number in range(5)] == ["unauthenticated"] * 5
    assert len(server.asked) == 1


def test_health_says_whether_there_is_a_key_set(server: AnsweringServer) -> None:
    given = verifier(jwks="", jwks_url=server.url)
    assert code_of(given.check) is None

    server.answer = lambda _: Reply(500)
    assert code_of(verifier(jwks="", jwks_url=server.url).check) == "policy_unavailable"
    assert code_of(given.check) is None, "it has the last good key set"


def test_a_key_set_is_never_read_from_a_file(tmp_path: Any) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(KEY_SET)

    assert code(bearer(), verifier(jwks="", jwks_url=path.as_uri())) == "policy_unavailable"


@pytest.mark.parametrize(("lifetime_s", "most_s"), [(3_600, 60), (20, 20 + 30)], ids=["a-minute", "until-it-expires"])
def test_a_verified_token_is_remembered_for_a_short_time(lifetime_s: int, most_s: int) -> None:
    given = verifier()
    given.verify(bearer(lifetime_s=lifetime_s))
    (known,) = given._verified.values()
    assert known.until_s <= time.time() + most_s
    assert known.since_s <= time.time() < known.until_s


def test_a_remembered_token_names_the_same_caller() -> None:
    given, token = verifier(), bearer(roles=["tenant_admin"], name="Ann")
    assert given.verify(token) == given.verify(token) == verifier().verify(token)


def test_a_remembered_token_is_refused_when_its_key_has_left_the_key_set() -> None:
    with answering(lambda _: Reply(200, KEY_SET.encode())) as server:
        passed_s = 0.0
        given = verifier(jwks="", jwks_url=server.url)
        given._keys = FetchedKeySet(server.url, lambda: time.time() + passed_s, lambda: time.monotonic() + passed_s)
        token = bearer(lifetime_s=3_600)
        given.verify(token)
        server.answer = lambda _: Reply(200, key_set({"host-2": STRANGER.raw.public_key()}).encode())
        passed_s = CURRENT_S
        assert code(token, given) == "unauthenticated"


def test_a_token_with_the_payload_of_a_remembered_one_and_another_signature_is_refused() -> None:
    given, token = verifier(), bearer()
    given.verify(token)
    head, _, signature = token.rpartition(".")
    other = bearer(name="other").rpartition(".")[2]
    assert code(f"{head}.{other}", given) == "unauthenticated"
    assert code(f"{head}.{signature}", given) is None


def test_only_so_many_tokens_are_remembered() -> None:
    given = verifier()
    given.verify(bearer())
    (known,) = given._verified.values()
    for number in range(1_010):
        given._remember(b"%d" % number, known)
    assert len(given._verified) == 1_000
