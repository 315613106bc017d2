"""The gateway's checks, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
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
    assert code_of(lambda: check_endpoint(None, ExtensionPath("x", "/notes"), "GET", principal())) == "not_installed"


def test_a_declared_endpoint_answers() -> None:
    assert check_endpoint(install(), ExtensionPath("x", "/notes/5"), "GET", principal()) == (install(), "/notes/:id")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/notes"), ("GET", "/other"), ("POST", "/notes/1"), ("GET", "/notes/1/2")]
)
def test_an_endpoint_that_is_not_declared_does_not_answer(method: str, path: str) -> None:
    assert (
        code_of(lambda: check_endpoint(install(), ExtensionPath("x", path), method, principal()))
        == "endpoint_not_found"
    )


# Users of the client portal

CLIENT = principal(user_type="client", roles=frozenset())


def endpoint_code(who: Principal, audiences: list[str | None], *, client_portal: bool) -> str | None:
    endpoints = [{"method": "GET", "path": f"/{number}", "audience": value} for number, value in enumerate(audiences)]
    found = install(endpoints=endpoints, client_portal=client_portal)
    return code_of(lambda: check_endpoint(found, ExtensionPath("x", "/0"), "GET", who))


@pytest.mark.parametrize("audiences", [[None], ["client"], ["any"], ["internal"]])
def test_a_client_user_reaches_no_extension_without_the_client_hook(audiences: list[str | None]) -> None:
    assert endpoint_code(CLIENT, audiences, client_portal=False) == "forbidden"


@pytest.mark.parametrize(
    ("audiences", "client_code", "internal_code"),
    [
        (["client"], None, "forbidden"),
        (["any"], None, None),
        (["internal"], "forbidden", None),
        (["clients"], "forbidden", "forbidden"),
        ([None], None, None),
        ([None, None], None, None),
        ([None, "client"], "forbidden", None),
        ([None, "internal"], "forbidden", None),
    ],
)
def test_an_endpoint_is_called_by_its_audience_only(
    audiences: list[str | None], client_code: str | None, internal_code: str | None
) -> None:
    assert endpoint_code(CLIENT, audiences, client_portal=True) == client_code
    assert endpoint_code(principal(), audiences, client_portal=True) == internal_code


def test_without_a_client_hook_an_endpoint_is_for_internal_users() -> None:
    assert endpoint_code(principal(), [None], client_portal=False) is None
    assert endpoint_code(principal(), ["client"], client_portal=False) == "forbidden"


@pytest.mark.parametrize(
    ("who", "audience", "said"),
    [(CLIENT, "internal", "users of the client portal"), (principal(), "client", "users outside the client portal")],
)
def test_whoever_is_outside_an_audience_is_told_who_they_are(who: Principal, audience: str, said: str) -> None:
    found = install(endpoints=[{"method": "GET", "path": "/", "audience": audience}], client_portal=True)

    with pytest.raises(PlatformError, match=f"endpoint GET / is not for {said}."):
        check_endpoint(found, ExtensionPath("x", "/"), "GET", who)


@pytest.mark.parametrize(("method", "role"), [("GET", "read"), ("HEAD", "read"), ("POST", "write")])
def test_whoever_lacks_a_role_is_told_which(method: str, role: str) -> None:
    with pytest.raises(PlatformError, match=f"needs a role that gives extension:{role}"):
        check_role(ROLES, principal(roles=frozenset()), method)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_client_user_needs_no_role(method: str) -> None:
    assert code_of(lambda: check_role(ROLES, CLIENT, method)) is None


@pytest.mark.parametrize(
    "who",
    [
        principal(client_id="c-1"),
        principal(user_type="client"),
        principal(user_type="Internal"),
        principal(user_type=""),
    ],
)
def test_whoever_is_not_exactly_internal_is_a_client_user(who: Principal) -> None:
    assert who.is_client_user


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
    given = {name: field.default for name, field in GatewaySettings.fields().items()}
    read, write = (frozenset(given[f"auth_{kind}_roles"].split(",")) for kind in ("read", "write"))

    assert "tenant_viewer" in read - write
    assert write <= read
