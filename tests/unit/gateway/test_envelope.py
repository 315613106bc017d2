"""The execute envelope of a call: what the guest is told, and what it is not."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.envelope import DeclaredMetric, ExecuteRequest, SealedSecret, decode_request, encode
from functions.gateway.envelope import build_envelope, time_limit_ms
from tests.support.gateway import admitted, install, request

TRACE = "ab" * 16


def envelope(timeout_ms: int = 5_000, installed: dict[str, Any] | None = None, **members: Any) -> ExecuteRequest:
    call = admitted(request(**members), **(installed or {}))
    return build_envelope(call, f"00-{TRACE}-{'cd' * 8}-01", timeout_ms)


def test_the_envelope_says_whose_call_it_is() -> None:
    context = envelope().context

    assert (context.tenant_id, context.request_id) == ("acme", "r-1")
    assert context.content_hash == install().content_hash


def test_configuration_reaches_the_guest_as_text() -> None:
    assert envelope().context.config == {"greeting": "Hello", "limit": "5", "tags": '["a","ü"]'}


def test_grants_are_the_installs_and_nobody_elses() -> None:
    made = envelope()

    assert made.providers == install().capabilities
    assert (made.grants.egress, made.grants.secrets, made.grants.hash) == (
        install().egress,
        install().secrets,
        install().grant_hash,
    )


def test_the_headers_of_secrets_and_the_declared_metrics_are_the_installs() -> None:
    made = envelope(
        installed={"secret_headers": {"KEY": "x-api-key"}, "metrics": [{"name": "orders", "unit": "Count"}]}
    )

    assert made.grants.secret_headers == {"KEY": "x-api-key"}
    assert made.metrics == [DeclaredMetric(name="orders", unit="Count")]


def test_the_user_is_the_tokens() -> None:
    user = envelope().user

    assert user is not None
    assert (user.user_id, user.user_email, user.user_type, user.client_name) == (
        "user-1",
        "ann@acme.example",
        "internal",
        "Acme",
    )


def test_credentials_stay_outside() -> None:
    made = envelope(headers={"authorization": "Bearer secret-1", "cookie": "secret-2", "accept": "text/html"})

    assert "secret-" not in encode(made).decode()
    assert made.http.headers["accept"] == "text/html"


def test_the_guest_gets_the_span_of_this_call() -> None:
    assert envelope().http.headers["traceparent"] == f"00-{TRACE}-{'cd' * 8}-01"


@pytest.mark.parametrize(
    ("gateway_ms", "install_ms", "effective_ms"), [(5_000, None, 5_000), (5_000, 1_000, 1_000), (5_000, 60_000, 5_000)]
)
def test_the_time_limit_is_the_least(gateway_ms: int, install_ms: int | None, effective_ms: int) -> None:
    assert time_limit_ms(install(timeout_ms=install_ms), gateway_ms) == effective_ms


def test_the_guest_gets_what_is_left_of_the_time() -> None:
    assert envelope(1_234).limits.timeout_ms == 1_234


def test_a_repeated_parameter_is_a_list_and_a_single_one_is_text() -> None:
    assert envelope(raw_query="a=1&b=2&a=3&c=&d=%20x").http.query == {"a": ["1", "3"], "b": "2", "c": "", "d": " x"}


def test_the_query_also_comes_as_it_stood() -> None:
    assert envelope(raw_query="b=2&a=%201&b").http.raw_query == "b=2&a=%201&b"


@given(st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda text: text.strip("/.") != ""))
def test_the_guest_gets_the_path_as_it_stood_in_the_url(path: str) -> None:
    if any(segment in (".", "..") for segment in path.split("/")):
        return
    made = envelope(path=f"/api/ext/acme.notes/{path}")

    assert made.http.path.isascii()
    assert unquote(made.http.path) == f"/{path}"
    assert not set(made.http.path) & set('?#" <>\\^`{|}\r\n\0')


@pytest.mark.parametrize(
    ("method", "body", "sent"), [("GET", b"x", "eA=="), ("HEAD", b"\0", "AA=="), ("POST", b"x", "eA==")]
)
def test_a_read_may_have_a_body_too(method: str, body: bytes, sent: str) -> None:
    assert envelope(method=method, body=body).http.body_b64 == sent


def test_sealed_secrets_travel_as_they_are_stored_and_none_is_no_member() -> None:
    sealed: dict[str, Any] = {"name": "KEY", "sealed_b64": "c2VhbGVk", "version": 3, "expires_at_s": None}

    assert envelope(installed={"sealed_secrets": [sealed]}).secret_envelope == [SealedSecret(**sealed)]
    assert envelope(installed={"sealed_secrets": []}).secret_envelope is None


@given(st.binary(max_size=60))
def test_a_body_of_any_bytes_travels(body: bytes) -> None:
    import base64

    made = envelope(method="POST", body=body)

    assert (base64.b64decode(made.http.body_b64) if made.http.body_b64 else b"") == body


@pytest.mark.parametrize(
    ("method", "body"),
    [("GET", None), ("HEAD", None), ("POST", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("OPTIONS", "")],
)
def test_an_empty_body_is_an_empty_list_and_only_a_read_has_none(method: str, body: str | None) -> None:
    assert decode_request(encode(envelope(method=method))).http.body_b64 == body


def test_a_header_that_the_manifest_names_reaches_the_guest() -> None:
    made = envelope(installed={"api_headers": ["x-hub-signature"]}, headers={"x-hub-signature": "s", "x-other": "o"})

    assert made.http.headers["x-hub-signature"] == "s"
    assert "x-other" not in made.http.headers


def test_the_envelope_reads_back_at_the_runner() -> None:
    made = envelope(raw_query="a=1", headers={"accept": "x"}, body=b"x")

    assert decode_request(encode(made)) == made
    assert json.loads(encode(made))["context"]["tenant_id"] == "acme"
