"""The execute envelope: read in full or refused in our words."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.envelope import (
    CONFIG_LIMIT_BYTES,
    ExecuteContext,
    ExecuteError,
    ExecuteGrants,
    ExecuteHttp,
    ExecuteLimits,
    ExecuteRequest,
    ExecuteResponse,
    ExecuteUser,
    SealedSecret,
    Usage,
    decode_request,
    decode_response,
    encode,
)
from alga_ext.errors import CODES
from tests.support.refusals import code_of

text = st.text(st.characters(codec="utf-8"), max_size=8)
values = text | st.lists(text, max_size=3)
contexts = st.builds(
    ExecuteContext,
    request_id=text,
    tenant_id=text,
    extension_id=text,
    install_id=text,
    version_id=text,
    content_hash=text,
    config=st.dictionaries(text, text, max_size=3),
)
requests = st.builds(
    ExecuteRequest,
    context=contexts,
    http=st.builds(
        ExecuteHttp,
        method=text,
        path=text,
        raw_query=text,
        query=st.dictionaries(text, values, max_size=3),
        headers=st.dictionaries(text, values, max_size=3),
        body_b64=st.none() | text,
    ),
    limits=st.builds(
        ExecuteLimits, timeout_ms=st.none() | st.integers(1, 900_000), fuel=st.none() | st.integers(1, 2**62)
    ),
    providers=st.lists(text, max_size=3),
    grants=st.builds(ExecuteGrants, egress=st.lists(text, max_size=2), secrets=st.dictionaries(text, st.lists(text))),
    secret_envelope=st.none()
    | st.lists(st.builds(SealedSecret, name=text, sealed_b64=text, version=st.integers(1, 9)), max_size=2),
    user=st.none() | st.builds(ExecuteUser, user_id=text, additional_fields=st.dictionaries(text, text, max_size=2)),
)

BARE: dict[str, Any] = {
    "context": dict.fromkeys(
        ["request_id", "tenant_id", "extension_id", "install_id", "version_id", "content_hash"], "x"
    ),
    "http": {"method": "GET", "path": "/"},
}


@given(requests)
def test_a_request_reads_back(request: ExecuteRequest) -> None:
    assert decode_request(encode(request)) == request


@given(st.integers(200, 599), st.dictionaries(text, values, max_size=3), st.none() | text)
def test_an_answer_reads_back(status: int, headers: dict[str, str | list[str]], body: str | None) -> None:
    answer = ExecuteResponse(
        status=status,
        headers=headers,
        body_b64=body,
        error=ExecuteError(code="guest_trapped", message="m"),
        usage=Usage(duration_ms=1.5, host_calls={"storage.get": 2}),
        trace_id="t",
    )
    assert decode_response(encode(answer)) == answer


def test_unknown_fields_are_ignored_so_that_either_side_may_be_newer() -> None:
    newer = {**BARE, "new": {"a": 1}, "http": {**BARE["http"], "new": []}}

    assert decode_request(json.dumps(newer).encode()) == decode_request(json.dumps(BARE).encode())


def test_the_least_request_has_its_defaults() -> None:
    request = decode_request(json.dumps(BARE).encode())

    assert (request.providers, request.grants.egress, request.limits.timeout_ms, request.user) == ([], [], None, None)


@pytest.mark.parametrize("member", ["context", "http"])
def test_a_needed_member_is_missed(member: str) -> None:
    document = {name: value for name, value in BARE.items() if name != member}

    assert code_of(lambda: decode_request(json.dumps(document).encode())) == "invalid_request"


@pytest.mark.parametrize("field", list(BARE["context"]))
def test_a_needed_field_of_the_context_is_missed(field: str) -> None:
    context = {name: value for name, value in BARE["context"].items() if name != field}

    assert code_of(lambda: decode_request(json.dumps({**BARE, "context": context}).encode())) == "invalid_request"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        b'{"x":' * 50_000,
        json.dumps({**BARE, "providers": "storage"}).encode(),
        json.dumps({**BARE, "limits": {"timeout_ms": "5"}}).encode(),
        json.dumps({**BARE, "context": {**BARE["context"], "config": {"a": 1}}}).encode(),
        json.dumps(BARE).encode().replace(b'"x"', b'"\xff"'),
        json.dumps(BARE).encode().replace(b'"x"', b'"\\ud800"'),
        json.dumps(BARE).encode("utf-16"),
    ],
)
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    assert code_of(lambda: decode_request(body)) == "invalid_request"
    assert code_of(lambda: decode_response(body)) == "bad_gateway"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_our_words(body: bytes) -> None:
    assert code_of(lambda: decode_request(body)) == "invalid_request"
    assert code_of(lambda: decode_response(body)) == "bad_gateway"


def test_a_configuration_up_to_its_limit_is_read_and_over_it_refused() -> None:
    def envelope(size: int) -> bytes:
        config = {"a": "x" * (size - len('{"a":""}'))}
        return json.dumps({**BARE, "context": {**BARE["context"], "config": config}}).encode()

    assert code_of(lambda: decode_request(envelope(CONFIG_LIMIT_BYTES))) is None
    assert code_of(lambda: decode_request(envelope(CONFIG_LIMIT_BYTES + 1))) == "invalid_request"


@pytest.mark.parametrize(
    "usage",
    [
        {"duration_ms": -0.5},
        {"duration_ms": 1e13},
        {"cpu_ms": -1},
        {"cpu_ms": None},
        {"memory_peak_bytes": -1},
        {"memory_peak_bytes": 2**53},
        {"fuel": 2**64},
        {"egress_bytes": -1},
        {"egress_bytes": 2**40 + 1},
        {"egress_bytes": 1.5},
        {"log_bytes": -1},
        {"log_bytes": 2**40 + 1},
        {"host_calls": {"storage.get": -1}},
        {"host_calls": {"storage.get": 2**53}},
        {"host_calls": {"a\0": 1}},
        {"host_calls": {"a" * 65: 1}},
        {"host_calls": {f"a{number}": 1 for number in range(257)}},
    ],
    ids=str,
)
def test_usage_that_cannot_be_recorded_is_refused(usage: dict[str, Any]) -> None:
    assert code_of(lambda: decode_response(json.dumps({"status": 200, "usage": usage}).encode())) == "bad_gateway"


def test_an_infinite_duration_is_refused() -> None:
    for number in (b"1e999", b"NaN", b"Infinity"):
        body = b'{"status":200,"usage":{"duration_ms":' + number + b"}}"
        assert code_of(partial(decode_response, body)) == "bad_gateway"


@pytest.mark.parametrize("code", ["", "a" * 65, "a b", "a\0", "A", "1a", "a\n", "\u00e4", "\uffff"])
def test_an_error_code_that_cannot_be_recorded_is_refused(code: str) -> None:
    body = json.dumps({"status": 502, "error": {"code": code, "message": "m"}}).encode()

    assert code_of(lambda: decode_response(body)) == "bad_gateway"


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_platform_is_one_that_a_runner_may_send(code: str) -> None:
    error = ExecuteError(code=code, message="m")

    assert decode_response(encode(ExecuteResponse(status=502, error=error))).error == error
