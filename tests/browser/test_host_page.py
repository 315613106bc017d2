"""The samples as a tenant's user sees them: in a real browser, framed by the stand-in host application."""

from typing import Any

import pytest
import urllib3

from tests.browser.conftest import Site


@pytest.fixture(scope="session")
def hello(site: Site) -> Any:
    return site.run("hello.mjs", token=site.token("acme-admin"))


def test_the_page_greets_through_its_handler(hello: Any) -> None:
    assert "Grace" in hello["greeting"]


def test_the_handler_knows_the_tenant_from_the_users_token(hello: Any) -> None:
    assert hello["tenant"] == "acme"


def test_each_call_met_a_fresh_instance(hello: Any) -> None:
    assert hello["count"] == "1"


def test_the_frame_may_run_scripts_and_nothing_else(hello: Any) -> None:
    assert hello["sandbox"] == "allow-scripts"


def test_the_frame_has_an_opaque_origin(hello: Any) -> None:
    assert hello["inside"]["origin"] == "null"


@pytest.mark.parametrize("reach", ["cookie", "storage", "parent"])
def test_the_frame_reaches_nothing_of_the_browser_or_the_host(hello: Any, reach: str) -> None:
    assert hello["inside"][reach] == "SecurityError"


def test_the_frame_reaches_no_network(hello: Any) -> None:
    assert hello["inside"]["gateway"] == "TypeError"


def test_the_frame_runs_no_inline_script(hello: Any) -> None:
    assert hello["inside"]["inline"] == "false"


def test_the_host_page_shows_the_calls_it_made(hello: Any) -> None:
    assert hello["calls"] >= 2


def test_a_note_is_there_after_a_reload(site: Site) -> None:
    assert site.run("notes.mjs", token=site.token("acme-admin"))["kept"]


def test_a_bad_token_is_explained(site: Site) -> None:
    assert site.run("refused.mjs")["says"]


def test_a_page_opened_outside_the_frame_is_as_confined(site: Site) -> None:
    headers = {"authorization": f"Bearer {site.token('acme-admin')}"}
    answer = urllib3.request("GET", f"{site.addresses['api']}/api/registry/v1/installs", headers=headers)
    url = next(item["ui_url"] for item in answer.json()["items"] if item["ui_url"])

    alone = site.run("alone.mjs", url=url)

    assert (alone["status"], alone["origin"]) == (200, "null")
