"""The address of the host application, read from its base URL."""

import pytest

from functions.runner.imports.application.address import Address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://host.example", ("https", "host.example", 443, "")),
        ("http://host.example", ("http", "host.example", 80, "")),
        ("https://host.example:8443/", ("https", "host.example", 8443, "")),
        ("https://HOST.example/app//", ("https", "host.example", 443, "/app")),
        ("https://host.example/x/", ("https", "host.example", 443, "/x")),
        ("https://host.example/xx", ("https", "host.example", 443, "/xx")),
        ("http://[::1]:3000/api", ("http", "::1", 3000, "/api")),
        ("https:///app", ("https", "", 443, "/app")),
    ],
)
def test_a_base_url_is_split_into_what_requests_need(url: str, address: tuple[str, str, int, str]) -> None:
    assert Address.of(url) == address
