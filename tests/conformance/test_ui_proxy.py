"""``ui-proxy``: routes of the host application, which is a server of the suite's."""

from urllib.parse import unquote

import pytest

from alga_ext.calls.envelope import ExecuteUser
from tests.conformance.envelopes import EXTENSION, INSTALL, TENANT, VERSION, code_of
from tests.conformance.guest import Guest
from tests.conformance.outside import Outside
from tests.conformance.values import Err, Ok
from tests.conformance.vault import Vault

MIB = 1024 * 1024
USER = ExecuteUser(user_id="u-1", user_email="u@example.com", user_name="Ünï", user_type="client", client_name="C")


def test_a_route_without_a_payload_is_got(guest: Guest, host: Outside) -> None:
    assert guest.call("ui-proxy.call-route", "/api/tickets?open=1", None) == Ok(b"")
    assert (host.last.method, host.last.target, host.last.body) == ("GET", "/api/tickets?open=1", b"")


@pytest.mark.parametrize("payload", [b"", b"{}", "ünï 🦊".encode(), bytes(range(256)), b"p" * 100_003])
def test_a_route_with_a_payload_is_posted_to_and_its_answer_comes_back(
    guest: Guest, host: Outside, payload: bytes
) -> None:
    assert guest.call("ui-proxy.call-route", "/api/echo", payload) == Ok(payload)
    assert (host.last.method, host.last.target, host.last.body) == ("POST", "/api/echo", payload)


def test_a_route_outside_the_api_is_the_extensions_own(guest: Guest, host: Outside) -> None:
    assert guest.call("ui-proxy.call-route", "/settings", None) == Ok(b"")
    assert host.last.target == f"/{EXTENSION}/settings"


def test_unicode_in_a_route_arrives_percent_encoded(guest: Guest, host: Outside) -> None:
    assert guest.call("ui-proxy.call-route", "/api/ünï?q=🦊", None) == Ok(b"")
    assert unquote(host.last.target) == "/api/ünï?q=🦊"
    assert host.last.target.isascii()


def test_the_host_hears_whose_call_it_is(guest: Guest, host: Outside) -> None:
    guest.call("ui-proxy.call-route", "/api/x", b"{}", request_id="r-1", user=USER)
    said = {name: host.last.all(name) for name in (
        "x-request-id", "x-alga-tenant", "x-alga-extension", "x-ext-install-id", "x-ext-version-id",
        "x-user-id", "x-user-email", "x-user-type",
    )}  # fmt: skip
    assert said == {
        "x-request-id": ["r-1"],
        "x-alga-tenant": [TENANT],
        "x-alga-extension": [EXTENSION],
        "x-ext-install-id": [INSTALL],
        "x-ext-version-id": [VERSION],
        "x-user-id": ["u-1"],
        "x-user-email": ["u@example.com"],
        "x-user-type": ["client"],
    }
    assert unquote(host.last.all("x-user-name")[0]) == "Ünï"


def test_the_host_hears_of_no_user_when_there_is_none(guest: Guest, host: Outside) -> None:
    guest.call("ui-proxy.call-route", "/api/x", None)
    assert [name for name, _ in host.last.headers if name.startswith("x-user-")] == []


def test_the_host_can_tell_the_runner_by_one_token_and_each_request_by_its_own(guest: Guest, host: Outside) -> None:
    for route in ("/api/one", "/api/two"):
        guest.call("ui-proxy.call-route", route, None)
    tokens = {asked.all("x-runner-auth")[0] for asked in host.asked}
    statements = {asked.all("x-alga-call-token")[0] for asked in host.asked}
    assert (len(tokens), len(statements)) == (1, 2)
    assert all(tokens | statements)


def test_the_host_hears_the_installs_api_key_where_it_is_granted(guest: Guest, host: Outside, vault: Vault) -> None:
    sealed = [vault.seal("api_key", "key-of-the-install")]
    guest.call("ui-proxy.call-route", "/api/x", None, secrets={"api_key": []}, sealed=sealed)
    guest.call("ui-proxy.call-route", "/api/x", None, secrets={}, sealed=sealed)
    assert [asked.all("x-api-key") for asked in host.asked] == [["key-of-the-install"], []]


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_is_its_body(guest: Guest, host: Outside, status: int) -> None:
    assert guest.call("ui-proxy.call-route", f"/api/status/{status}", None) == Ok(b"")


@pytest.mark.parametrize(
    ("status", "case"),
    [
        (404, "route-not-found"), (401, "denied"), (403, "denied"), (429, "denied"), (400, "bad-request"),
        (405, "bad-request"), (409, "bad-request"), (422, "bad-request"), (500, "internal"), (502, "internal"),
        (503, "internal"), (302, "internal"), (304, "internal"),
    ],
)  # fmt: skip
def test_any_other_status_is_an_error_of_its_kind(guest: Guest, host: Outside, status: int, case: str) -> None:
    assert guest.call("ui-proxy.call-route", f"/api/status/{status}", None) == Err(case)
    assert len(host.asked) == 1


@pytest.mark.parametrize("route", ["/api/redirect", "/api/hang-up"])
def test_a_host_that_sends_elsewhere_or_says_nothing_is_internal(guest: Guest, host: Outside, route: str) -> None:
    assert guest.call("ui-proxy.call-route", route, None) == Err("internal")
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    "route",
    [
        "", " ", "/api/../admin", "/api/%2e%2e/admin", "/api/%2E./x", "..", "/./x", "/a\\b", "/a#b", "/a\r\nx: 1",
        "/\0", "/a%2fb", "/" + "a" * 5_000,
    ],
)  # fmt: skip
def test_a_route_that_leads_elsewhere_or_nowhere_is_a_bad_request(guest: Guest, host: Outside, route: str) -> None:
    assert guest.call("ui-proxy.call-route", route, None) == Err("bad-request")
    assert host.asked == []


@pytest.mark.parametrize(
    "route", ["https://evil.example/x", "//evil.example/x", "/@evil.example", "/a//b", "api/x?a=/../b"]
)
def test_a_route_never_leaves_the_host(guest: Guest, host: Outside, route: str) -> None:
    assert guest.call("ui-proxy.call-route", route, None) == Ok(b"")
    assert [asked.all("host") for asked in host.asked] == [[f"{host.host}:{host.port}"]]


def test_the_guest_is_denied_without_the_capability_and_the_host_hears_nothing(guest: Guest, host: Outside) -> None:
    assert guest.call("ui-proxy.call-route", "/api/x", None, without="cap:ui.proxy") == Err("denied")
    assert host.asked == []


@pytest.mark.parametrize("guest", ["wat", "cpython"], indirect=True)  # the JavaScript guest's JSON takes seconds
def test_answers_are_carried_up_to_two_mebibytes_and_refused_over_four(guest: Guest, host: Outside) -> None:
    given = {"timeout_ms": 20_000}
    assert guest.call("ui-proxy.call-route", f"/api/bytes/{2 * MIB}", None, **given) == Ok(b"a" * (2 * MIB))
    assert guest.call("ui-proxy.call-route", f"/api/bytes/{4 * MIB + 1}", None, **given) == Err("internal")


def test_a_host_that_drips_holds_a_call_no_longer_than_its_deadline(guest: Guest, host: Outside) -> None:
    response = guest.ask("ui-proxy.call-route", "/api/drip", None, timeout_ms=500)
    assert (code_of(response), response.status) == ("guest_timeout", 504)
    assert response.usage.duration_ms < 2_000
