"""Which headers a manifest may name, one by one: each has a reason why it is refused."""

import pytest

from alga_ext.bundles.declared_headers import (
    DEFAULT_SECRET_HEADER,
    HEADERS_LIMIT,
    check_secret_header,
    request_header_fault,
)

CONNECTION = [
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
]  # fmt: skip
RETURNED = [
    "accept-encoding", "access-control-request-headers", "access-control-request-method", "if-range", "origin", "range",
    "traceparent", "tracestate", "x-correlation-id", "x-request-id",
]  # fmt: skip
NOT_A_NAME = ["", "a b", " a", "a:", "a\n", "\na", "é", "x" * 65]
NAMES = ["a", "x-api-key", "x-alg", "my-x-alga-", "!#$%&'*+.^_`|~0-9", "x" * 64]


def test_sixteen_headers_may_be_named_and_a_secret_goes_into_authorization() -> None:
    assert (HEADERS_LIMIT, DEFAULT_SECRET_HEADER) == (16, "authorization")


@pytest.mark.parametrize("name", [*NAMES, *RETURNED])
def test_another_header_reaches_the_guest(name: str) -> None:
    assert request_header_fault(name) is None


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (NOT_A_NAME, "not a header name of 1 to 64 characters"),
        (["authorization", "cookie"], "the caller's credentials"),
        (CONNECTION, "belongs to the connection"),
        (["x-alga-", "x-alga-tenant"], "begins with 'x-alga-'"),
    ],
)
def test_a_header_that_no_guest_may_have_is_refused_with_the_reason(names: list[str], why: str) -> None:
    assert [name for name in names if why not in (request_header_fault(name) or "")] == []


@pytest.mark.parametrize("name", [*NAMES, "authorization", "cookie"])
def test_a_secret_may_go_into_another_header(name: str) -> None:
    assert check_secret_header(name) == check_secret_header(name.upper()) == name


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (NOT_A_NAME, "not the name of a header"),
        ([*CONNECTION, "x-alga-", "X-Alga-Tenant"], "belongs to the connection or to the platform"),
        (RETURNED, "changes or appears in responses"),
    ],
)
def test_a_header_that_no_secret_may_go_into_is_refused_with_the_reason(names: list[str], why: str) -> None:
    for name in names:
        with pytest.raises(ValueError, match=why):
            check_secret_header(name)
