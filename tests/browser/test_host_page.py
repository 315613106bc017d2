"""The samples as a tenant's user sees them: in a real browser, framed by the stand-in host application."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3

from tests.browser.conftest import Site


@pytest.fixture(scope="session")
def hello(site: Site) -> Any:
    with stun_server() as server, stun_server() as control:
        stuns = {"stun": f"stun:{server.address}", "control": f"stun:{control.address}"}
        found = site.run("hello.mjs", token=site.token("acme-admin"), **stuns)
        return {**found, "packets": server.packets(), "packets_of_the_host": control.packets()}


FIRST_WITH_CONNECTION_ALLOWLIST = 152


class StunServer:
    """A UDP port of this machine's own address that counts what reaches it."""

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        host, port = socket.getsockname()
        self.address = f"{host}:{port}"

    def packets(self) -> int:
        count = 0
        while True:
            try:
                self._socket.recv(2_048)
            except BlockingIOError:
                return count
            count += 1


@contextmanager
def stun_server() -> Iterator[StunServer]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        yield StunServer(bound)


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


def test_the_frame_reaches_nothing_by_webrtc(hello: Any) -> None:
    if int(hello["chromium"].partition(".")[0]) < FIRST_WITH_CONNECTION_ALLOWLIST:
        pytest.skip(f"Chromium {hello['chromium']} does not know Connection-Allowlist yet")
    assert hello["packets"] == 0


def test_a_page_without_the_header_would_reach_it_by_webrtc(hello: Any) -> None:
    assert hello["packets_of_the_host"] > 0


def test_the_frame_runs_no_inline_script(hello: Any) -> None:
    assert hello["inside"]["inline"] == "false"


def test_the_frame_is_as_high_as_its_document_with_margins(hello: Any) -> None:
    heights = hello["heights"]
    assert heights["frame"] == heights["document"] == heights["element"] + 40 + 55


def test_the_network_log_has_each_call_with_status_and_time(hello: Any) -> None:
    calls = {request: (status, time.isdecimal()) for status, request, time in hello["log"]}

    assert calls == {
        "GET /hello?name=world": ("200", True),
        "GET /hello?name=Grace": ("200", True),
        "GET /count": ("200", True),
    }


def test_the_host_page_shows_no_token(hello: Any) -> None:
    assert not hello["token_is_shown"]


def test_the_menu_has_the_extensions_icon(hello: Any) -> None:
    assert hello["icon"]


def test_the_page_is_headed_by_the_entrys_label(hello: Any) -> None:
    assert hello["title"] == "Hello"


def test_a_note_is_there_after_a_reload(site: Site) -> None:
    assert site.run("notes.mjs", token=site.token("acme-admin"))["kept"]


def test_a_bad_token_is_explained(site: Site) -> None:
    assert site.run("refused.mjs")["says"]


def test_a_printed_line_signs_in_once_and_leaves_no_code_in_the_address(site: Site) -> None:
    found = re.search(r"acme-viewer +\S+/#code=(\S+)", site.printed)
    assert found is not None
    seen = site.run("code.mjs", code=found[1])
    assert "Vic" in seen["who"]
    assert found[1] not in seen["address"]
    assert "used already" in seen["says"]


def test_a_page_opened_outside_the_frame_is_as_confined(site: Site) -> None:
    headers = {"authorization": f"Bearer {site.token('acme-admin')}"}
    answer = urllib3.request("GET", f"{site.addresses['api']}/api/registry/v1/installs", headers=headers)
    url = next(item["ui_url"] for item in answer.json()["items"] if item["ui_url"])

    alone = site.run("alone.mjs", url=url)

    assert (alone["status"], alone["origin"]) == (200, "null")


@pytest.fixture(scope="session")
def samples(site: Site) -> Any:
    return site.run("samples.mjs", token=site.token("acme-admin"))


def test_axe_finds_nothing_in_the_samples_and_the_host_page_in_both_schemes(samples: Any) -> None:
    assert {where: found for where, found in samples["axe"].items() if found} == {}
    assert len(samples["axe"]) == 9


def test_no_policy_is_violated_apart_from_the_probe_of_frame_src(samples: Any) -> None:
    assert (samples["violations"], samples["probes"]) == ([], 1)
