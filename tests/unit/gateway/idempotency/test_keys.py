"""What an idempotency key is, and which calls it makes the same."""

from typing import Any

import pytest

from alga_ext.errors import PlatformError
from functions.gateway.admission import AdmittedCall
from functions.gateway.idempotency.keys import idempotency_key, request_sha256, scope_sha256
from tests.support.gateway import admitted, principal, request


def key(value: str, name: str = "idempotency-key") -> str | None:
    return idempotency_key("POST", {name: value})


def call(path: str = "/api/ext/acme.notes/notes", method: str = "POST", **members: Any) -> AdmittedCall:
    return admitted(request(method, path, **members))


@pytest.mark.parametrize("name", ["idempotency-key", "x-idempotency-key"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("k", "k"),
        ('"k"', "k"),
        (' "k"\t', "k"),
        (r'"a\"b"', 'a"b'),
        ('a"b', 'a"b'),
        (r'"a\\b"', "a\\b"),
        ("a\\b", "a\\b"),
        ("k" * 255, "k" * 255),
        ('"' + "k" * 255 + '"', "k" * 255),
        ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ("a,b;c=1", "a,b;c=1"),
    ],
)
def test_a_key_is_what_its_header_says_without_the_quotation_marks(name: str, value: str, expected: str) -> None:
    assert key(value, name) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "0 characters"),
        ('""', "0 characters"),
        ("   ", "0 characters"),
        ("k" * 256, "256 characters"),
        ('"' + "k" * 256 + '"', "256 characters"),
        ('"', "quote"),
        ('"k', "quote"),
        ('"a"b"', "quote"),
        ('"k";a=1', "quote"),
        ('"a", "b"', "quote"),
        (r'"a\b"', "quote"),
        (r'"k\"', "quote"),
        ("a b", "visible ASCII"),
        ('"a b"', "visible ASCII"),
        ("k, k", "visible ASCII"),
        ("kü", "visible ASCII"),
        ("k\0", "visible ASCII"),
        ("k\n", "visible ASCII"),
        ('"k\n"', "visible ASCII"),
        ("k\x7f", "visible ASCII"),
    ],
)
def test_a_key_that_is_not_valid_is_refused_in_words(value: str, said: str) -> None:
    with pytest.raises(PlatformError, match=said) as caught:
        key(value)

    assert (caught.value.code, caught.value.status) == ("invalid_request", 400)


def test_a_refused_key_is_not_quoted() -> None:
    with pytest.raises(PlatformError) as caught:
        key("private key")

    assert "private" not in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("value", ["k", "not valid", ""])
def test_the_key_of_a_call_that_reads_is_ignored(method: str, value: str) -> None:
    assert idempotency_key(method, {"idempotency-key": value}) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_other_method_may_have_a_key(method: str) -> None:
    assert idempotency_key(method, {"idempotency-key": "k"}) == "k"


def test_a_call_may_have_no_key() -> None:
    assert idempotency_key("POST", {"content-type": "text/plain"}) is None


def test_one_key_in_both_headers_is_one_key() -> None:
    assert idempotency_key("POST", {"idempotency-key": '"k"', "x-idempotency-key": "k"}) == "k"


def test_two_different_keys_are_refused() -> None:
    with pytest.raises(PlatformError, match="two different keys") as caught:
        idempotency_key("POST", {"idempotency-key": "a", "x-idempotency-key": "b"})

    assert caught.value.code == "invalid_request"


# What is the same call


def test_the_same_call_has_the_same_scope() -> None:
    assert scope_sha256(call(), "k") == scope_sha256(call(body=b"other", raw_query="a=1", request_id="r-2"), "k")
    assert len(scope_sha256(call(), "k")) == 32


@pytest.mark.parametrize(
    "other",
    [
        call()._replace(principal=principal(subject="user-2")),
        call()._replace(principal=principal(client_id="client-2")),
        call()._replace(install=call().install._replace(install_id="9b2d7a6e-0000-4000-8000-00000000000f")),
        call(method="PUT"),
        call("/api/ext/acme.notes/notes/1"),
    ],
    ids=["principal", "client", "install", "method", "path"],
)
def test_another_principal_install_method_or_path_is_another_scope(other: AdmittedCall) -> None:
    assert scope_sha256(other, "k") != scope_sha256(call(), "k")


def test_another_key_is_another_scope() -> None:
    assert scope_sha256(call(), "k") != scope_sha256(call(), "K")


def test_where_one_part_ends_and_the_next_begins_is_part_of_the_scope() -> None:
    assert scope_sha256(call("/api/ext/acme.notes/a"), "b") != scope_sha256(call("/api/ext/acme.notes/ab"), "")


def test_the_same_request_has_the_same_hash() -> None:
    one = call(body=b"x", raw_query="a=1", headers={"content-type": "text/plain", "user-agent": "one"})
    two = call(body=b"x", raw_query="a=1", headers={"content-type": "text/plain", "user-agent": "two"})

    assert request_sha256(one) == request_sha256(two)


@pytest.mark.parametrize(
    "members",
    [
        {"body": b"y"},
        {"body": b""},
        {"body": b"x", "raw_query": "a=1"},
        {"body": b"x", "headers": {"content-type": "text/html"}},
    ],
    ids=["body", "no body", "query", "content type"],
)
def test_another_body_query_or_content_type_has_another_hash(members: dict[str, Any]) -> None:
    assert request_sha256(call(**members)) != request_sha256(call(body=b"x"))
