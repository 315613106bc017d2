"""What is refused before any guest runs: envelopes, tokens, capabilities, programs."""

import json
import time
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteRequest, encode
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.trust.signing import LocalSigner
from tests.conformance.envelopes import TENANT, code_of, envelope
from tests.conformance.guest import Guest
from tests.conformance.port import Answer, RunnerPort

KIB = 1024
NOBODY = "sha256:" + "0" * 64


@pytest.fixture(scope="session")
def request_(any_guest: Guest) -> ExecuteRequest:
    """An envelope that is fine."""
    return envelope(any_guest.content_hash, method="GET", path="/count")


def refused(answer: Answer, status: int, code: str) -> bool:
    """Whether an answer is a problem document of that code."""
    document = json.loads(answer.body)
    assert (answer.status, document.get("code")) == (status, code), answer.body
    assert document["status"] == status
    assert document["detail"]
    return answer.content_type.startswith("application/problem+json")


def sent(runner: RunnerPort, body: bytes, token: str) -> Answer:
    return runner.post(body, token, TENANT)


def changed(request: ExecuteRequest, **changes: Any) -> bytes:
    """Return an envelope's bytes with fields replaced, ``a__b`` being ``b`` of ``a``."""
    document = json.loads(encode(request))
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is ...:
            place.pop(name, None)
        else:
            place[name] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"5", b'"text"', b"\xff\xfe", b"{}", b'{"context":{}}', b"[" * 100_000]
)
def test_what_is_no_envelope_is_an_invalid_request(runner: RunnerPort, request_: ExecuteRequest, body: bytes) -> None:
    assert refused(sent(runner, body, runner.token(request_, body)), 400, "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [
        {"context": ...}, {"http": ...}, {"context__tenant_id": ...}, {"context__tenant_id": 5},
        {"context__request_id": None}, {"context__content_hash": ...}, {"context__content_hash": "sha256:xyz"},
        {"context__content_hash": ""}, {"context__config": {"a": 1}}, {"context__config": []},
        {"http__method": 5}, {"http__method": ""}, {"http__method": "get"}, {"http__path": ""},
        {"http__path": "no/slash"}, {"http__headers": {"a": 1}}, {"http__headers": {"a": [None]}},
        {"http__headers": []}, {"http__query": {"a": {}}}, {"http__body_b64": "not base64!"},
        {"http__body_b64": "YQ"}, {"http__body_b64": 5}, {"limits__timeout_ms": "5"}, {"limits": []},
        {"providers": "cap:log.emit"}, {"providers": [1]}, {"grants__egress": "example.com"},
        {"grants__secrets": {"A": "host"}}, {"secret_envelope": {}}, {"secret_envelope": [{"name": "A"}]},
        {"user": []}, {"user": {"user_name": "without an id"}},
        {"user": {"user_id": "u", "additional_fields": {"a": 1}}},
    ],
    ids=str,
)  # fmt: skip
def test_an_envelope_with_a_field_that_cannot_be_is_an_invalid_request(
    runner: RunnerPort, request_: ExecuteRequest, changes: dict[str, Any]
) -> None:
    body = changed(request_, **changes)
    assert refused(sent(runner, body, runner.token(request_, body)), 400, "invalid_request")


def test_a_configuration_over_64_kib_is_an_invalid_request(runner: RunnerPort, request_: ExecuteRequest) -> None:
    body = changed(request_, context__config={"key": "v" * 64 * KIB})
    assert refused(sent(runner, body, runner.token(request_, body)), 400, "invalid_request")


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "Bearer x"])
def test_a_call_without_a_token_is_unauthorized(runner: RunnerPort, request_: ExecuteRequest, token: str) -> None:
    assert refused(sent(runner, encode(request_), token), 401, "unauthorized")


def test_a_token_of_another_key_is_unauthorized(runner: RunnerPort, request_: ExecuteRequest) -> None:
    body = encode(request_)
    token = sign_execution_token(
        LocalSigner.generate(), request_, body, version_state="ready", token_id="t", now_s=int(time.time())
    )
    assert refused(sent(runner, body, token), 401, "unauthorized")


@pytest.mark.parametrize("age_s", [120, 3_600, -120])
def test_a_token_that_is_over_or_of_the_future_is_unauthorized(
    runner: RunnerPort, request_: ExecuteRequest, age_s: int
) -> None:
    body = encode(request_)
    token = runner.token(request_, body, now_s=int(time.time()) - age_s)
    assert refused(sent(runner, body, token), 401, "unauthorized")


@pytest.mark.parametrize(
    "changes",
    [
        {"context__tenant_id": f"{TENANT}-other"},
        {"context__install_id": "99999999-9999-4999-8999-999999999999"},
        {"context__version_id": "99999999-9999-4999-8999-999999999999"},
        {"context__content_hash": NOBODY},
        {"context__request_id": "another"},
        {"providers": ["cap:log.emit"]},
        {"http__path": "/other"},
        {"limits__timeout_ms": 29_000},
        {"user": {"user_id": "someone"}},
    ],
    ids=str,
)
def test_a_token_for_another_call_is_unauthorized(
    runner: RunnerPort, request_: ExecuteRequest, changes: dict[str, Any]
) -> None:
    token = runner.token(request_, encode(request_))
    assert refused(sent(runner, changed(request_, **changes), token), 401, "unauthorized")


def test_a_token_for_the_same_call_in_other_bytes_is_unauthorized(runner: RunnerPort, request_: ExecuteRequest) -> None:
    token = runner.token(request_, encode(request_))
    assert refused(sent(runner, encode(request_) + b" ", token), 401, "unauthorized")


def test_a_token_is_good_for_one_call(runner: RunnerPort, request_: ExecuteRequest) -> None:
    body = encode(request_)
    token = runner.token(request_, body)
    assert sent(runner, body, token).status == 200
    assert refused(sent(runner, body, token), 401, "unauthorized")


@pytest.mark.parametrize("name", ["cap:root", "", "cap:", "CAP:LOG.EMIT", "log", "*", "cap:cap:log.emit"])
def test_a_capability_that_does_not_exist_is_unknown(runner: RunnerPort, any_guest: Guest, name: str) -> None:
    request = envelope(any_guest.content_hash, providers=["cap:log.emit", name])
    body = encode(request)
    assert refused(sent(runner, body, runner.token(request, body)), 400, "unknown_capabilities")


def test_a_program_that_is_not_there_is_not_found(runner: RunnerPort) -> None:
    response = runner.execute(envelope(NOBODY))
    assert (code_of(response), response.status) == ("artifact_not_found", 502)
    assert response.trace_id
