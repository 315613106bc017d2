"""Pages of other origins call an extension through the whole local platform."""

import json
from collections.abc import Mapping

import pytest

from tests.integration.conftest import HELLO, LISTED_ORIGIN
from tests.support.site import Site
from tests.support.wat import guest
from tools.cli.client import Reply

ASKING = {"origin": LISTED_ORIGIN, "access-control-request-method": "POST"}


@pytest.fixture(scope="module")
def extension(site: Site) -> str:
    """An extension that answers POST and OPTIONS."""
    endpoints = [{"method": method, "path": "/run"} for method in ("POST", "OPTIONS")]
    respond = "(call $respond (i32.const 200) (i32.const 0) (i32.const 5))"
    return site.install(guest(respond, data=HELLO), api={"endpoints": endpoints})


def ask(site: Site, extension: str, method: str, headers: Mapping[str, str], role: str | None = "acme") -> Reply:
    return site.call(extension, "/run", role, method=method, headers=headers)


def test_a_preflight_needs_no_token(site: Site, extension: str) -> None:
    answer = ask(site, extension, "OPTIONS", ASKING, role=None)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == LISTED_ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_any_other_options_request_is_answered_by_the_extension(site: Site, extension: str) -> None:
    answer = ask(site, extension, "OPTIONS", {"origin": LISTED_ORIGIN})

    assert (answer.status, answer.body) == (200, b"hello")


def test_a_page_of_a_listed_origin_can_read_the_answer(site: Site, extension: str) -> None:
    answer = ask(site, extension, "POST", {"origin": LISTED_ORIGIN})

    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["access-control-allow-origin"] == LISTED_ORIGIN
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "authorization, origin"


def test_a_page_of_a_listed_origin_can_read_a_refusal(site: Site, extension: str) -> None:
    answer = ask(site, extension, "POST", {"origin": LISTED_ORIGIN}, role="globex")

    assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_installed")
    assert answer.headers["access-control-allow-origin"] == LISTED_ORIGIN


def test_a_page_of_another_origin_can_read_nothing(site: Site, extension: str) -> None:
    answer = ask(site, extension, "POST", {"origin": "https://other.example"})

    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("access-control-")]
