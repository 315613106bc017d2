"""The how-to page about embedding, as it is written: its files are taken out, bundled, served and opened.

Only addresses are replaced: the page names the local platform's default ports.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.browser.conftest import Site
from tests.support.places import ROOT

PAGE: Final = (ROOT / "docs" / "how-to" / "embed-extensions.md").read_text(encoding="utf-8")
NAMED_BLOCK: Final = re.compile(r"^```\w+\n(?:// |<!-- )([\w.]+)(?: -->)?\n.*?^```$", re.MULTILINE | re.DOTALL)
BUNDLING: Final = "npx esbuild {} --bundle --format=esm --outfile=app.bundle.js"
START_WITHIN_S: Final = 10


def files() -> dict[str, str]:
    """The blocks of the page whose first line names a file."""
    return {found[1]: found[0].partition("\n")[2].removesuffix("```") for found in NAMED_BLOCK.finditer(PAGE)}


@contextmanager
def served(site: Site, folder: Path, entry: str, changes: Mapping[str, str] = {}) -> Iterator[str]:
    """Write the files into a folder below the checkout, where packages are found, bundle, and start the server."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    origin = f"http://localhost:{site.own_port}"
    addresses = {
        "http://127.0.0.1:8700": site.addresses["api"],
        "http://127.0.0.1:8701": site.addresses["ui"],
        "listen(3000,": f"listen({site.own_port},",
        **changes,
    }
    written = files()
    for old in addresses:
        assert any(old in text for text in written.values()), old
    for name, text in written.items():
        for old, new in addresses.items():
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")
    assert BUNDLING.format("app.js") in PAGE
    # The condition takes the packages from this checkout's sources, so that nothing has to be built first.
    command = [*BUNDLING.format(entry).split(), "--jsx=automatic", "--conditions=alga-source", "--log-level=warning"]
    subprocess.run(command, cwd=folder, check=True)
    environment = {**os.environ, "USER_TOKEN": site.token("acme-user")}
    server = subprocess.Popen(["node", "server.mjs"], cwd=folder, env=environment)
    try:
        wait_until_open(site.own_port)
        yield origin
    finally:
        server.terminate()
        server.wait(10)


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            socket.create_connection(("localhost", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def opened(site: Site, name: str, entry: str = "app.js", changes: Mapping[str, str] = {}) -> Any:
    """Run the page, and return what it shows."""
    with served(site, ROOT / ".build" / "embedding" / name, entry, changes) as origin:
        return site.run("embedding.mjs", origin=origin, token=site.token("acme-user"))


def not_shown(site: Site, name: str, changes: Mapping[str, str], host: str = "localhost") -> Any:
    """Run the page with a fault, and return the states that it goes through, and the console's errors."""
    with served(site, ROOT / ".build" / "embedding" / name, "app.js", changes) as origin:
        return site.run("not-shown.mjs", origin=origin.replace("localhost", host))


@pytest.fixture(scope="session")
def plain(site: Site) -> Any:
    return opened(site, "plain")


@pytest.fixture(scope="session")
def react(site: Site) -> Any:
    return opened(site, "react", "app.jsx")


def test_any_page_shows_the_extension_and_its_answer(plain: Any) -> None:
    assert (plain["menu"], plain["tenant"]) == (["Hello", "Notes"], "acme")


def test_react_shows_the_extension_and_its_answer(react: Any) -> None:
    assert react["tenant"] == "acme"


def test_react_in_strict_mode_has_one_frame(react: Any) -> None:
    assert react["frames"] == 1


def test_react_passes_a_changed_theme_on(react: Any) -> None:
    assert react["scheme"] == "dark"


@pytest.mark.parametrize("page", ["plain", "react"])
def test_the_policy_breaks_nothing_but_the_bridges_probe(page: str, request: pytest.FixtureRequest) -> None:
    violations = request.getfixturevalue(page)["violations"]

    assert [violation.partition("-probe-")[0] for violation in violations] == ["frame-src https://frame-src"]


def test_the_bridge_does_not_warn_behind_the_policy(plain: Any) -> None:
    assert plain["warnings"] == []


def test_the_frame_is_not_given_the_token(plain: Any) -> None:
    assert not plain["frame_has_token"]


def test_without_frame_src_the_bridge_names_the_header_to_send(site: Site) -> None:
    found = opened(site, "open", changes={"frame-src ${UI}; ": "", "default-src 'none'": "default-src 'self' ${UI}"})

    assert found["tenant"] == "acme"
    assert [f'"Content-Security-Policy: frame-src {site.addresses["ui"]}"' in line for line in found["warnings"]] == [
        True
    ]


ON_STATE: Final = "label: entry.label,"
TELLING: Final = {ON_STATE: f"{ON_STATE} onState: (state, failure) => globalThis.told.push([state, failure]),"}


def test_a_policy_without_the_ui_host_blocks_the_frame(site: Site) -> None:
    found = not_shown(site, "blocked", {**TELLING, "frame-src ${UI}": "frame-src https://other.example"})

    assert found["told"][-1] == ["failed", "frame_blocked"]


def test_a_page_that_is_not_among_the_frame_ancestors_gets_no_answer(site: Site) -> None:
    found = not_shown(site, "ancestors", {**TELLING, '"localhost"': '"127.0.0.1"'}, host="127.0.0.1")

    assert found["told"][-1] == ["failed", "no_answer"]
    assert any("frame-ancestors" in line for line in found["complaints"])


def test_an_unknown_version_is_shown_as_withdrawn(site: Site) -> None:
    found = not_shown(
        site, "withdrawn", {**TELLING, "src: entry.ui_url": "src: entry.ui_url.replace(/[0-9a-f]{64}/, '0'.repeat(64))"}
    )

    assert found["told"][-1][0] == "withdrawn"


def test_without_the_ui_host_in_connect_src_a_withdrawn_page_is_shown_as_failed(site: Site) -> None:
    changes = {
        "src: entry.ui_url": "src: entry.ui_url.replace(/[0-9a-f]{64}/, '0'.repeat(64))",
        "connect-src 'self' ${API} ${UI}": "connect-src 'self' ${API}",
    }

    assert not_shown(site, "no-connect", {**TELLING, **changes})["told"][-1] == ["failed", "no_answer"]
