"""Fetches to a host that the configuration names: allowed while the granted host is configured."""

import ssl
import time
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteGrants, ExecuteRequest
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.http import configured, fetch
from tests.support.runner_fixture import EVERY_CAPABILITY, call

PINNED = "config:base=api.example.com"
ALLOWED = (False, "transport")
"""The answer for a granted host that has no address."""
REFUSED = (False, "not-allowed")


def request(config: dict[str, str], egress: list[str] | None = None) -> ExecuteRequest:
    grants = ExecuteGrants(egress=[PINNED] if egress is None else egress, secrets={"key": [PINNED], "free": []})
    return call("sha256:" + "0" * 64, config=config, grants=grants)


def made(given: ExecuteRequest) -> CallContext:
    deadline_ns = time.monotonic_ns() + 5_000_000_000
    return CallContext(given, frozenset(EVERY_CAPABILITY), deadline_ns, None, time.time)


def fetched(given: ExecuteRequest, url: str, said: list[str] | None = None) -> Any:
    context = made(given)
    if said is not None:
        context.explain = said.append
    opened = fetch.provider(lambda _host, _port: [], (), ssl.create_default_context)(context)
    try:
        return opened.handlers["http.fetch"].answer(("GET", url, [], None))
    finally:
        opened.close()


@pytest.mark.parametrize("value", ["https://api.example.com/v1", "api.example.com", "https://API.example.com:443"])
def test_the_granted_host_is_reached_while_it_is_configured(value: str) -> None:
    assert fetched(request({"base": value}), "https://api.example.com/x") == ALLOWED
    assert fetched(request({"base": value}), "https://other.example.com/x") == REFUSED
    assert fetched(request({"base": value}), "https://api.example.com:8443/x") == REFUSED
    assert fetched(request({"base": value}), "http://api.example.com/x") == REFUSED


@pytest.mark.parametrize(
    "config", [{}, {"base": "https://new.example.com"}, {"base": ""}, {"base": "https://10.0.0.1"}, {"BASE": "x"}]
)
def test_neither_the_old_nor_the_new_host_is_reached_after_a_change(config: dict[str, str]) -> None:
    for url in ("https://api.example.com/x", "https://new.example.com/x", "https://config/x", "https://base/x"):
        assert fetched(request(config), url) == REFUSED


def test_a_host_that_was_never_pinned_is_not_reached() -> None:
    assert fetched(request({"base": "https://api.example.com"}, ["config:base"]), "https://api.example.com/") == REFUSED


def test_the_refusal_of_a_changed_host_is_logged_with_its_reason() -> None:
    said: list[str] = []
    assert fetched(request({"base": "https://new.example.com/v1"}), "https://new.example.com/x", said) == REFUSED
    reason = "configuration base was changed to new.example.com, which waits until an admin grants it"
    assert said == [f"http.fetch refused: {reason}"]


def test_another_refusal_says_nothing_about_the_configuration() -> None:
    said: list[str] = []
    fetched(request({"base": "https://new.example.com"}), "https://third.example.com/x", said)
    fetched(request({"base": "https://new.example.com"}), "http://new.example.com/x", said)
    assert said == [
        "http.fetch refused: host third.example.com is not granted",
        "http.fetch refused: host http://new.example.com is not granted",
    ]


def test_a_secret_that_is_bound_to_a_changed_host_stays_bound() -> None:
    held = made(request({"base": "https://api.example.com"})).request.grants.secrets
    changed = made(request({"base": "https://new.example.com"})).request.grants.secrets
    assert held == {"key": ["api.example.com"], "free": []}
    assert changed == {"key": [PINNED], "free": []}


def test_rules_of_egress_and_of_secrets_are_resolved_each_without_the_other() -> None:
    config = {"base": "https://api.example.com"}
    egress = configured.resolved(ExecuteGrants(egress=[PINNED]), config)
    secrets = configured.resolved(ExecuteGrants(secrets={"key": [PINNED]}), config)
    assert (egress.egress, egress.secrets) == (["api.example.com"], {})
    assert (secrets.egress, secrets.secrets) == ([], {"key": ["api.example.com"]})


def test_grants_without_hosts_stay_the_same_object() -> None:
    grants = ExecuteGrants(secret_headers={"key": "x-key"})
    assert configured.resolved(grants, {"base": "https://api.example.com"}) is grants
