"""An execution token is good for one call: the bytes, the tenant, the install and everything else it was signed for."""

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import jwt
import pytest

from alga_ext.calls.envelope import CONFIG_LIMIT_BYTES, ExecuteRequest, encode
from alga_ext.calls.execution_token import AUDIENCE, ISSUER, LIFETIME_S, capabilities_digest
from alga_ext.trust.signing import LocalSigner
from tests.security.attacks import GREETING
from tests.support.runner_fixture import EVERY_CAPABILITY, RunnerFixture, body_of, call
from tests.support.wat import guest

OTHER: Final = "99999999-9999-4999-8999-999999999999"
_ECHO_SIZE: Final = """
      (local $size i32)
      (call $body (local.get $request)) (local.set $size) drop
      (call $respond (i32.const 200) (i32.const 512) (call $digits (local.get $size)))"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerFixture]:
    house = RunnerFixture(tmp_path_factory.mktemp("tokens") / "artifacts")
    yield house
    house.close()


@pytest.fixture(scope="module")
def greeting(house: RunnerFixture) -> str:
    return house.publish(GREETING)


def refusal(house: RunnerFixture, request: ExecuteRequest, **given: Any) -> tuple[int, str]:
    """Send a request; return the status and code of the problem document."""
    answer = house.answer(request, **given)
    return answer["statusCode"], json.loads(answer["body"]).get("code", "")


def claims(request: ExecuteRequest, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME_S,
        "jti": str(uuid.uuid4()),
        "tenant": request.context.tenant_id,
        "install": request.context.install_id,
        "version": request.context.version_id,
        "content": request.context.content_hash,
        "caps": capabilities_digest(request.providers),
        "body": hashlib.sha256(encode(request)).hexdigest(),
        "state": "ready",
    }
    given.update(changes)
    return {name: value for name, value in given.items() if value is not None}


def signed(house: RunnerFixture, request: ExecuteRequest, **changes: Any) -> str:
    return jwt.encode(claims(request, **changes), house.gateway_key.raw, algorithm="EdDSA")


def test_a_whole_token_is_good(house: RunnerFixture, greeting: str) -> None:
    request = call(greeting)
    assert house.answer(request, token=signed(house, request))["statusCode"] == 200


CHANGES: Final[dict[str, dict[str, Any]]] = {
    "another tenant": {"tenant": "globex"},
    "another install": {"install": OTHER},
    "another version": {"version": OTHER},
    "another bundle": {"content": "sha256:" + "0" * 64},
    "other capabilities": {"caps": capabilities_digest(["cap:log.emit"])},
    "another body": {"body": hashlib.sha256(b"another").hexdigest()},
    "another issuer": {"iss": "somebody"},
    "another audience": {"aud": "somebody"},
    "several audiences without ours": {"aud": ["a", "b"]},
    "a time long past": {"iat": int(time.time()) - 3_600, "exp": int(time.time()) - 3_540},
    "a time to come": {"iat": int(time.time()) + 3_600, "exp": int(time.time()) + 3_660},
    "a long life": {"exp": int(time.time()) + 86_400},
    "no end": {"exp": None},
    "no beginning": {"iat": None},
    "no id": {"jti": None},
    "no tenant": {"tenant": None},
    "no body": {"body": None},
    "no capabilities": {"caps": None},
    "an end that is no number": {"exp": "tomorrow"},
    "a tenant that is a list": {"tenant": ["acme", "globex"]},
    "a tenant that is a truth": {"tenant": True},
    "an infinite end": {"exp": 1e308},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_token_for_something_else_is_refused(house: RunnerFixture, greeting: str, what: str) -> None:
    request = call(greeting)
    assert refusal(house, request, token=signed(house, request, **CHANGES[what])) == (401, "unauthorized")


FORGERIES: Final[dict[str, Callable[[RunnerFixture, dict[str, Any]], str]]] = {
    "nothing": lambda _house, _claims: " ",
    "nonsense": lambda _house, _claims: "a.b.c",
    "no signature": lambda _house, given: jwt.encode(given, "", algorithm="none"),
    "another key": lambda _house, given: jwt.encode(given, LocalSigner.generate().raw, algorithm="EdDSA"),
    "the public key as a password": lambda house, given: _hmac(house, given),
    "a signature cut off": lambda house, given: (
        jwt.encode(given, house.gateway_key.raw, algorithm="EdDSA").rpartition(".")[0] + "."
    ),
    "a megabyte": lambda _house, _claims: "a" * 1_000_000,
    "letters outside ASCII": lambda _house, _claims: "ä.ö.ü",
}


def _hmac(house: RunnerFixture, given: dict[str, Any]) -> str:
    """Sign as if the gateway's public key were a shared secret, which libraries have fallen for."""
    import hmac

    def part(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(given)}"
    digest = hmac.new(house.gateway_key.public_pem.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_token_is_refused(house: RunnerFixture, greeting: str, what: str) -> None:
    request = call(greeting)
    assert refusal(house, request, token=FORGERIES[what](house, claims(request))) == (401, "unauthorized")


@pytest.mark.parametrize("header", [{}, {"authorization": ""}, {"authorization": "Basic eDp5"}, {"authorization": "x"}])
def test_a_call_without_a_token_is_refused(house: RunnerFixture, greeting: str, header: dict[str, str]) -> None:
    answer = house.post("/v1/execute", encode(call(greeting)), header)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "for another body"])
@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"1" * 5_000_000], ids=["cut off", "deep", "large"])
def test_what_a_stranger_sends_is_not_decoded(
    house: RunnerFixture, greeting: str, monkeypatch: pytest.MonkeyPatch, token: str, body: bytes
) -> None:
    monkeypatch.setattr("functions.runner.runner.decode_request", pytest.fail)
    request = call(greeting)
    header = f"Bearer {house.token(request, encode(request))}" if token == "for another body" else token
    answer = house.post("/v1/execute", body, {"authorization": header})
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorized")


def test_a_token_is_good_once(house: RunnerFixture, greeting: str) -> None:
    request = call(greeting)
    token = house.token(request, encode(request))
    house.answer(request, token=token)
    assert refusal(house, request, token=token) == (401, "unauthorized")


@pytest.mark.parametrize(
    "change",
    [
        lambda request: setattr(request.context, "tenant_id", "globex"),
        lambda request: setattr(request.context, "install_id", OTHER),
        lambda request: setattr(request.context, "config", {"admin": "true"}),
        lambda request: setattr(request.http, "path", "/admin"),
        lambda request: setattr(request.limits, "timeout_ms", 60_000),
        lambda request: setattr(request, "providers", list(EVERY_CAPABILITY)),
        lambda request: setattr(request.grants, "egress", ["evil.test"]),
        lambda request: setattr(request.grants, "secrets", {"token": []}),
    ],
    ids=["tenant", "install", "config", "path", "limits", "providers", "egress", "secrets"],
)
def test_a_body_changed_after_signing_is_refused(
    house: RunnerFixture, greeting: str, change: Callable[..., None]
) -> None:
    request = call(greeting, providers=("cap:log.emit",))
    token = house.token(request, encode(request))
    change(request)
    assert refusal(house, request, token=token, body=encode(request)) == (401, "unauthorized")


def test_a_space_added_after_signing_is_refused(house: RunnerFixture, greeting: str) -> None:
    request = call(greeting)
    token = house.token(request, encode(request))
    assert refusal(house, request, token=token, body=encode(request) + b" ") == (401, "unauthorized")


def test_a_key_given_twice_after_signing_is_refused(house: RunnerFixture, greeting: str) -> None:
    request = call(greeting)
    token = house.token(request, encode(request))
    body = encode(request)[:-1] + b',"providers":["cap:storage.kv"]}'
    assert refusal(house, request, token=token, body=body) == (401, "unauthorized")


# --- envelopes that are none, properly signed ---


def sent(house: RunnerFixture, body: bytes) -> tuple[int, str]:
    """Send any bytes with a token of a proper call; return status and code."""
    return refusal(house, call("sha256:" + "0" * 64), body=body)


def changed(greeting: str, **sections: Any) -> bytes:
    document = json.loads(encode(call(greeting)))
    for section, fields in sections.items():
        document[section].update(fields)
    return json.dumps(document).encode()


MALFORMED: Final[dict[str, bytes]] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1" * 5_000,
    "null": b"null",
    "a hundred thousand brackets": b"[" * 100_000,
    "a hundred thousand objects": b'{"context":' * 100_000,
    "bytes that are no text": b'{"context": "\xff\xfe"}',
    "half a surrogate pair": b'{"context": {"tenant_id": "\\ud800"}}',
    "UTF-16": '{"context": {}}'.encode("utf-16"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_an_envelope_that_is_none_is_an_invalid_request(house: RunnerFixture, what: str) -> None:
    assert sent(house, MALFORMED[what]) == (400, "invalid_request")


FIELDS: Final[dict[str, dict[str, Any]]] = {
    "a content hash that climbs": {"context": {"content_hash": "sha256:../../etc/passwd"}},
    "a content hash in upper case": {"context": {"content_hash": "sha256:" + "A" * 64}},
    "a content hash of another kind": {"context": {"content_hash": "md5:" + "0" * 32}},
    "a method that is none": {"http": {"method": "get / HTTP/1.1\r\n"}},
    "a path without a beginning": {"http": {"path": "x"}},
    "a body that is no base64": {"http": {"body_b64": "§§§"}},
    "a body of half a byte": {"http": {"body_b64": "A"}},
    "a timeout that is text": {"limits": {"timeout_ms": "long"}},
    "headers that are numbers": {"http": {"headers": {"a": 1}}},
    "configuration that is no text": {"context": {"config": {"a": {"b": 1}}}},
}


@pytest.mark.parametrize("what", FIELDS)
def test_a_field_that_cannot_be_is_an_invalid_request(house: RunnerFixture, greeting: str, what: str) -> None:
    body = changed(greeting, **FIELDS[what])
    request = call(FIELDS[what].get("context", {}).get("content_hash", greeting))
    token = jwt.encode(claims(request, body=hashlib.sha256(body).hexdigest()), house.gateway_key.raw, algorithm="EdDSA")
    assert refusal(house, request, token=token, body=body) == (400, "invalid_request")


def test_configuration_over_its_limit_is_an_invalid_request(house: RunnerFixture, greeting: str) -> None:
    request = call(greeting, config={"a": "b" * CONFIG_LIMIT_BYTES})
    assert refusal(house, request) == (400, "invalid_request")


def test_a_capability_that_does_not_exist_is_refused(house: RunnerFixture, greeting: str) -> None:
    assert refusal(house, call(greeting, providers=("cap:root",))) == (400, "unknown_capabilities")


def test_a_body_of_six_megabytes_reaches_the_guest(house: RunnerFixture) -> None:
    counting = house.publish(guest(_ECHO_SIZE))
    response = house.execute(call(counting, body=b"x" * 6_000_000, memory_mb=128))
    assert body_of(response) == b"6000000"


def test_a_body_larger_than_a_frame_is_an_invalid_request(house: RunnerFixture, greeting: str) -> None:
    assert refusal(house, call(greeting, body=b"x" * 9_000_000)) == (400, "invalid_request")


@pytest.mark.parametrize("limit", [0, -1, -(1 << 60), 1 << 60])
def test_limits_beyond_all_sense_harm_nobody(house: RunnerFixture, greeting: str, limit: int) -> None:
    request = call(greeting, timeout_ms=limit, memory_mb=limit, fuel=limit)
    assert house.answer(request)["statusCode"] == 200


def test_the_runner_serves_the_next_call_after_all_of_this(house: RunnerFixture, greeting: str) -> None:
    assert house.execute(call(greeting)).status == 200
