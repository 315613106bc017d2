"""``http.fetch`` against servers on this machine, which the runner is told to let guests reach."""

import socket
import time
from typing import Any

import pytest

from tests.conformance.envelopes import code_of
from tests.conformance.guest import Guest
from tests.conformance.outside import Outside
from tests.conformance.values import Err, Ok
from tests.conformance.vault import Vault

MIB = 1024 * 1024
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def wanted(url: str, method: str = "GET", headers: Any = (), body: bytes | None = None) -> dict[str, Any]:
    """Return an ``http-request``."""
    pairs = [{"name": name, "value": value} for name, value in headers]
    return {"method": method, "url": url, "headers": pairs, "body": body}


def headers_of(answer: Ok, name: str) -> list[str]:
    return [header["value"] for header in answer.value["headers"] if header["name"].lower() == name]


# --- success ---


@pytest.mark.parametrize("method", METHODS)
def test_a_granted_host_is_asked_and_its_answer_comes_back(guest: Guest, outside: Outside, method: str) -> None:
    request = wanted(f"{outside.url}/some/path?a=1&b=%20", method, [("x-asked", "yes")])
    answer = guest.call("http.fetch", request, egress=[outside.grant])
    assert (answer.value["status"], answer.value["body"]) == (200, b"")
    assert (outside.last.method, outside.last.target) == (method, "/some/path?a=1&b=%20")
    assert outside.last.all("x-asked") == ["yes"]


def test_https_is_spoken_with_a_host_whose_certificate_is_trusted(guest: Guest, secure: Outside) -> None:
    request = wanted(f"{secure.url}/echo", "POST", body=b"over tls")
    answer = guest.call("http.fetch", request, egress=[secure.grant])
    assert (answer.value["status"], answer.value["body"]) == (200, b"over tls")


@pytest.mark.parametrize("size", [0, 1, 4_095, 65_536, 100_003])
def test_bodies_go_out_and_come_back(guest: Guest, outside: Outside, size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    request = wanted(f"{outside.url}/echo", "POST", [("content-type", "application/x-test")], body)
    answer = guest.call("http.fetch", request, egress=[outside.grant])
    assert outside.last.body == body
    assert answer.value["body"] == body
    assert headers_of(answer, "content-type") == ["application/x-test"]


@pytest.mark.parametrize("guest", ["wat", "cpython"], indirect=True)  # the JavaScript guest's JSON takes seconds
def test_bodies_of_mebibytes_go_out_and_come_in(guest: Guest, outside: Outside) -> None:
    body = bytes(number % 251 for number in range(MIB))
    given: dict[str, Any] = {"egress": [outside.grant], "timeout_ms": 20_000}
    answer = guest.call("http.fetch", wanted(f"{outside.url}/echo", "POST", body=body), **given)
    assert outside.last.body == body
    assert answer.value["body"] == body
    answer = guest.call("http.fetch", wanted(f"{outside.url}/bytes/{2 * MIB}"), **given)
    assert answer.value["body"] == b"a" * (2 * MIB)


@pytest.mark.parametrize("status", [200, 201, 204, 301, 304, 400, 401, 404, 418, 429, 500, 503, 599])
def test_any_status_is_an_answer(guest: Guest, outside: Outside, status: int) -> None:
    answer = guest.call("http.fetch", wanted(f"{outside.url}/status/{status}"), egress=[outside.grant])
    assert (answer.value["status"], answer.value["body"] or b"") == (status, b"")


def test_a_header_given_twice_goes_out_and_comes_back_twice(guest: Guest, outside: Outside) -> None:
    request = wanted(f"{outside.url}/twice", headers=[("x-many", "a"), ("x-other", "1"), ("x-many", "b")])
    answer = guest.call("http.fetch", request, egress=[outside.grant])
    assert ", ".join(outside.last.all("x-many")) == "a, b"
    assert headers_of(answer, "x-twice") == ["first", "second"]


def test_fifty_headers_go_out(guest: Guest, outside: Outside) -> None:
    headers = [(f"x-header-{number}", f"value {number}") for number in range(50)]
    guest.call("http.fetch", wanted(f"{outside.url}/", headers=headers), egress=[outside.grant])
    assert [(name, outside.last.all(name)) for name, _ in headers] == [(name, [value]) for name, value in headers]


def test_the_platform_decides_the_host_header_and_what_belongs_to_the_connection(
    guest: Guest, outside: Outside
) -> None:
    headers = [
        ("host", "evil.example"), ("connection", "x-dropped"), ("x-dropped", "1"), ("transfer-encoding", "chunked"),
        ("content-length", "999"), ("te", "trailers"), ("upgrade", "h2c"), ("x-kept", "1"),
    ]  # fmt: skip
    guest.call("http.fetch", wanted(f"{outside.url}/echo", "POST", headers, b"body"), egress=[outside.grant])
    asked = outside.last
    assert asked.all("host") == [f"{outside.host}:{outside.port}"]
    assert (asked.all("content-length"), asked.body) == (["4"], b"body")
    assert [asked.all(name) for name in ("x-dropped", "transfer-encoding", "te", "upgrade")] == [[]] * 4
    assert asked.all("x-kept") == ["1"]


def test_a_redirect_is_an_answer_and_is_not_followed(guest: Guest, outside: Outside) -> None:
    answer = guest.call("http.fetch", wanted(f"{outside.url}/redirect"), egress=[outside.grant])
    assert (answer.value["status"], headers_of(answer, "location")) == (302, ["/echo"])
    assert len(outside.asked) == 1


def test_a_chunked_answer_is_put_together(guest: Guest, outside: Outside) -> None:
    answer = guest.call("http.fetch", wanted(f"{outside.url}/chunked"), egress=[outside.grant])
    assert answer.value["body"] == b"abcde"


def test_unicode_in_a_url_goes_out_percent_encoded(guest: Guest, outside: Outside) -> None:
    answer = guest.call("http.fetch", wanted(f"{outside.url}/ünï?q=🦊"), egress=[outside.grant])
    assert answer.value["status"] == 200
    assert outside.last.target == "/%C3%BCn%C3%AF?q=%F0%9F%A6%8A"


def test_several_requests_of_one_call_are_answered(guest: Guest, outside: Outside) -> None:
    answer = guest.call("http.fetch", wanted(f"{outside.url}/"), times=20, egress=[outside.grant])
    assert answer.value["status"] == 200
    assert len(outside.asked) == 20


def test_what_goes_out_and_comes_in_is_counted(guest: Guest, outside: Outside) -> None:
    request = wanted(f"{outside.url}/echo", "POST", body=b"b" * 10_000)
    usage = guest.ask("http.fetch", request, egress=[outside.grant]).usage
    assert 20_000 <= usage.egress_bytes < 22_000
    assert usage.host_calls == {"http.fetch": 1}


def test_a_call_without_requests_has_no_egress(guest: Guest) -> None:
    assert guest.ask("context.get-context").usage.egress_bytes == 0


# --- not-allowed ---


def test_a_host_that_is_not_granted_is_not_allowed(guest: Guest, outside: Outside) -> None:
    for egress in ([], ["other.example"], [f"http://{outside.host}:1"], [f"{outside.host}:{outside.port}"],
                   [f"http://*.{outside.host}:{outside.port}"], [f"http://{outside.host}"]):  # fmt: skip
        assert guest.call("http.fetch", wanted(f"{outside.url}/"), egress=egress) == Err("not-allowed")
    assert outside.asked == []


def test_plain_http_is_not_allowed_where_https_is_granted(guest: Guest, secure: Outside) -> None:
    url = secure.url.replace("https:", "http:")
    assert guest.call("http.fetch", wanted(f"{url}/"), egress=[secure.grant]) == Err("not-allowed")


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "0.0.0.0"]
)
def test_a_private_address_is_not_allowed_though_granted(guest: Guest, address: str) -> None:
    request = wanted(f"http://{address}:8080/")
    assert guest.call("http.fetch", request, egress=[f"http://{address}:8080"]) == Err("not-allowed")


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "", "GET /x HTTP/1.1\r\n", "ÜNÏ"])
def test_a_method_that_is_none_is_not_allowed(guest: Guest, outside: Outside, method: str) -> None:
    assert guest.call("http.fetch", wanted(f"{outside.url}/", method), egress=[outside.grant]) == Err("not-allowed")
    assert outside.asked == []


@pytest.mark.parametrize(
    "header", [("a b", "1"), ("", "1"), ("x-a", "1\r\nx-b: 2"), ("x-a", "1\n"), ("x-a\r\n", "1"), ("x-a", "\0")]
)
def test_a_header_that_would_split_the_request_is_not_allowed(
    guest: Guest, outside: Outside, header: tuple[str, str]
) -> None:
    request = wanted(f"{outside.url}/", headers=[header])
    assert guest.call("http.fetch", request, egress=[outside.grant]) == Err("not-allowed")
    assert outside.asked == []


def test_a_call_has_a_hundred_requests_and_no_more(any_guest: Guest, outside: Outside) -> None:
    request = wanted(f"{outside.url}/")
    assert any_guest.call("http.fetch", request, times=100, egress=[outside.grant]).value["status"] == 200
    assert any_guest.call("http.fetch", request, times=101, egress=[outside.grant]) == Err("not-allowed")
    assert len(outside.asked) == 200


# --- invalid-url ---


@pytest.mark.parametrize(
    "url",
    [
        "", "/", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "javascript:1",
        "http://", "http:///path", "http://user@example.com/", "http://user:pw@example.com/", "http://exam ple.com/",
        "http://example.com:0/", "http://example.com:99999/", "http://example.com:port/", "http://[::1", "http://exämple.com/",
        "http://example.com\\@other.com/", "http://example.com/\r\nx: 1", "http://0x7f.1/", "http://2130706433/",
        "http://example.com./",
    ],
)  # fmt: skip
def test_a_url_that_can_be_read_in_two_ways_or_none_is_invalid(guest: Guest, url: str) -> None:
    assert guest.call("http.fetch", wanted(url), egress=["http://example.com"]) == Err("invalid-url")


# --- transport ---


def test_a_closed_port_is_a_transport_error(guest: Guest, outside: Outside) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://{outside.host}:{free.getsockname()[1]}"
    assert guest.call("http.fetch", wanted(f"{url}/"), egress=[url]) == Err("transport")


def test_a_name_that_does_not_exist_is_a_transport_error(guest: Guest) -> None:
    url = "https://does-not-exist.invalid/"
    assert guest.call("http.fetch", wanted(url), egress=["does-not-exist.invalid"]) == Err("transport")


def test_a_certificate_nobody_vouches_for_is_a_transport_error(guest: Guest, stranger: Outside) -> None:
    assert guest.call("http.fetch", wanted(f"{stranger.url}/"), egress=[stranger.grant]) == Err("transport")
    assert stranger.asked == []


def test_a_server_that_hangs_up_is_a_transport_error(guest: Guest, outside: Outside) -> None:
    assert guest.call("http.fetch", wanted(f"{outside.url}/hang-up"), egress=[outside.grant]) == Err("transport")


def test_an_answer_over_four_mebibytes_is_a_transport_error(guest: Guest, outside: Outside) -> None:
    request = wanted(f"{outside.url}/bytes/{4 * MIB + 1}")
    assert guest.call("http.fetch", request, egress=[outside.grant], timeout_ms=10_000) == Err("transport")


def test_a_server_that_drips_holds_a_call_no_longer_than_its_deadline(guest: Guest, outside: Outside) -> None:
    guest.count()
    started = time.monotonic()
    response = guest.ask("http.fetch", wanted(f"{outside.url}/drip"), egress=[outside.grant], timeout_ms=500)
    assert (code_of(response), response.status) == ("guest_timeout", 504)
    assert time.monotonic() - started < 2.5


# --- secrets in headers ---


def injected(guest: Guest, server: Outside, vault: Vault, value: str, hosts: list[str], **given: Any) -> Any:
    sealed = [vault.seal("API_KEY", "s3cr3t", expires_at_s=given.pop("expires_at_s", None))]
    request = wanted(f"{server.url}/echo", "POST", [("authorization", value)], given.pop("body", None))
    secrets = {"API_KEY": hosts}
    return guest.call("http.fetch", request, egress=[server.grant], secrets=secrets, sealed=sealed, **given)


def test_a_secret_is_put_into_a_header_for_a_host_it_is_bound_to(guest: Guest, secure: Outside, vault: Vault) -> None:
    answer = injected(guest, secure, vault, "Bearer {{secret:API_KEY}}", [secure.grant])
    assert answer.value["status"] == 200
    assert secure.last.all("authorization") == ["Bearer s3cr3t"]


def test_a_secret_may_be_put_in_as_basic_credentials(guest: Guest, outside: Outside, vault: Vault) -> None:
    injected(guest, outside, vault, "Basic {{secret:API_KEY|base64}}", [outside.grant])
    assert outside.last.all("authorization") == ["Basic czNjcjN0"]


@pytest.mark.parametrize(
    "value", ["a={{secret:API_KEY}}", "{{secret:API_KEY}} {{secret:API_KEY}}", "{{secret:API_KEY}}."]
)
def test_a_secret_must_be_the_whole_value(guest: Guest, outside: Outside, vault: Vault, value: str) -> None:
    assert injected(guest, outside, vault, value, [outside.grant]) == Err("not-allowed")
    assert outside.asked == []


def carrying(guest: Guest, outside: Outside, vault: Vault, request: Any, value: str = "s3cr3t", **given: Any) -> Any:
    given |= {"egress": [outside.grant], "secrets": {"API_KEY": [outside.grant]}}
    return guest.call("http.fetch", request, sealed=[vault.seal("API_KEY", value)], **given)


def test_a_secret_is_not_put_into_a_body(guest: Guest, outside: Outside, vault: Vault) -> None:
    answer = carrying(guest, outside, vault, wanted(f"{outside.url}/echo", "POST", body=b"{{secret:API_KEY}}"))
    assert answer.value["body"] == b"{{secret:API_KEY}}"


def test_a_placeholder_in_a_url_is_not_allowed(guest: Guest, outside: Outside, vault: Vault) -> None:
    request = wanted(f"{outside.url}/echo?q={{{{secret:API_KEY}}}}")
    assert carrying(guest, outside, vault, request) == Err("not-allowed")
    assert outside.asked == []


def test_a_secret_goes_into_its_header_only(guest: Guest, outside: Outside, vault: Vault) -> None:
    request = wanted(f"{outside.url}/echo", "POST", [("x-api-key", "{{secret:API_KEY}}")])
    assert carrying(guest, outside, vault, request) == Err("not-allowed")
    assert outside.asked == []
    answer = carrying(guest, outside, vault, request, secret_headers={"API_KEY": "x-api-key"})
    assert (answer.value["status"], outside.last.all("x-api-key")) == (200, ["s3cr3t"])


def test_an_answer_that_brings_a_secret_back_is_not_allowed(guest: Guest, outside: Outside, vault: Vault) -> None:
    request = wanted(f"{outside.url}/echo", "POST", body=b"a s3cr3t-of-16-chars b")
    assert carrying(guest, outside, vault, request, "s3cr3t-of-16-chars") == Err("not-allowed")
    answer = carrying(guest, outside, vault, request, "s3cr3t-of-15-ch")
    assert answer.value["status"] == 200


@pytest.mark.parametrize("hosts", [["api.example.com"], ["localhost"], []])
def test_a_secret_does_not_go_to_a_host_it_is_not_bound_to(
    guest: Guest, outside: Outside, vault: Vault, hosts: list[str]
) -> None:
    assert injected(guest, outside, vault, "Bearer {{secret:API_KEY}}", hosts) == Err("not-allowed")
    assert outside.asked == []


@pytest.mark.parametrize("value", ["Bearer {{secret:OTHER}}", "{{secret:OTHER}}"])
def test_a_request_with_an_unknown_secret_is_not_allowed(
    guest: Guest, outside: Outside, vault: Vault, value: str
) -> None:
    assert injected(guest, outside, vault, value, [outside.grant]) == Err("not-allowed")
    assert outside.asked == []


def test_a_request_with_an_expired_secret_is_not_allowed(guest: Guest, outside: Outside, vault: Vault) -> None:
    given: dict[str, Any] = {"expires_at_s": int(time.time()) - 1}
    assert injected(guest, outside, vault, "{{secret:API_KEY}}", [outside.grant], **given) == Err("not-allowed")
    assert outside.asked == []


@pytest.mark.parametrize("capability", ["cap:secrets.get", "cap:http.fetch"])
def test_injection_needs_both_capabilities(guest: Guest, outside: Outside, vault: Vault, capability: str) -> None:
    given: dict[str, Any] = {"without": capability}
    assert injected(guest, outside, vault, "{{secret:API_KEY}}", [outside.grant], **given) == Err("not-allowed")
    assert outside.asked == []


def test_a_secret_that_cannot_be_opened_ends_the_call(guest: Guest, outside: Outside, vault: Vault) -> None:
    sealed = [vault.seal("API_KEY", "s3cr3t", tenant_id="another")]
    request = wanted(f"{outside.url}/", headers=[("authorization", "{{secret:API_KEY}}")])
    given: dict[str, Any] = {"egress": [outside.grant], "secrets": {"API_KEY": [outside.grant]}, "sealed": sealed}
    response = guest.ask("http.fetch", request, **given)
    assert (code_of(response), outside.asked) == ("secret_unavailable", [])
