"""The gateway's checks, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.admission import (
    BODY_LIMIT_BYTES,
    RoleMap,
    check_endpoint,
    check_request,
    check_role,
    check_tenant,
)
from functions.gateway.headers import HEADERS_LIMIT_BYTES
from functions.gateway.routing import METHODS, ExtensionPath
from functions.gateway.settings import GatewaySettings
from tests.support.gateway import install, principal, request
from tests.support.refusals import code_of

ROLES = RoleMap(frozenset({"reader", "writer"}), frozenset({"writer"}))


def test_a_request_names_its_target() -> None:
    assert check_request(request()) == ExtensionPath("acme.notes", "/notes")


def test_a_path_outside_is_not_found() -> None:
    assert code_of(lambda: check_request(request(path="/api/other"))) == "not_found"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "", "get"])
def test_another_method_is_not_allowed(method: str) -> None:
    assert code_of(lambda: check_request(request(method))) == "method_not_allowed"


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_seven_methods_are_allowed(method: str) -> None:
    assert check_request(request(method))


def test_the_methods_are_the_seven_of_the_contract() -> None:
    assert sorted(METHODS) == ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


def test_a_body_up_to_4_mib_passes_and_one_byte_more_does_not() -> None:
    assert BODY_LIMIT_BYTES == 4 * 1024 * 1024
    assert check_request(request("POST", body=bytes(BODY_LIMIT_BYTES)))
    assert code_of(lambda: check_request(request("POST", body=bytes(BODY_LIMIT_BYTES + 1)))) == "payload_too_large"


def test_headers_up_to_8_kib_pass_and_one_byte_more_do_not() -> None:
    assert HEADERS_LIMIT_BYTES == 8 * 1024
    value = "x" * (HEADERS_LIMIT_BYTES - len("a") - 4)
    assert check_request(request(headers={"a": value}))
    assert code_of(lambda: check_request(request(headers={"a": value + "x"}))) == "payload_too_large"


# The tenant


def test_the_tenant_is_the_tokens() -> None:
    assert check_tenant(principal(), request()) == "acme"


def test_a_token_without_tenant_is_forbidden() -> None:
    assert code_of(lambda: check_tenant(principal(tenant_id=None), request())) == "forbidden"


@pytest.mark.parametrize("name", ["x-alga-tenant", "x-tenant-id"])
@pytest.mark.parametrize("value", ["globex", "", "ACME", "acme, globex", "acme "])
def test_a_request_that_names_another_tenant_is_refused(name: str, value: str) -> None:
    assert code_of(lambda: check_tenant(principal(), request(headers={name: value}))) == "tenant_mismatch"


def test_a_request_may_repeat_its_tenant() -> None:
    assert check_tenant(principal(), request(headers={"x-alga-tenant": "acme", "x-tenant-id": "acme"})) == "acme"


# Install and endpoint


def test_without_an_install_nothing_answers() -> None:
    assert code_of(lambda: check_endpoint(None, ExtensionPath("x", "/notes"), "GET")) == "not_installed"


def test_a_declared_endpoint_answers() -> None:
    assert check_endpoint(install(), ExtensionPath("x", "/notes/5"), "GET") == install()


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/notes"), ("GET", "/other"), ("POST", "/notes/1"), ("GET", "/notes/1/2")]
)
def test_an_endpoint_that_is_not_declared_does_not_answer(method: str, path: str) -> None:
    assert code_of(lambda: check_endpoint(install(), ExtensionPath("x", path), method)) == "endpoint_not_found"


# Roles


@pytest.mark.parametrize(
    ("role", "method", "code"),
    [
        ("reader", "GET", None),
        ("reader", "HEAD", None),
        ("reader", "POST", "forbidden"),
        ("reader", "OPTIONS", "forbidden"),
        ("reader", "DELETE", "forbidden"),
        ("writer", "GET", None),
        ("writer", "DELETE", None),
        ("other", "GET", "forbidden"),
        ("READER", "GET", "forbidden"),
    ],
)
def test_reading_needs_a_role_and_everything_else_another(role: str, method: str, code: str | None) -> None:
    assert code_of(lambda: check_role(ROLES, principal(roles=frozenset({role})), method)) == code


@given(st.frozensets(st.text(max_size=5)), st.sampled_from(sorted(METHODS)))
def test_without_a_mapped_role_nothing_is_allowed(roles: frozenset[str], method: str) -> None:
    allowed = bool(roles & ({"reader", "writer"} if method in ("GET", "HEAD") else {"writer"}))

    assert ROLES.allows(principal(roles=roles), method) is allowed


def test_no_role_at_all_allows_nothing() -> None:
    assert code_of(lambda: check_role(ROLES, principal(roles=frozenset()), "GET")) == "forbidden"


def test_by_default_a_viewer_reads_and_does_not_write() -> None:
    given = {name: field.default for name, field in GatewaySettings.model_fields.items()}
    read, write = (frozenset(given[f"auth_{kind}_roles"].split(",")) for kind in ("read", "write"))

    assert "tenant_viewer" in read - write
    assert write <= read
